//! Several devices, second copies, and devices that are too short.

use super::*;
use crate::test_disks::machine::LoopDevice;

#[rstest]
#[case::both_have_all("-m raid1 -d raid1", None)]
#[case::the_other_has_the_data(
    "-m raid1 -d single",
    Some("unsupported file system: btrfs over several devices")
)]
fn reads_what_is_on_this_device(#[case] mkfs: &str, #[case] message: Option<&str>) {
    let folder = memory();
    let disks = ["one", "other"].map(|name| folder.path().join(name));
    // Data are put where there is more room.
    for (disk, size) in disks.iter().zip([256, 512]) {
        let file = File::create(disk).unwrap();
        file.set_len(size * MIB as u64).unwrap();
    }
    let [one, other] = disks.each_ref().map(|disk| disk.to_str().unwrap());
    let mut arguments: Vec<&str> = mkfs.split_whitespace().collect();
    arguments.extend(["-q", one, other]);
    if run("mkfs.btrfs", &arguments, "").is_none() {
        return;
    }
    let Some(attached) = LoopDevice::attach(&disks[1], &[]) else {
        return;
    };
    if run("btrfs", &["device", "scan", attached.name()], "").is_none() {
        return;
    }
    let options = format!("{TOP},device={}", attached.name());
    let Some(mounted) = KernelMount::new(&disks[0], &options) else {
        return;
    };
    fs::write(mounted.path().join("file"), text(100_000)).unwrap();
    drop((mounted, attached));
    let results = [one, other].map(|disk| {
        let fs = Btrfs::open(
            Arc::new(DiskFile::open(Path::new(disk)).unwrap()),
            &MemoryBudget::default(),
        )
        .unwrap();
        let mut contents = vec![0; 100_000];
        let read = fs.open("/file").unwrap().read_at(0, &mut contents);
        read.map(|_| contents == text(100_000))
    });
    match message {
        None => assert!(results.into_iter().all(|result| result.unwrap())),
        Some(message) => assert!(
            results
                .into_iter()
                .any(|result| result.is_err_and(|error| error.to_string() == message))
        ),
    }
}

#[test]
fn a_damaged_tree_block_is_read_from_its_other_copy() {
    let Some(image) = BtrfsImage::new("-m dup") else {
        return;
    };
    let fs = Btrfs::open(image.source(), &MemoryBudget::default()).unwrap();
    let root = fs.subvolume(TOP_LEVEL).unwrap().unwrap().root;
    let copies = fs
        .trees
        .chunks
        .locate(root.logical(), fs.trees.node_size)
        .unwrap();
    assert_eq!(copies.len(), 2);
    let file = File::options().write(true).open(image.path()).unwrap();
    file.write_all_at(b"damage", copies[0] + 200).unwrap();
    assert_eq!(
        image.open().unwrap().names("/", 10).unwrap(),
        Vec::<String>::new()
    );
    file.write_all_at(b"damage", copies[1] + 200).unwrap();
    let error = image
        .open()
        .unwrap()
        .names("/", 10)
        .unwrap_err()
        .to_string();
    assert!(error.ends_with("has a wrong checksum"), "{error}");
}

#[test]
fn a_file_system_that_was_cut_off_is_damaged() {
    let Some(image) = BtrfsImage::new("") else {
        return;
    };
    let file = File::options().write(true).open(image.path()).unwrap();
    file.set_len(200 * MIB as u64).unwrap();
    assert_eq!(
        image.open().err().unwrap().to_string(),
        "btrfs file system: it is 268435456 bytes long, but its partition ends after 209715200"
    );
}
