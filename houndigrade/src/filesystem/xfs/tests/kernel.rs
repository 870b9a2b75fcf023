//! File systems filled by the kernel and compared with its view: clean, cut off, and large.

use super::files::{fill, fill_directory, noise, scatter, xfs_io};
use super::image::XfsImage;
use super::*;
use crate::test_disks::kernel::{KernelMount, assert_same_tree};

#[rstest]
#[case::as_it_comes("")]
#[case::rhel_8("-m bigtime=0,inobtcount=0,reflink=1")]
#[case::all_new("-m bigtime=1,inobtcount=1,reflink=1,rmapbt=1 -i nrext64=1,sparse=1")]
#[case::no_sparse_inodes("-m finobt=0,reflink=0 -i sparse=0")]
#[case::large_inodes("-i size=2048 -n size=16384")]
#[case::blocks_of_1_kib("-b size=1024")]
#[case::blocks_of_2_kib("-b size=2048")]
#[case::blocks_of_16_kib("-b size=16384")]
#[case::blocks_of_64_kib("-b size=65536")]
#[case::striped("-d su=256k,sw=2,agcount=2 -l su=256k")]
#[case::sectors_of_4_kib("-s size=4096")]
fn the_kernel_sees_the_same_files(#[case] options: &str) {
    let Some(image) = XfsImage::new(options) else {
        return;
    };
    assert!(image.open().unwrap().names("/", 1).unwrap().is_empty());
    let Some(mount) = KernelMount::new(&image.path, "rw") else {
        return;
    };
    fill(mount.path());
    drop(mount);

    let fs = image.open().unwrap();
    let Some(mount) = KernelMount::new(&image.path, "ro") else {
        return;
    };
    assert_same_tree(&*fs, mount.path());
}

/// Makes a file system that was filled, changed and cut off, with all that in its log and little of it in its place.
fn cut_off(options: &str) -> Option<XfsImage> {
    let image = XfsImage::new(options)?;
    let mount = KernelMount::new(&image.path, "rw")?;
    let root = mount.path();
    fill(root);
    run("sync", &["-f", root.to_str().unwrap()], "").unwrap();
    for folder in ["block", "leaf", "node", "tree"] {
        for entry in fs::read_dir(root.join(folder)).unwrap().step_by(3) {
            fs::remove_file(entry.unwrap().path()).unwrap();
        }
    }
    fs::remove_dir_all(root.join("short")).unwrap();
    fill_directory(root, "short", 500);
    fill_directory(root, "new", 1500);
    fs::rename(root.join("a"), root.join("new/moved")).unwrap();
    symlink("y".repeat(900), root.join("long link")).unwrap();
    xfs_io(&root.join("holes"), &["fpunch 100k 5m", "truncate 9m"]);
    scatter(&root.join("fragmented"), 800, 8192);
    fs::write(root.join("large"), noise(400_001)).unwrap();
    let root = root.to_str().unwrap();
    run("xfs_io", &["-x", "-c", "shutdown -f", root], "").unwrap();
    drop(mount);
    Some(image)
}

#[rstest]
#[case::as_it_comes("")]
#[case::rhel_8("-m bigtime=0,inobtcount=0")]
#[case::all_new("-m bigtime=1,inobtcount=1,rmapbt=1 -i nrext64=1")]
#[case::blocks_of_1_kib("-b size=1024")]
#[case::large_inodes("-i size=2048 -n size=16384")]
#[case::striped("-d su=256k,sw=2,agcount=2 -l su=256k")]
#[case::a_short_log("--unsupported -l size=8m")]
fn a_log_that_was_cut_off_is_replayed_as_the_kernel_does(#[case] options: &str) {
    let Some(image) = cut_off(options) else {
        return;
    };
    let recovered = image.copy();
    let Some(mount) = KernelMount::new(&recovered.path, "rw") else {
        return;
    };
    assert_same_tree(&*image.open().unwrap(), mount.path());
    let geometry = Geometry::read(&*image.disk()).unwrap();
    let replayed = recover(
        &*image.disk(),
        &geometry,
        &MemoryBudget::default(),
        &mut MemoryBudget::default().reservation(),
    )
    .unwrap();
    assert!(replayed.overlay.size() > 100_000);

    let small = MemoryBudget::new(64 << 10);
    let error = Xfs::open(image.disk(), &small).err().unwrap();
    assert!(error.to_string().starts_with("memory limit: "), "{error}");
    small
        .reservation()
        .try_grow(64 << 10)
        .expect("all of it is given back");
}

/// Bytes read from a disk of 10 GiB to open it and to read one file.
fn cost(image: &XfsImage) -> u64 {
    let started = Instant::now();
    let disk = image.disk();
    let fs = Xfs::open(Arc::clone(&disk), &MemoryBudget::default()).unwrap();
    let opened = disk.stats().bytes_read;
    let mut release = [0; 100];
    let read = fs.open("/etc/os-release").unwrap().read_at(0, &mut release);
    assert_eq!(release[..read.unwrap()], *b"ID=rhel\n");
    let read = disk.stats().bytes_read;
    eprintln!(
        "{opened} bytes to open, {read} in all, {:?}",
        started.elapsed()
    );
    read
}

#[test]
fn little_is_read_of_a_large_disk() {
    let image = XfsImage::empty(10 * 1024 * 1024 * 1024);
    let made = run("mkfs.xfs", &["-q", image.path.to_str().unwrap()], "");
    if made.is_none() {
        return;
    }
    let Some(mount) = KernelMount::new(&image.path, "rw") else {
        return;
    };
    fill_directory(mount.path(), "etc", 300);
    fs::write(mount.path().join("etc/os-release"), "ID=rhel\n").unwrap();
    let root = mount.path().to_str().unwrap();
    run("sync", &["-f", root], "").unwrap();
    fill_directory(mount.path(), "var", 5000);
    run("xfs_io", &["-x", "-c", "shutdown -f", root], "").unwrap();
    drop(mount);
    let dirty = cost(&image);
    // The kernel replays the log.
    drop(KernelMount::new(&image.path, "rw"));
    let clean = cost(&image);
    assert!(clean < 100_000, "{clean}");
    assert!(dirty < 32 * 1024 * 1024, "{dirty}");
}
