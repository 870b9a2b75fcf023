//! Impossible and damaged file systems.

use proptest::prelude::*;

use super::pages::SparseDisk;
use super::*;

#[rstest]
#[case::sectors(102, &[0, 0], "sectors of 0 bytes")]
#[case::blocks(4, &[0, 0, 3, 0], "blocks of 768 bytes")]
#[case::longer_than_the_disk(8, &[0, 0, 0, 0, 0, 1, 0x40, 1], "it is 335548416 bytes long, but its partition ends after 335544320")]
#[case::endless(8, &[0xff; 8], "it is 18446744073709551615 bytes long, but its partition ends after 335544320")]
#[case::log_elsewhere(48, &[0; 8], "its log is on another device")]
#[case::no_log(96, &[0; 4], "its log of 0 bytes at 167788544 is not within its 335544320 bytes")]
#[case::log_beyond_the_end(96, &[0xff; 4], "its log of 17592186040320 bytes at 167788544 is not within its 335544320 bytes")]
#[case::version(100, &[0, 3], "version 3 is not known")]
fn an_impossible_superblock_is_refused(
    #[case] offset: u64,
    #[case] bytes: &[u8],
    #[case] problem: &str,
) {
    let error = SparseDisk::v4().patch(offset, bytes).open().err().unwrap();
    assert_eq!(error.to_string(), format!("xfs file system: {problem}"));
}

/// Reads a little of everything, and ignores errors.
fn look_around(fs: &Xfs) {
    let mut folders = vec![String::new()];
    while let Some(folder) = folders.pop() {
        let at = if folder.is_empty() { "/" } else { &folder };
        for name in fs.names(at, 20_000).unwrap_or_default().into_iter().take(5) {
            let path = format!("{folder}/{name}");
            match fs.file_type(&path) {
                Ok(Some(FileType::Directory)) if folder.len() < 50 => folders.push(path),
                Ok(Some(FileType::Symlink)) => drop(fs.link_target(&path)),
                Ok(Some(FileType::File)) => {
                    if let Ok(mut file) = fs.open(&path) {
                        let _ = file.read_at(0, &mut vec![0; 300_000]);
                        let _ = file.read_at(file.size().saturating_sub(9), &mut [0; 9]);
                    }
                }
                _ => {}
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn damage_is_an_error_soon(damage in prop::collection::vec((any::<prop::sample::Index>(), 0..4096usize, any::<u8>()), 1..200)) {
        let mut pages = SparseDisk::v4();
        let offsets: Vec<u64> = pages.0.keys().copied().collect();
        for (page, at, byte) in damage {
            pages.0.get_mut(page.get(&offsets)).unwrap()[at] = byte;
        }
        let started = Instant::now();
        if let Ok(fs) = pages.open() {
            look_around(&fs);
        }
        prop_assert!(started.elapsed() < Duration::from_secs(20));
    }
}
