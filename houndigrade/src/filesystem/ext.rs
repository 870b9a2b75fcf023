//! ext2, ext3 and ext4, read by `ext4-view`, which applies the journal in memory.

use std::error::Error as StdError;
use std::io;
use std::sync::Arc;

use ext4_view::{Ext4, Ext4Error, Ext4Read, FileType};

use super::{Entry, Error, File, FileSystem, Root};
use crate::bytes::le32;
use crate::source::BlockSource;

/// `ext4-view` allocates a few blocks of cache before it reads anything; Linux allows no larger ones either.
const MAX_BLOCK_SIZE_LOG: u32 = 6;
/// It also holds the descriptors of all block groups in memory: 64 TiB in groups of 128 MiB.
const MAX_GROUPS: u64 = 512 * 1024;

pub(super) struct Ext {
    kind: &'static str,
    fs: Ext4,
}

impl Ext {
    pub(super) fn open(kind: &'static str, partition: Arc<dyn BlockSource>) -> Result<Self, Error> {
        check_geometry(kind, &*partition)?;
        let fs = Ext4::load(Box::new(Reader(partition))).map_err(|error| translate(kind, error))?;
        Ok(Self { kind, fs })
    }

    /// `Ok(None)` if there is nothing at the path.
    fn optional<T>(&self, result: Result<T, Ext4Error>) -> Result<Option<T>, Error> {
        match result {
            Ok(value) => Ok(Some(value)),
            Err(Ext4Error::NotFound | Ext4Error::NotADirectory) => Ok(None),
            Err(error) => Err(translate(self.kind, error)),
        }
    }
}

impl FileSystem for Ext {
    fn entry(&self, path: &str) -> Result<Option<Entry>, Error> {
        let metadata = self.optional(self.fs.symlink_metadata(path))?;
        let Some(metadata) = metadata else {
            return Ok(None);
        };
        Ok(Some(match metadata.file_type() {
            FileType::Regular => Entry::File,
            FileType::Directory => Entry::Directory,
            FileType::Symlink => Entry::Symlink,
            _ => Entry::Special,
        }))
    }

    fn link_target(&self, path: &str) -> Result<String, Error> {
        let translate = |error| translate(self.kind, error);
        // Asked before reading: the reader allocates what the inode claims.
        if self.fs.symlink_metadata(path).map_err(translate)?.len() > Root::MAX_PATH as u64 {
            return Err(Error::Limit {
                path: path.into(),
                limit: Root::MAX_PATH,
                of: "bytes in a symlink",
            });
        }
        let target = self.fs.read_link(path).map_err(translate)?;
        Ok(String::from_utf8_lossy(target.as_ref()).into_owned())
    }

    fn open(&self, path: &str) -> Result<Box<dyn File + '_>, Error> {
        let kind = self.kind;
        let file = self.fs.open(path).map_err(|error| translate(kind, error))?;
        Ok(Box::new(ExtFile { kind, file }))
    }

    fn names(&self, path: &str, limit: usize) -> Result<Vec<String>, Error> {
        let translate = |error| translate(self.kind, error);
        let mut names = Vec::new();
        for (count, entry) in self.fs.read_dir(path).map_err(translate)?.enumerate() {
            if count >= limit {
                return Err(Error::Limit {
                    path: path.into(),
                    limit,
                    of: "directory entries",
                });
            }
            let entry = entry.map_err(translate)?;
            match entry.file_name().as_str() {
                Ok("." | "..") | Err(_) => {}
                Ok(name) => names.push(name.to_owned()),
            }
        }
        Ok(names)
    }
}

struct ExtFile {
    kind: &'static str,
    file: ext4_view::File,
}

impl File for ExtFile {
    fn size(&self) -> u64 {
        self.file.metadata().len()
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize, Error> {
        let translate = |error| translate(self.kind, error);
        self.file.seek_to(offset).map_err(translate)?;
        let mut filled = 0;
        while filled < buffer.len() {
            match self
                .file
                .read_bytes(&mut buffer[filled..])
                .map_err(translate)?
            {
                0 => break,
                read => filled += read,
            }
        }
        Ok(filled)
    }
}

/// Refuses superblocks that would make the reader allocate without bound, or that promise more than the disk has.
fn check_geometry(kind: &'static str, partition: &dyn BlockSource) -> Result<(), Error> {
    let mut superblock = [0; 1024];
    partition.read_at(1024, &mut superblock)?;
    let field = |offset| le32(&superblock, offset).unwrap_or_default();
    let damaged = |what: String| Err(Error::Damaged { kind, what });

    // The high half counts whatever the features say, as it does for the reader.
    let blocks = u64::from(field(0x4)) | u64::from(field(0x150)) << 32;
    let (block_size_log, blocks_per_group) = (field(0x18), field(0x20));
    if block_size_log > MAX_BLOCK_SIZE_LOG {
        return damaged(format!(
            "blocks of 2^{} bytes; 64 KiB is the limit",
            block_size_log.saturating_add(10)
        ));
    }
    let size = blocks.saturating_mul(1024 << block_size_log);
    if size > partition.size() {
        return damaged(format!(
            "it is {size} bytes long, but its partition ends after {}",
            partition.size()
        ));
    }
    if blocks_per_group == 0 || blocks / u64::from(blocks_per_group) > MAX_GROUPS {
        return damaged(format!(
            "{blocks} blocks in groups of {blocks_per_group}; {MAX_GROUPS} groups are the limit"
        ));
    }
    Ok(())
}

fn translate(kind: &'static str, error: Ext4Error) -> Error {
    match error {
        Ext4Error::Io(error) => Error::Read(match error.downcast::<io::Error>() {
            Ok(error) => *error,
            Err(error) => io::Error::other(error),
        }),
        other => Error::Damaged {
            kind,
            what: other.to_string(),
        },
    }
}

/// A partition as `ext4-view` reads it.
struct Reader(Arc<dyn BlockSource>);

impl Ext4Read for Reader {
    fn read(
        &mut self,
        start: u64,
        buffer: &mut [u8],
    ) -> Result<(), Box<dyn StdError + Send + Sync>> {
        Ok(self.0.read_at(start, buffer)?)
    }
}
