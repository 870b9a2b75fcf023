use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;

use rstest::rstest;

use super::testing::InMemoryFileSystem;
use super::*;
use crate::test_disks::kernel::{KernelMount, assert_same_tree};
use crate::test_disks::{MIB, MemoryDisk, Tree, rhel, run, with_dirty_journal};
use houndigrade_report::ProblemCode;

fn memory() -> InMemoryFileSystem {
    InMemoryFileSystem(BTreeMap::from([
        ("/etc/file", Ok("found")),
        ("/etc/relative", Err("file")),
        ("/etc/absolute", Err("/etc/file")),
        ("/etc/up", Err("../etc/file")),
        ("/etc/escape", Err("../../../../../etc/file")),
        ("/etc/absolute_escape", Err("/../../etc/file")),
        ("/etc/twice", Err("absolute")),
        ("/etc/self", Err("self")),
        ("/etc/ping", Err("pong")),
        ("/etc/pong", Err("ping")),
        ("/etc/growing", Err("growing/growing/growing")),
        ("/etc/dangling", Err("nowhere")),
        ("/etc/through_a_file", Err("file/../file")),
        ("/etc/to_directory", Err("/etc")),
        ("/usr", Err("etc")),
    ]))
}

fn open_ext(kind: &'static str, image: Vec<u8>) -> Result<Box<dyn FileSystem>, FileSystemError> {
    open(
        Content::Ext(kind),
        Arc::new(MemoryDisk(image)),
        &crate::MemoryBudget::default(),
    )
}

#[rstest]
#[case::plain("/etc/file", true)]
#[case::dots("/./etc/../etc//./file", true)]
#[case::above_the_root("/../../etc/file", true)]
#[case::relative_link("/etc/relative", true)]
#[case::absolute_link("/etc/absolute", true)]
#[case::link_up("/etc/up", true)]
#[case::link_out_of_the_image("/etc/escape", true)]
#[case::absolute_link_out("/etc/absolute_escape", true)]
#[case::link_to_link("/etc/twice", true)]
#[case::linked_directory("/usr/relative", true)]
#[case::directory_in_the_middle("/etc/to_directory/to_directory/file", true)]
#[case::loop_of_one("/etc/self", false)]
#[case::loop_of_two("/etc/ping", false)]
#[case::loop_that_grows("/etc/growing", false)]
#[case::nothing("/etc/nothing", false)]
#[case::dangling("/etc/dangling", false)]
#[case::file_is_no_directory("/etc/file/file", false)]
#[case::not_even_upwards("/etc/through_a_file", false)]
#[case::directory_is_no_file("/etc", false)]
fn paths_stay_inside(#[case] path: &str, #[case] found: bool) {
    let memory = memory();
    let root = Root::new(&memory);
    assert_eq!(
        root.head(path, 100).unwrap().as_deref(),
        found.then_some(&b"found"[..])
    );
    assert_eq!(root.is_file(path).unwrap(), found);
}

#[test]
fn the_paths_of_a_host_are_not_those_of_an_image() {
    let Some(image) = Tree::new()
        .link("/etc/hostname", "/proc/../../../../etc/hostname")
        .link("/etc/os-release", "../../../../../../etc/os-release")
        .file_system("ext4", MIB)
    else {
        return;
    };
    let fs = open_ext("ext4", image).unwrap();
    assert_eq!(Root::new(&*fs).head("/etc/os-release", 100).unwrap(), None);
    assert_eq!(Root::new(&*fs).head("/etc/hostname", 100).unwrap(), None);
}

#[rstest]
#[case("ext2")]
#[case("ext3")]
#[case("ext4")]
fn files_are_what_was_written(#[case] kind: &'static str) {
    let large: Vec<u8> = (0..600_000u32).map(|i| (i % 251) as u8).collect();
    let Some(image) = Tree::new()
        .file("/etc/large", &large)
        .file("/etc/empty", "")
        .link("/etc/link", "large")
        .link("/etc/long", &format!("{}large", "./".repeat(100)))
        .file_system(kind, 8 * MIB)
    else {
        return;
    };
    let disk = Arc::new(MemoryDisk(image));
    let content = Content::probe(&*disk).unwrap();
    assert_eq!(content, Content::Ext(kind));
    let fs = open(content, disk, &crate::MemoryBudget::default()).unwrap();
    let root = Root::new(&*fs);
    for path in ["/etc/large", "/etc/link", "/etc/long"] {
        assert_eq!(
            root.head(path, 1_000_000).unwrap().unwrap(),
            large,
            "{path}"
        );
    }
    assert_eq!(
        root.head("/etc/large", 1000).unwrap().unwrap(),
        large[..1000]
    );
    assert_eq!(root.head("/etc/empty", 1000).unwrap(), Some(vec![]));
    assert_eq!(
        root.names("/etc").unwrap(),
        ["empty", "large", "link", "long"]
    );
}

