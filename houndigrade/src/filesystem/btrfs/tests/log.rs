//! File systems in use: changes that were synced since the last commit are in the log, and nowhere else.

use std::os::unix::fs::FileExt;

use super::*;

/// Copies the image while it is mounted, and compares it with the tree after the kernel's replay. The kernel may have committed
/// instead of writing a log.
fn assert_same_after_replay(image: &BtrfsImage, mounted: KernelMount) {
    let (ours, theirs) = (image.copy(), image.copy());
    drop(mounted);
    let source = ours.source();
    let logged = BtrfsSuperblock::read(&*source).unwrap().log_root.is_some();
    if logged {
        let error = Btrfs::open(ours.source(), &MemoryBudget::new(1024))
            .err()
            .unwrap();
        assert!(error.to_string().starts_with("memory limit: "), "{error}");
    }
    let fs = ours.open().unwrap();
    let mounted = theirs.mount("subvolid=5").unwrap();
    assert_same_tree(&*fs, mounted.path());
}

fn sync(path: &Path) {
    File::open(path).unwrap().sync_all().unwrap();
}

/// Files of the last commit.
fn before(folder: &Path) {
    for name in ["small", "other", "renamed", "removed"] {
        fs::write(folder.join(name), name.repeat(10)).unwrap();
    }
    fs::write(folder.join("large"), text(MIB)).unwrap();
    fs::create_dir(folder.join("folder")).unwrap();
    fs::create_dir(folder.join("empty")).unwrap();
    for number in 0..500 {
        fs::write(folder.join(format!("folder/{number}")), number.to_string()).unwrap();
    }
}

fn open(folder: &Path, name: &str) -> File {
    File::options().write(true).open(folder.join(name)).unwrap()
}

fn overwritten(folder: &Path) {
    fs::write(folder.join("small"), "new contents").unwrap();
    sync(&folder.join("small"));
}

fn overwritten_in_parts(folder: &Path) {
    let file = open(folder, "large");
    for offset in [0, 100_000, 300_001, MIB as u64 - 5] {
        file.write_all_at(&noise(10_000), offset).unwrap();
    }
    file.sync_all().unwrap();
    // Not synced: the last synced contents count.
    file.write_all_at(&noise(50_000), 600_000).unwrap();
}

fn truncated(folder: &Path) {
    open(folder, "large").set_len(5000).unwrap();
    sync(&folder.join("large"));
}

fn truncated_and_extended(folder: &Path) {
    open(folder, "large").set_len(5000).unwrap();
    open(folder, "large").set_len(900_000).unwrap();
    sync(&folder.join("large"));
}

fn grown(folder: &Path) {
    let file = open(folder, "small");
    file.write_all_at(&text(100_000), 3_000_000).unwrap();
    file.sync_all().unwrap();
}

fn punched(folder: &Path) {
    let path = folder.join("large");
    let arguments = ["-p", "-o", "4096", "-l", "300000", path.to_str().unwrap()];
    run("fallocate", &arguments, "").unwrap();
    sync(&path);
}

fn made(folder: &Path) {
    fs::create_dir_all(folder.join("new/newer")).unwrap();
    fs::write(folder.join("new/newer/file"), text(300_000)).unwrap();
    fs::write(folder.join("new/unsynced"), "unsynced").unwrap();
    sync(&folder.join("new/newer/file"));
}

fn replaced_by_rename(folder: &Path) {
    fs::write(folder.join("small.new"), "replaced").unwrap();
    sync(&folder.join("small.new"));
    fs::rename(folder.join("small.new"), folder.join("small")).unwrap();
    sync(folder);
}

fn renamed(folder: &Path) {
    fs::rename(folder.join("renamed"), folder.join("folder/moved")).unwrap();
    sync(&folder.join("folder/moved"));
}

fn swapped(folder: &Path) {
    fs::rename(folder.join("small"), folder.join("spare")).unwrap();
    fs::rename(folder.join("other"), folder.join("small")).unwrap();
    fs::rename(folder.join("spare"), folder.join("other")).unwrap();
    sync(&folder.join("small"));
    sync(&folder.join("other"));
}

fn removed(folder: &Path) {
    for number in (0..500).filter(|number| number % 3 == 0) {
        fs::remove_file(folder.join(format!("folder/{number}"))).unwrap();
    }
    sync(&folder.join("folder"));
}

fn removed_and_made(folder: &Path) {
    fs::remove_file(folder.join("removed")).unwrap();
    fs::write(folder.join("removed"), "another file").unwrap();
    sync(&folder.join("removed"));
}

fn linked(folder: &Path) {
    for number in 0..300 {
        let name = format!("{number}{}", "long".repeat(20));
        fs::hard_link(folder.join("small"), folder.join("folder").join(name)).unwrap();
    }
    sync(&folder.join("small"));
}

