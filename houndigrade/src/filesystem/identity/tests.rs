use rstest::rstest;

use super::*;
use crate::test_disks::{MIB, MemoryDisk, run};

/// The names by `blkid` of file systems made by the tool.
#[rstest]
#[case("mke2fs", &["-q", "-t", "ext2", "-L", "sixteen letters!"], 1)]
#[case("mke2fs", &["-q", "-t", "ext4"], 1)]
#[case("mkfs.xfs", &["-q", "-L", "twelve chars"], 350)]
#[case("mkfs.xfs", &["-q", "-m", "crc=0"], 350)]
#[case("mkfs.btrfs", &["-q", "-L", "a label of some length"], 120)]
#[case("mkfs.vfat", &["-n", "EFI SYSTEM"], 8)]
#[case("mkfs.vfat", &["-F", "32"], 40)]
fn names_are_those_of_blkid(#[case] tool: &str, #[case] options: &[&str], #[case] mib: u64) {
    let file = tempfile::NamedTempFile::new().unwrap();
    file.as_file().set_len(mib * MIB as u64).unwrap();
    let path = file.path().to_str().unwrap();
    if run(tool, &[options, &[path]].concat(), "").is_none() {
        return;
    }
    let blkid = |tag| run("blkid", &["-p", "-o", "value", "-s", tag, path], "");
    let (Some(uuid), Some(label)) = (blkid("UUID"), blkid("LABEL")) else {
        return;
    };
    let disk = MemoryDisk(std::fs::read(path).unwrap());
    let (_, identity) = Content::identify(&disk).unwrap();
    assert_eq!(identity.uuid.as_deref(), Some(uuid.trim()));
    assert_eq!(identity.label.unwrap_or_default(), label.trim());
}

#[test]
fn a_fat_names_itself_in_its_boot_sector() {
    let mut head = vec![0; 1024];
    head[82..90].copy_from_slice(b"FAT32   ");
    head[67..71].copy_from_slice(&[0x4d, 0x3c, 0x2b, 0x1a]);
    head[71..82].copy_from_slice(b"EFI SYSTEM ");
    let expected = Identity {
        uuid: Some("1A2B-3C4D".into()),
        label: Some("EFI SYSTEM".into()),
    };
    assert_eq!(Identity::parse(Content::Known("vfat"), &head), expected);
}

#[rstest]
#[case("xfs")]
#[case("btrfs")]
#[case("vfat")]
fn what_is_cut_off_has_no_name(#[case] kind: &'static str) {
    assert_eq!(
        Identity::parse(Content::Known(kind), &[1; 20]),
        Identity::default()
    );
}