#[test]
fn the_journal_is_applied() {
    let Some(clean) = Tree::new()
        .file("/etc/os-release", "ID=before\n")
        .file_system("ext4", 16 * MIB)
    else {
        return;
    };
    let after = [b"ID=after\n".as_slice(), &[b'#'; 1015]].concat();
    let Some(dirty) = with_dirty_journal(&clean, "/etc/os-release", &after) else {
        return;
    };
    let read = |image| {
        let fs = open_ext("ext4", image).unwrap();
        Root::new(&*fs)
            .head("/etc/os-release", 100)
            .unwrap()
            .unwrap()
    };
    assert_eq!(read(clean), b"ID=before\n");
    assert_eq!(read(dirty), b"ID=after\n#");
}

#[test]
fn a_crowded_directory_is_refused() {
    let Some(image) = Tree::new()
        .file("/etc/a", "")
        .file("/etc/b", "")
        .file_system("ext4", MIB)
    else {
        return;
    };
    let fs = open_ext("ext4", image).unwrap();
    let error = fs.names("/etc", 3).unwrap_err();
    assert_eq!(error.to_string(), "/etc: more than 3 directory entries");
}

#[rstest]
#[case::ntfs(3, b"NTFS    ", "ntfs")]
#[case::lvm(536, b"LVM2 001", "lvm2")]
#[case::luks(0, b"LUKS\xba\xbe", "luks")]
#[case::vfat(82, b"FAT32   ", "vfat")]
#[case::squashfs(0, b"hsqs", "squashfs")]
#[case::stratis(516, b"!Stra0tis\x86\xff\x02^\x41rh", "stratis")]
#[case::apple(1024, b"H+\0\x04", "hfs+")]
fn what_cannot_be_read_is_named(
    #[case] offset: usize,
    #[case] mark: &[u8],
    #[case] name: &'static str,
) {
    let mut disk = vec![0; 128 * 1024];
    disk[offset..offset + mark.len()].copy_from_slice(mark);
    let disk = Arc::new(MemoryDisk(disk));
    let content = Content::probe(&*disk).unwrap();
    assert_eq!(content, Content::Known(name));
    let error = open(content, disk, &crate::MemoryBudget::default())
        .err()
        .unwrap();
    assert_eq!(
        error.to_string(),
        format!("unsupported file system: {name}")
    );
}

/// Files that people take for disks.
#[rstest]
#[case::qcow2(0, b"QFI\xfb\0\0\0\x03", "qcow2")]
#[case::vmdk(0, b"KDMV\x03\0\0\0", "vmdk")]
#[case::vhd(0, b"conectix", "vhd")]
#[case::vdi(64, b"\x7f\x10\xda\xbe", "vdi")]
#[case::gzip(0, b"\x1f\x8b\x08", "gzip")]
fn files_around_disks_are_named(#[case] offset: usize, #[case] mark: &[u8], #[case] name: &str) {
    let mut file = vec![b'.'; 128 * 1024];
    file[offset..offset + mark.len()].copy_from_slice(mark);
    let file = Arc::new(MemoryDisk(file));
    let content = Content::probe(&*file).unwrap();
    assert_eq!((content.name(), content.no_linux(None)), (Some(name), None));
    let memory = crate::MemoryBudget::default();
    let error = open(content, file, &memory).err().unwrap();
    assert_eq!(error.code(), ProblemCode::UnsupportedFileSystem);
    assert!(
        error.to_string().starts_with(&format!("a {name} file: ")),
        "{error}"
    );
}

