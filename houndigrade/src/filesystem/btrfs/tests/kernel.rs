//! File systems filled by the kernel, and compared with the kernel's view.

use super::files::{fill, holes, names};
use super::*;

#[rstest]
#[case::usual("", "")]
#[case::zlib("", "compress-force=zlib")]
#[case::lzo("", "compress-force=lzo")]
#[case::zstd("", "compress-force=zstd")]
#[case::no_inline_files("", "max_inline=0")]
#[case::smallest_nodes("-n 4096", "compress-force=lzo")]
#[case::largest_nodes("-n 65536", "compress-force=zstd")]
#[case::mixed("--mixed -n 4096", "compress-force=zlib")]
#[case::explicit_holes("-O ^no-holes,^extref,^skinny-metadata", "")]
#[case::free_space_tree("-R free-space-tree", "")]
#[case::single("-m single -d single", "")]
#[case::all_twice("-m dup -d dup", "")]
#[case::quota("-R quota", "")]
fn reads_what_the_kernel_shows(#[case] mkfs: &str, #[case] mount: &str) {
    let Some(image) = BtrfsImage::new(mkfs) else {
        return;
    };
    let Some(mounted) = image.mount(&format!("{TOP},{mount}")) else {
        return;
    };
    if mkfs.contains("extref") {
        names(mounted.path());
        holes(mounted.path());
    } else {
        fill(mounted.path());
    }
    drop(mounted);
    let mounted = image.mount("subvolid=5,ro").unwrap();
    assert_same_tree(&*image.open().unwrap(), mounted.path());
}

#[rstest]
#[case::xxhash(
    "--checksum xxhash",
    "unsupported file system: btrfs with xxhash checksums"
)]
#[case::sha256(
    "--checksum sha256",
    "unsupported file system: btrfs with SHA-256 checksums"
)]
#[case::blake2(
    "--checksum blake2",
    "unsupported file system: btrfs with BLAKE2 checksums"
)]
#[case::raid0("-m single -d raid0", "unsupported file system: btrfs RAID0")]
fn says_what_it_does_not_read(#[case] mkfs: &str, #[case] message: &str) {
    let Some(image) = BtrfsImage::new(mkfs) else {
        return;
    };
    let opened = image.open();
    if let Ok(fs) = opened {
        let Some(mounted) = image.mount(TOP) else {
            return;
        };
        fs::write(mounted.path().join("file"), text(100_000)).unwrap();
        drop(mounted);
        drop(fs);
        let fs = image.open().unwrap();
        let error = fs.open("/file").unwrap().read_at(0, &mut [0; 10]);
        assert_eq!(error.unwrap_err().to_string(), message);
    } else {
        assert_eq!(opened.err().unwrap().to_string(), message);
    }
}

/// Pieces much smaller than an extent cost no more than the whole, and the last bytes no more than the first.
#[rstest]
#[case::compressed("compress-force=zstd", false)]
#[case::many_extents("", true)]
fn small_pieces_cost_no_more_than_the_whole(#[case] mount: &str, #[case] synced: bool) {
    let Some(image) = BtrfsImage::new("") else {
        return;
    };
    let Some(mounted) = image.mount(&format!("{TOP},{mount}")) else {
        return;
    };
    let contents = text(8 * MIB);
    let file = File::create(mounted.path().join("file")).unwrap();
    let mut offsets: Vec<usize> = (0..contents.len()).step_by(8192).collect();
    if synced {
        // Backwards: a forward order would be stored in one piece.
        offsets.reverse();
    }
    for offset in offsets {
        file.write_all_at(&contents[offset..offset + 8192], offset as u64)
            .unwrap();
        if synced && offset % 65536 == 0 {
            file.sync_data().unwrap();
        }
    }
    drop((file, mounted));
    let source = image.source();
    let fs = Btrfs::open(
        Arc::clone(&source) as Arc<dyn BlockSource>,
        &MemoryBudget::default(),
    )
    .unwrap();
    let mut file = fs.open("/file").unwrap();
    let before = source.stats().bytes_read;
    let mut piece = [0; 4096];
    for (number, expected) in contents.chunks(4096).enumerate() {
        assert_eq!(
            file.read_at(number as u64 * 4096, &mut piece).unwrap(),
            4096
        );
        assert_eq!(piece, expected);
    }
    let read = source.stats().bytes_read - before;
    assert!(read < 9 * MIB as u64, "{read} bytes were read");
}
