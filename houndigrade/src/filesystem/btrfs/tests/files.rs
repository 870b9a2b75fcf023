//! Files of every kind that btrfs stores in another way.

use std::io::Write;

use super::*;

/// Text that every algorithm makes smaller.
pub(super) fn text(length: usize) -> Vec<u8> {
    let lines =
        (0_u64..).flat_map(|line| format!("line {line} of {}\n", line * line % 977).into_bytes());
    lines.take(length).collect()
}

/// Bytes that no algorithm makes smaller.
pub(super) fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    (0..length).map(|_| next()).collect()
}

/// Writes files of every kind into a folder.
pub(super) fn fill(folder: &Path) {
    for length in [
        0,
        1,
        100,
        2000,
        4095,
        4096,
        4097,
        70_000,
        131_072,
        131_073,
        MIB,
        3 * MIB + 5,
    ] {
        fs::write(folder.join(format!("text{length}")), text(length)).unwrap();
        fs::write(folder.join(format!("noise{length}")), noise(length)).unwrap();
    }
    holes(folder);
    names(folder);
    symlink("text100", folder.join("link")).unwrap();
    symlink("x/".repeat(1800), folder.join("long link")).unwrap();
    fs::create_dir_all(folder.join("a/b/c/d/e/f")).unwrap();
    fs::write(folder.join("a/b/c/d/e/f/deep"), "deep").unwrap();
    run("mkfifo", &[folder.join("pipe").to_str().unwrap()], "").unwrap();
    // More links than one item holds.
    for number in 0..400 {
        let name = format!("{number}{}", "long".repeat(20));
        fs::hard_link(folder.join("text2000"), folder.join(name)).unwrap();
    }
}

pub(super) fn holes(folder: &Path) {
    let sparse = File::create(folder.join("sparse")).unwrap();
    for offset in [70_000, 500_000, 5_000_000] {
        sparse.write_all_at(&text(10_000), offset).unwrap();
    }
    sparse.set_len(9_000_000).unwrap();

    let parts = folder.join("parts");
    fs::write(&parts, text(2 * MIB)).unwrap();
    let file = File::options().write(true).open(&parts).unwrap();
    file.sync_all().unwrap();
    // Extents of which only a part is left.
    for offset in [5_000, 200_000, 1_000_001] {
        file.write_all_at(&noise(9_000), offset).unwrap();
        file.sync_all().unwrap();
    }
    let path = parts.to_str().unwrap();
    run("fallocate", &["-p", "-o", "40960", "-l", "81920", path], "").unwrap();
    run(
        "cp",
        &["--reflink=always", path, &format!("{path} again")],
        "",
    )
    .unwrap();

    let reserved = folder.join("reserved");
    run(
        "fallocate",
        &["-l", "1000000", reserved.to_str().unwrap()],
        "",
    )
    .unwrap();
    let file = File::options().write(true).open(&reserved).unwrap();
    file.write_all_at(&text(10_000), 300_000).unwrap();

    let mut pieces = File::create(folder.join("pieces")).unwrap();
    for piece in 0..60 {
        pieces.write_all(&noise(4096 + piece)).unwrap();
        pieces.sync_data().unwrap();
    }
}

pub(super) fn names(folder: &Path) {
    let many = folder.join("many");
    fs::create_dir(&many).unwrap();
    for number in 0..2000 {
        fs::write(
            many.join(format!("file number {number}")),
            number.to_string(),
        )
        .unwrap();
    }
    for number in (0..2000).step_by(3) {
        fs::remove_file(many.join(format!("file number {number}"))).unwrap();
    }
    for name in colliding() {
        fs::write(folder.join(&name), &name).unwrap();
    }
    fs::write(folder.join("n".repeat(255)), "long").unwrap();
}

/// Two names with one hash.
pub(super) fn colliding() -> [String; 2] {
    let mut seen = BTreeMap::new();
    for number in 0_u64.. {
        let name = format!("{:016x}", number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        if let Some(other) = seen.insert(checksum::name_hash(name.as_bytes()), name.clone()) {
            return [other, name];
        }
    }
    unreachable!()
}

#[test]
fn names_that_collide_differ() {
    let [one, other] = colliding();
    assert_ne!(one, other);
}
