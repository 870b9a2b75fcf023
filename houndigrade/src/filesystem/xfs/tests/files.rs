//! Directories and files in every shape that XFS stores in another way.

use super::*;

pub(super) fn xfs_io(path: &Path, commands: &[&str]) {
    let mut arguments = vec!["-f"];
    arguments.extend(commands.iter().flat_map(|command| ["-c", command]));
    arguments.push(path.to_str().unwrap());
    run("xfs_io", &arguments, "").unwrap();
}

pub(super) fn fill_directory(root: &Path, name: &str, count: usize) {
    let folder = root.join(name);
    fs::create_dir(&folder).unwrap();
    for number in 0..count {
        let file = folder.join(format!("a file with a longer name {number}"));
        let contents = if number % 50 == 0 { name } else { "" };
        fs::write(file, contents).unwrap();
    }
}

/// Directories and files in every shape that they have on the disk.
pub(super) fn fill(root: &Path) {
    // In the inode, in a block, in blocks with an index, in many, and in so many that they take a tree.
    for (name, count) in [
        ("short", 3),
        ("block", 40),
        ("leaf", 400),
        ("node", 1500),
        ("tree", 5000),
    ] {
        fill_directory(root, name, count);
    }
    fs::create_dir_all(root.join("a/b/c/d")).unwrap();
    symlink("../short", root.join("a/link")).unwrap();
    symlink("x".repeat(1000), root.join("a/long link")).unwrap();
    run("mkfifo", &[root.join("a/pipe").to_str().unwrap()], "").unwrap();

    fs::write(root.join("large"), noise(2_000_001)).unwrap();
    scatter(&root.join("holes"), 1500, 12_288);
    xfs_io(
        &root.join("unwritten"),
        &["falloc 0 1m", "pwrite -S 7 64k 100k", "pwrite 900k 1k"],
    );
}

/// Writes `count` blocks to a file with holes between them.
pub(super) fn scatter(path: &Path, count: u64, distance: u64) {
    let file = fs::File::create(path).unwrap();
    for number in 0..count {
        let block = [number as u8; 4096];
        file.write_all_at(&block, number * distance).unwrap();
    }
    file.set_len(count * distance + 12_345).unwrap();
}

pub(super) fn noise(length: usize) -> Vec<u8> {
    let mut state = 1u64;
    let next = |_| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 56) as u8
    };
    (0..length).map(next).collect()
}
