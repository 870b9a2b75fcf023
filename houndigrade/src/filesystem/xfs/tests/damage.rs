//! Damage to blocks of version 5, which the kernel refuses: nothing is read wrong without an error.

use super::files::{fill, scatter};
use super::image::XfsImage;
use super::*;
use crate::test_disks::kernel::KernelMount;

/// Blocks of directories, of maps of extents, and of symlinks.
const MARKS: [&[u8]; 4] = [b"XDB3", b"XDD3", b"BMA3", b"XSLM"];

/// Reads all there is. Returns a checksum of it.
fn read_all(fs: &dyn FileSystem) -> Result<u32, FileSystemError> {
    let mut sum = crc32fast::Hasher::new();
    let mut folders = vec![String::new()];
    while let Some(folder) = folders.pop() {
        let at = if folder.is_empty() { "/" } else { &folder };
        let mut names = fs.names(at, 10_000)?;
        names.sort_unstable();
        for name in names {
            let path = format!("{folder}/{name}");
            sum.update(path.as_bytes());
            match fs.file_type(&path)? {
                Some(FileType::Directory) => folders.push(path),
                Some(FileType::Symlink) => sum.update(fs.link_target(&path)?.as_bytes()),
                Some(FileType::File) => {
                    let mut file = fs.open(&path)?;
                    let mut contents = vec![0; file.size() as usize];
                    file.read_at(0, &mut contents)?;
                    sum.update(&contents);
                }
                _ => {}
            }
        }
    }
    Ok(sum.finalize())
}

#[rstest]
#[case::in_the_header(20)]
#[case::in_an_entry(70)]
#[case::in_the_middle(2000)]
fn no_damaged_block_is_believed(#[case] offset: u64) {
    let Some(image) = XfsImage::new("") else {
        return;
    };
    let Some(mount) = KernelMount::new(&image.path, "rw") else {
        return;
    };
    fill(mount.path());
    scatter(&mount.path().join("mapped"), 800, 8192);
    drop(mount);
    let sound = read_all(&*image.open().unwrap()).unwrap();

    let file = fs::File::options()
        .read(true)
        .write(true)
        .open(&image.path)
        .unwrap();
    let mut refused = [0; MARKS.len()];
    let mut byte = [0];
    for block in (0..file.metadata().unwrap().len()).step_by(4096) {
        let mut mark = [0; 4];
        file.read_exact_at(&mut mark, block).unwrap();
        // Enough of each kind: every one costs a walk.
        let kind = MARKS.iter().position(|known| **known == mark);
        let Some(kind) = kind.filter(|&kind| refused[kind] < 4) else {
            continue;
        };
        file.read_exact_at(&mut byte, block + offset).unwrap();
        file.write_all_at(&[byte[0] ^ 0x20], block + offset)
            .unwrap();
        match image.open().and_then(|fs| read_all(&*fs)) {
            // A block that was given up is not read.
            Ok(sum) => assert_eq!(sum, sound, "{mark:?} at {block}"),
            Err(error) => {
                assert!(
                    error.to_string().starts_with("xfs file system: "),
                    "{error}"
                );
                refused[kind] += 1;
            }
        }
        file.write_all_at(&byte, block + offset).unwrap();
    }
    assert!(refused.iter().all(|&count| count > 0), "{refused:?}");
    assert_eq!(read_all(&*image.open().unwrap()).unwrap(), sound);
}