fn unlinked(folder: &Path) {
    fs::hard_link(folder.join("small"), folder.join("folder/link")).unwrap();
    sync(&folder.join("small"));
    fs::remove_file(folder.join("small")).unwrap();
    sync(&folder.join("folder/link"));
}

fn symlinked(folder: &Path) {
    symlink("small", folder.join("folder/link")).unwrap();
    sync(&folder.join("folder"));
}

#[rstest]
#[case::overwritten(overwritten)]
#[case::overwritten_in_parts(overwritten_in_parts)]
#[case::truncated(truncated)]
#[case::truncated_and_extended(truncated_and_extended)]
#[case::grown(grown)]
#[case::punched(punched)]
#[case::made(made)]
#[case::replaced_by_rename(replaced_by_rename)]
#[case::renamed(renamed)]
#[case::swapped(swapped)]
#[case::removed(removed)]
#[case::removed_and_made(removed_and_made)]
#[case::linked(linked)]
#[case::unlinked(unlinked)]
#[case::symlinked(symlinked)]
fn synced_changes_count(
    #[case] change: fn(&Path),
    #[values(("", "compress-force=zstd"), ("-O ^no-holes", ""))] options: (&str, &str),
) {
    let (mkfs, mount) = options;
    let Some(image) = BtrfsImage::new(mkfs) else {
        return;
    };
    let Some(mounted) = image.mount(&format!("{TOP},{mount}")) else {
        return;
    };
    before(mounted.path());
    // Also in a subvolume, which has a log of its own.
    let inner = mounted.path().join("inner");
    let arguments = ["subvolume", "create", inner.to_str().unwrap()];
    if run("btrfs", &arguments, "").is_none() {
        return;
    }
    before(&inner);
    run("sync", &["-f", inner.to_str().unwrap()], "").unwrap();
    change(mounted.path());
    change(&inner);
    assert_same_after_replay(&image, mounted);
}

/// Random operations, of which some must be in a log.
#[rstest]
fn random_changes_count(#[values(1, 2, 3, 4, 5, 6, 7, 8)] seed: u64) {
    let Some(image) = BtrfsImage::new("") else {
        return;
    };
    let Some(mounted) = image.mount(TOP) else {
        return;
    };
    let folder = mounted.path();
    let mut random = Random(seed);
    let (mut copies, mut logs) = (Vec::new(), 0);
    for directory in ["a", "b", "c"] {
        fs::create_dir(folder.join(directory)).unwrap();
    }
    for _ in 0..40 {
        random.step(folder);
    }
    for _ in 0..6 {
        run("sync", &["-f", folder.to_str().unwrap()], "").unwrap();
        for _ in 0..25 {
            random.step(folder);
        }
        // The copies are compared one after another: the kernel mounts no two of a file system.
        let pair = [image.copy(), image.copy()];
        logs += usize::from(
            BtrfsSuperblock::read(&*pair[0].source())
                .unwrap()
                .log_root
                .is_some(),
        );
        copies.push(pair);
    }
    drop(mounted);
    for [ours, theirs] in copies {
        let fs = ours.open().unwrap();
        let mounted = theirs.mount("subvolid=5").unwrap();
        assert_same_tree(&*fs, mounted.path());
    }
    assert!(logs > 0, "none of the copies has a log");
}

struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 20) % limit
    }

    fn path(&mut self, folder: &Path) -> PathBuf {
        let directory = ["a", "b", "c", "."][self.below(4) as usize];
        folder.join(directory).join(format!("f{}", self.below(8)))
    }

    /// Makes one operation. It may fail for want of a file.
    fn step(&mut self, folder: &Path) {
        let (one, other) = (self.path(folder), self.path(folder));
        let (offset, length) = (self.below(200_000), self.below(60_000) as usize);
        match self.below(12) {
            0 | 1 => drop(fs::write(&one, text(length))),
            2 => drop(fs::write(&one, noise(length / 50))),
            3 => drop(fs::rename(&one, &other)),
            4 => drop(fs::hard_link(&one, &other)),
            5 => drop(fs::remove_file(&one)),
            6 => drop(
                File::options()
                    .write(true)
                    .open(&one)
                    .map(|file| file.set_len(offset)),
            ),
            7 | 8 => drop(
                File::options()
                    .write(true)
                    .open(&one)
                    .map(|file| file.write_all_at(&noise(length), offset)),
            ),
            9 => drop(File::open(one.parent().unwrap()).map(|directory| directory.sync_all())),
            _ => drop(File::open(&one).map(|file| file.sync_all())),
        }
    }
}
