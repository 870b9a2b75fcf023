//! ext2, ext3 and ext4, read by `ext4-view` once the journal is replayed.
//!
//! `ext4-view` 1.0 can replay some journals itself, but neither those of ext3 nor any without checksums of the third kind, nor a log that
//! goes on at its beginning; and it heeds only those revokes that come with the block they void, which are the rarest.

mod checksum;
mod extents;
mod journal;
mod overlay;
mod superblock;
mod tags;
#[cfg(test)]
mod tests;

use std::error::Error as StdError;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use ext4_view::{Ext4, Ext4Error, Ext4Read, FileType};

use self::overlay::Overlay;
use super::{Entry, Error, File, FileSystem, Root};
use crate::source::BlockSource;

/// Farthest into a file that is read without reading what is before: a sparse file of a small disk may claim to be of any size.
const MAX_OFFSET: u64 = 4 << 30;

pub(super) struct Ext {
    kind: &'static str,
    fs: Ext4,
}

impl Ext {
    pub(super) fn open(kind: &'static str, partition: Arc<dyn BlockSource>) -> Result<Self, Error> {
        let recovered = Overlay::recover(kind, partition)?;
        let fs = Ext4::load(Box::new(Reader(recovered))).map_err(|error| translate(kind, error))?;
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
        if offset >= self.size() {
            return Ok(0);
        }
        // The reader gets to an offset block by block, from the beginning of the file.
        if offset != self.file.position() && offset > MAX_OFFSET {
            return Err(Error::Limit {
                path: "a file".into(),
                limit: MAX_OFFSET as usize,
                of: "bytes",
            });
        }
        // It passes over damage on the way there, and then takes for granted that there is a block: it panics.
        let read = catch_unwind(AssertUnwindSafe(|| fill(&mut self.file, offset, buffer)));
        match read {
            Ok(read) => read.map_err(|error| translate(self.kind, error)),
            Err(_) => Err(Error::Damaged {
                kind: self.kind,
                what: format!("a file has no block for its byte {offset}"),
            }),
        }
    }
}

fn fill(file: &mut ext4_view::File, offset: u64, buffer: &mut [u8]) -> Result<usize, Ext4Error> {
    if offset != file.position() {
        file.seek_to(offset)?;
    }
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read_bytes(&mut buffer[filled..])? {
            0 => break,
            read => filled += read,
        }
    }
    Ok(filled)
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
struct Reader(Overlay);

impl Ext4Read for Reader {
    fn read(
        &mut self,
        start: u64,
        buffer: &mut [u8],
    ) -> Result<(), Box<dyn StdError + Send + Sync>> {
        Ok(self.0.read_at(start, buffer)?)
    }
}
