//! Contents of a partition, recognised by the marks of file systems and volume managers at fixed places.

use std::io;

use super::Identity;
use crate::bytes::{array, le32};
use crate::source::BlockSource;

/// All marks but btrfs's lie in the first 8 KiB; btrfs's is at 64 KiB.
const HEAD: usize = 68 * 1024;

/// Contents of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// `ext2`, `ext3` or `ext4`.
    Ext(&'static str),
    /// NTFS with the boot code that Windows writes.
    WindowsNtfs,
    /// Something else with a name.
    Known(&'static str),
    /// A file that contains a disk in a format of its own, or compressed.
    Container(&'static str),
    /// Zeros, as far as was read.
    Empty,
    /// Something without a known mark.
    Unknown,
}

/// Name, offset and bytes of a mark.
type Mark = (&'static str, usize, &'static [u8]);

/// Volume managers come first: behind their mark, that of a file system may have survived.
const MARKS: [Mark; 31] = [
    ("luks", 0, b"LUKS\xba\xbe"),
    ("lvm2", 512 + 24, b"LVM2 001"),
    ("lvm2", 24, b"LVM2 001"),
    ("linux raid", 4096, b"\xfc\x4e\x2b\xa9"),
    ("linux raid", 0, b"\xfc\x4e\x2b\xa9"),
    ("bitlocker", 3, b"-FVE-FS-"),
    ("btrfs", 65536 + 64, b"_BHRfS_M"),
    ("xfs", 0, b"XFSB"),
    ("ntfs", 3, b"NTFS    "),
    ("refs", 3, b"ReFS\0\0\0\0"),
    ("exfat", 3, b"EXFAT   "),
    ("vfat", 82, b"FAT32   "),
    ("vfat", 54, b"FAT16   "),
    ("vfat", 54, b"FAT12   "),
    ("squashfs", 0, b"hsqs"),
    ("jfs", 32768, b"JFS1"),
    // The first name in the list of names and values that describes a pool.
    ("zfs", 16384 + 24, b"version\0"),
    ("erofs", 1024, b"\xe2\xe1\xf5\xe0"),
    ("f2fs", 1024, b"\x10\x20\xf5\xf2"),
    ("iso9660", 32769, b"CD001"),
    ("reiserfs", 65536 + 52, b"ReIsEr"),
    ("stratis", 512 + 4, b"!Stra0tis\x86\xff\x02^\x41rh"),
    (
        "bcache",
        4096 + 24,
        b"\xc6\x85\x73\xf6\x4e\x1a\x45\xca\x82\x65\xf5\x7f\x48\xba\x6d\x81",
    ),
    (
        "bcachefs",
        4096 + 24,
        b"\xc6\x85\x73\xf6\x66\xce\x90\xa9\xd9\x6a\x60\xcf\x80\x3d\xf7\xef",
    ),
    ("vdo", 0, b"dmvdo001"),
    ("gfs2", 65536, b"\x01\x16\x19\x70"),
    ("ocfs2", 8192, b"OCFSV2"),
    ("reiser4", 65536, b"ReIsEr4"),
    ("apfs", 32, b"NXSB"),
    ("hfs+", 1024, b"H+\0\x04"),
    ("udf", 32769, b"BEA01"),
];

/// Marks at the end of the first page, whose size is that of the machine: 64 KiB on some of ARM and POWER.
const SWAP_MARKS: [(&str, &[u8]); 4] = [
    ("swap", b"SWAPSPACE2"),
    ("swsuspend", b"S1SUSPEND\0"),
    ("swsuspend", b"S2SUSPEND\0"),
    ("swsuspend", b"ULSUSPEND\0"),
];
const SWAP_MARK: usize = 10;
const PAGE_SIZES: [usize; 5] = [4096, 8192, 16384, 32768, 65536];

/// Files around disks. Marks are short, so they count only where nothing else is known.
const CONTAINERS: [Mark; 16] = [
    ("qcow2", 0, b"QFI\xfb"),
    ("qed", 0, b"QED\0"),
    ("vmdk", 0, b"KDMV"),
    ("vmdk", 0, b"COWD"),
    ("vmdk", 0, b"# Disk DescriptorFile"),
    ("vhd", 0, b"conectix"),
    ("vhdx", 0, b"vhdxfile"),
    ("vdi", 64, b"\x7f\x10\xda\xbe"),
    ("ewf", 0, b"EVF\x09\x0d\x0a\xff\0"),
    ("ewf", 0, b"EVF2\x0d\x0a\x81\0"),
    ("tar", 257, b"ustar"),
    ("gzip", 0, b"\x1f\x8b\x08"),
    ("xz", 0, b"\xfd7zXZ\0"),
    ("bzip2", 0, b"BZh"),
    ("zstd", 0, b"\x28\xb5\x2f\xfd"),
    ("zip", 0, b"PK\x03\x04"),
];

/// Features of an ext superblock that differ between the generations.
const HAS_JOURNAL: u32 = 0x4;
const EXTENTS: u32 = 0x40;
const FLEX_BG: u32 = 0x200;

impl Content {
    /// Recognises the contents by the beginning of `partition`.
    ///
    /// # Errors
    /// If it can't be read.
    pub fn probe(partition: &dyn BlockSource) -> io::Result<Self> {
        let (content, _) = Self::identify(partition)?;
        Ok(content)
    }

    /// Does as [`probe`](Self::probe), and reads the file system's own names.
    ///
    /// # Errors
    /// If it can't be read.
    pub fn identify(partition: &dyn BlockSource) -> io::Result<(Self, Identity)> {
        let mut head = vec![0; HEAD.min(usize::try_from(partition.size()).unwrap_or(HEAD))];
        partition.read_at(0, &mut head)?;
        let content = Self::recognise(&head);
        Ok((content, Identity::parse(content, &head)))
    }

    fn recognise(head: &[u8]) -> Self {
        if let Some(name) = marked(head, &MARKS) {
            return match name {
                "ntfs" if boots_windows(head) => Self::WindowsNtfs,
                name => Self::Known(name),
            };
        }
        if array(head, 1024 + 56) == Some([0x53, 0xef]) {
            return Self::Ext(ext_generation(head));
        }
        // Last, as making a file system may leave the mark of a swap before it in place, and not the reverse.
        if let Some(name) = swap(head) {
            return Self::Known(name);
        }
        if let Some(name) = marked(head, &CONTAINERS) {
            return Self::Container(name);
        }
        if head.iter().all(|&byte| byte == 0) {
            Self::Empty
        } else {
            Self::Unknown
        }
    }

    /// Returns the name of the file system or other content, if it has one.
    pub fn name(self) -> Option<&'static str> {
        match self {
            Self::Ext(name) | Self::Known(name) | Self::Container(name) => Some(name),
            Self::WindowsNtfs => Some("ntfs"),
            Self::Empty | Self::Unknown => None,
        }
    }

    /// Returns the reason why the partition can't hold a Linux, if that is certain. `purpose` comes from the partition table.
    /// The contents outweigh it: a root file system may hide in a partition labelled as swap.
    pub fn no_linux(self, purpose: Option<&'static str>) -> Option<&'static str> {
        match self {
            Self::Known("swap") => Some("swap"),
            Self::Known("swsuspend") => Some("swap, with the memory of a hibernated system"),
            Self::Known("vfat") => Some("vfat: can't hold a Linux root"),
            Self::Empty => Some(purpose.unwrap_or("empty")),
            Self::Unknown | Self::Container(_) => purpose,
            _ => None,
        }
    }
}

/// Returns the name of the first mark found.
fn marked(head: &[u8], marks: &[Mark]) -> Option<&'static str> {
    let is_there = |&&(_, offset, mark): &&Mark| {
        head.get(offset..)
            .is_some_and(|rest| rest.starts_with(mark))
    };
    marks.iter().find(is_there).map(|&(name, ..)| name)
}

/// Returns the kind of swap, for any size of a page. Its only version, in either byte order, proves that the mark is no leftover.
fn swap(head: &[u8]) -> Option<&'static str> {
    let version = le32(head, 1024)?;
    if version != 1 && version.swap_bytes() != 1 {
        return None;
    }
    PAGE_SIZES.into_iter().find_map(|page| {
        let mark = head.get(page - SWAP_MARK..page)?;
        let found = SWAP_MARKS.iter().find(|(_, known)| *known == mark);
        found.map(|&(name, _)| name)
    })
}

/// Looks for the messages of the boot code: `BOOTMGR is missing`, and before Vista `NTLDR is missing`.
fn boots_windows(head: &[u8]) -> bool {
    let boot_code = head.get(..512).unwrap_or_default();
    let says = |loader: &[u8]| boot_code.windows(loader.len()).any(|part| part == loader);
    says(b"BOOTMGR") || says(b"NTLDR")
}

fn ext_generation(head: &[u8]) -> &'static str {
    let feature =
        |offset: usize, mask| le32(head, 1024 + offset).is_some_and(|bits| bits & mask != 0);
    if feature(0x60, EXTENTS | FLEX_BG) {
        "ext4"
    } else if feature(0x5c, HAS_JOURNAL) {
        "ext3"
    } else {
        "ext2"
    }
}