/// Machines of ARM and POWER have pages of up to 64 KiB.
#[rstest]
fn swap_is_known_by_any_size_of_a_page(
    #[values(4096, 8192, 16_384, 32_768, 65_536)] page: usize,
    #[values("SWAPSPACE2", "S1SUSPEND\0")] mark: &str,
) {
    let mut disk = vec![0; 128 * 1024];
    disk[1024] = 1;
    disk[page - 10..page].copy_from_slice(mark.as_bytes());
    let content = Content::probe(&MemoryDisk(disk.clone())).unwrap();
    assert!(content.no_linux(None).unwrap().starts_with("swap"));
    // Something new was written over an old swap.
    disk[1024] = 9;
    assert_eq!(Content::probe(&MemoryDisk(disk)).unwrap(), Content::Unknown);
}

#[test]
fn a_swap_that_mkswap_made_for_another_machine() {
    let file = tempfile::NamedTempFile::new().unwrap();
    file.as_file().set_len(MIB as u64).unwrap();
    let path = file.path().to_str().unwrap();
    if run("mkswap", &["--pagesize", "65536", path], "").is_none() {
        return;
    }
    let disk = MemoryDisk(std::fs::read(file.path()).unwrap());
    assert_eq!(Content::probe(&disk).unwrap(), Content::Known("swap"));
}

/// A file system hides the swap that was there before.
#[test]
fn a_file_system_outweighs_the_mark_of_a_former_swap() {
    let Some(mut image) = rhel().file_system("ext4", 4 * MIB) else {
        return;
    };
    image[4096 - 10..4096].copy_from_slice(b"SWAPSPACE2");
    let content = Content::probe(&MemoryDisk(image)).unwrap();
    assert_eq!(content, Content::Ext("ext4"));
}

#[rstest]
#[case::a_swap_partition_that_is_one(Content::Known("swap"), None, Some("swap"))]
#[case::without_a_signature(Content::Unknown, Some("swap"), Some("swap"))]
#[case::a_root_labelled_as_swap(Content::Ext("ext4"), Some("swap"), None)]
#[case::boot_code(Content::Unknown, Some("BIOS boot"), Some("BIOS boot"))]
#[case::nothing(Content::Empty, None, Some("empty"))]
#[case::anything(Content::Unknown, None, None)]
#[case::xfs(Content::Known("xfs"), None, None)]
fn what_is_there_counts_more_than_its_label(
    #[case] content: Content,
    #[case] purpose: Option<&'static str>,
    #[case] skipped: Option<&str>,
) {
    assert_eq!(content.no_linux(purpose), skipped);
}

/// Fields of the superblock that would make a reader allocate without bound.
#[rstest]
#[case::block_size(0x18, 21, "64 KiB is the limit")]
#[case::size(0x04, u32::MAX, "its partition ends after")]
#[case::high_half_of_the_size(0x150, 6, "its partition ends after")]
#[case::group_size(0x20, 0, "groups of 0")]
fn superblocks_that_promise_too_much_are_refused(
    #[case] field: usize,
    #[case] value: u32,
    #[case] expected: &str,
) {
    let Some(mut image) = Tree::new().file_system("ext2", MIB) else {
        return;
    };
    image[1024 + field..1024 + field + 4].copy_from_slice(&value.to_le_bytes());
    let error = open_ext("ext2", image).err().unwrap().to_string();
    assert!(
        error.starts_with("ext2 file system: ") && error.contains(expected),
        "{error}"
    );
}

#[rstest]
#[case("ext2")]
#[case("ext3")]
#[case("ext4")]
fn the_kernel_sees_the_same_files(#[case] kind: &str) {
    let tree = rhel()
        .file("/etc/large", vec![7; 3 * MIB])
        .file("/etc/empty", "")
        .link("/etc/broken", "/nowhere")
        .file("/usr/share/doc/many/files/deep/down", "x");
    let Some(image) = tree.file_system(kind, 16 * MIB) else {
        return;
    };
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(&image).unwrap();
    let Some(mount) = KernelMount::new(file.path(), "ro") else {
        return;
    };
    let fs = super::open(
        Content::probe(&MemoryDisk(image.clone())).unwrap(),
        Arc::new(MemoryDisk(image)),
        &crate::MemoryBudget::default(),
    )
    .unwrap();
    assert_same_tree(&*fs, mount.path());
}
