//! Inodes.

use super::volume::XfsVolume;
use super::{FileSystemError, FileType, checksum, damaged};
use crate::bytes::{array, be16, be32, be64};

const MAGIC: u16 = 0x494e;
/// Bytes in front of the forks, in version 4 and 5.
const CORE_V4: usize = 100;
const CORE_V5: usize = 176;
/// Offset of the checksum in version 5.
const CRC: usize = 100;
/// Flag of an inode with counters of 64 bits.
const LARGE_COUNTS: u64 = 0x10;
/// Size of an extent in a list of them.
pub(super) const EXTENT: usize = 16;

/// Bits of a mode for the type of a file.
const KIND: u16 = 0o170_000;

pub(super) struct XfsInode {
    pub(super) number: u64,
    pub(super) kind: FileType,
    pub(super) size: u64,
    pub(super) data: DataFork,
}

/// Contents, or the way to them.
pub(super) enum DataFork {
    /// The contents themselves.
    Local(Vec<u8>),
    /// A list of extents.
    Extents(Vec<u8>),
    /// The root of a tree of extents.
    Tree(Vec<u8>),
    /// Nothing: a device, pipe or socket.
    Device,
}

impl XfsInode {
    /// Reads inode `number`, which a directory names.
    pub(super) fn read(volume: &XfsVolume, number: u64) -> Result<Self, FileSystemError> {
        let fail = |what: &str| damaged(format!("inode {number} {what}"));
        let superblock = &volume.superblock;
        let place = superblock.inode(number);
        let place = place.ok_or_else(|| fail("is beyond its end"))?;
        let mut inode = vec![0; superblock.inode_size];
        volume.read_at(place, &mut inode)?;
        if be16(&inode, 0) != Some(MAGIC) {
            return Err(fail("is none"));
        }
        let v5 = superblock.v5;
        if v5 {
            if !checksum::fits(&inode, CRC) {
                return Err(fail("does not fit its checksum"));
            }
            if be64(&inode, 152) != Some(number) || array(&inode, 160) != Some(superblock.uuid) {
                return Err(fail("belongs elsewhere"));
            }
        }
        Self::parse(&inode, number, v5, superblock.has_large_counts)
            .ok_or_else(|| fail("contradicts itself"))
    }

    fn parse(inode: &[u8], number: u64, v5: bool, has_large_counts: bool) -> Option<Self> {
        let (mode, version, format) = (be16(inode, 2)?, *inode.get(4)?, *inode.get(5)?);
        if (version == 3) != v5 || !(1..=3).contains(&version) {
            return None;
        }
        let kind = match mode & KIND {
            0o100_000 => FileType::File,
            0o040_000 => FileType::Directory,
            0o120_000 => FileType::Symlink,
            0o010_000 | 0o020_000 | 0o060_000 | 0o140_000 => FileType::Special,
            _ => return None,
        };
        let size = be64(inode, 56).filter(|&size| size <= i64::MAX as u64)?;
        let large = v5 && be64(inode, 120)? & LARGE_COUNTS != 0;
        let extents = match (large, has_large_counts) {
            (true, false) => return None,
            (true, true) => be64(inode, 24)?,
            (false, _) => be32(inode, 76)?.into(),
        };
        let fork = inode.get(if v5 { CORE_V5 } else { CORE_V4 }..)?;
        let fork = match usize::from(*inode.get(82)?) * 8 {
            0 => fork,
            attributes => fork.get(..attributes)?,
        };
        let data = match (format, kind) {
            (0, FileType::Special) => DataFork::Device,
            (_, FileType::Special) | (1, FileType::File) => return None,
            (1, _) => DataFork::Local(fork.get(..usize::try_from(size).ok()?)?.to_vec()),
            (2, _) => {
                let length = usize::try_from(extents).ok()?.checked_mul(EXTENT)?;
                DataFork::Extents(fork.get(..length)?.to_vec())
            }
            (3, _) => DataFork::Tree(fork.to_vec()),
            _ => return None,
        };
        Some(Self {
            number,
            kind,
            size,
            data,
        })
    }
}
