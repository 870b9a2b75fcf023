//! Contents of items: inodes, names, references, extents, roots.

use super::tree::{Key, Pointer, TreeItem};
use super::{damaged, unsupported};
use crate::bytes::{array, le16, le32, le64};
use crate::filesystem::{FileSystemError, FileType};

/// Kinds of items.
pub(super) const INODE: u8 = 1;
pub(super) const INODE_REF: u8 = 12;
pub(super) const INODE_EXTREF: u8 = 13;
/// In a log: a range of a directory that is complete there.
pub(super) const DIR_LOG_INDEX: u8 = 72;
/// Names of a directory by hash.
pub(super) const DIR_ITEM: u8 = 84;
/// Names of a directory in the order they were made.
pub(super) const DIR_INDEX: u8 = 96;
pub(super) const EXTENT_DATA: u8 = 108;
pub(super) const ROOT: u8 = 132;
pub(super) const ROOT_BACKREF: u8 = 144;
pub(super) const ROOT_REF: u8 = 156;
pub(super) const CHUNK: u8 = 228;

/// The fields of an inode that are used here.
#[derive(Clone, Copy, Debug)]
pub(super) struct InodeItem {
    pub(super) generation: u64,
    pub(super) size: u64,
    pub(super) links: u32,
    pub(super) file_type: FileType,
}

impl InodeItem {
    pub(super) fn parse(data: &[u8]) -> Result<Self, FileSystemError> {
        let parsed = || {
            Some(Self {
                generation: le64(data, 0)?,
                size: le64(data, 16)?,
                links: le32(data, 40)?,
                file_type: match le32(data, 52)? >> 12 {
                    0o10 => FileType::File,
                    0o04 => FileType::Directory,
                    0o12 => FileType::Symlink,
                    _ => FileType::Special,
                },
            })
        };
        whole(parsed(), "an inode item")
    }
}

/// A name in a directory.
pub(super) struct Name<'a> {
    /// Key of an inode, or of a subvolume's root.
    pub(super) target: Key,
    pub(super) name: &'a [u8],
}

/// Returns the names in a directory item, all with one hash.
pub(super) fn names(data: &[u8]) -> impl Iterator<Item = Result<Name<'_>, FileSystemError>> {
    records(data, "a directory item", |data| {
        let length = usize::from(le16(data, 27)?);
        let name = Name {
            target: Key::parse(data, 0)?,
            name: data.get(30..30 + length)?,
        };
        Some((name, 30 + length + usize::from(le16(data, 25)?)))
    })
}

/// A directory and the inode's name in it.
pub(super) type InodeRef<'a> = (u64, &'a [u8]);

/// Returns the references in the item of an inode.
pub(super) fn references(item: &TreeItem) -> Result<Vec<InodeRef<'_>>, FileSystemError> {
    let extended = item.key.kind == INODE_EXTREF;
    let directory = item.key.offset;
    let head = if extended { 18 } else { 10 };
    records(item.data(), "an inode reference", move |data| {
        let length = usize::from(le16(data, head - 2)?);
        let directory = if extended { le64(data, 0)? } else { directory };
        let name = data.get(head..head + length)?;
        Some(((directory, name), head + length))
    })
    .collect()
}

/// Returns the directory and the name of a subvolume, in the subvolume it lies in.
pub(super) fn root_reference(data: &[u8]) -> Result<InodeRef<'_>, FileSystemError> {
    let parsed = || {
        Some((
            le64(data, 0)?,
            data.get(18..)?.get(..le16(data, 16)?.into())?,
        ))
    };
    whole(parsed(), "a root reference")
}

/// Returns the root of the tree that a root item describes.
pub(super) fn root(data: &[u8]) -> Result<Pointer, FileSystemError> {
    let parsed = || {
        Some(Pointer::root(
            le64(data, 176)?,
            le64(data, 160)?,
            *data.get(238)?,
        ))
    };
    whole(parsed(), "a root item")
}

/// Returns the last index of a range that is complete in a log.
pub(super) fn range_end(data: &[u8]) -> Result<u64, FileSystemError> {
    whole(le64(data, 0), "a range of a log")
}

/// Bytes of a file that are stored together.
#[derive(Clone)]
pub(super) enum Extent {
    /// A hole, or allocated space that was never written to.
    Zeros,
    /// In the item itself, behind its header.
    Inline { item: TreeItem, algorithm: u8 },
    /// Uncompressed, from this address on.
    Plain { logical: u64 },
    /// In a compressed piece.
    Compressed(Compressed),
}

/// A compressed piece of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Compressed {
    pub(super) algorithm: u8,
    pub(super) logical: u64,
    /// Bytes on the disk.
    pub(super) stored: usize,
    /// Bytes after decoding.
    pub(super) length: usize,
    /// Beginning of the extent in the decoded bytes.
    pub(super) skip: u64,
}

impl Extent {
    /// Bytes of an item before inline contents.
    pub(super) const HEAD: usize = 21;
    /// Linux compresses pieces of this size, and keeps none that grew by it.
    const MAX_COMPRESSED: u64 = 128 * 1024;

    /// Returns the extent in an item, and its length in bytes of the file.
    pub(super) fn parse(item: &TreeItem) -> Result<(Self, u64), FileSystemError> {
        let data = item.data();
        let head = (|| Some((le64(data, 8)?, array::<5>(data, 16)?)))();
        let (length, [algorithm, encryption, encoding, more, kind]) = whole(head, "a file extent")?;
        if (encryption, encoding, more) != (0, 0, 0) {
            return unsupported("btrfs with encrypted files");
        }
        match kind {
            0 => Ok((
                Self::Inline {
                    item: item.clone(),
                    algorithm,
                },
                length,
            )),
            1 | 2 => {
                let fields = (|| {
                    Some((
                        le64(data, 21)?,
                        le64(data, 29)?,
                        le64(data, 37)?,
                        le64(data, 45)?,
                    ))
                })();
                let (logical, stored, skip, count) = whole(fields, "a file extent")?;
                let extent = if kind == 2 || logical == 0 {
                    Self::Zeros
                } else if algorithm == 0 {
                    Self::Plain {
                        logical: logical.saturating_add(skip),
                    }
                } else if length.max(stored) > Self::MAX_COMPRESSED {
                    return damaged("a compressed extent has more than 128 KiB");
                } else {
                    Self::Compressed(Compressed {
                        algorithm,
                        logical,
                        stored: stored as usize,
                        length: length as usize,
                        skip,
                    })
                };
                Ok((extent, count))
            }
            _ => damaged(format!("a file extent of type {kind}")),
        }
    }
}

/// Splits an item into records: `parse` returns one, and its length. Ends after the first that is incomplete.
fn records<'a, T>(
    mut data: &'a [u8],
    what: &'static str,
    parse: impl Fn(&'a [u8]) -> Option<(T, usize)>,
) -> impl Iterator<Item = Result<T, FileSystemError>> {
    std::iter::from_fn(move || {
        if data.is_empty() {
            return None;
        }
        let parsed = parse(data);
        let length = parsed.as_ref().map_or(data.len(), |(_, length)| *length);
        data = data.get(length..).unwrap_or_default();
        Some(whole(parsed.map(|(record, _)| record), what))
    })
}

fn whole<T>(parsed: Option<T>, what: &str) -> Result<T, FileSystemError> {
    parsed.map_or_else(|| damaged(format!("{what} is too short")), Ok)
}
