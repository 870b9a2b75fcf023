//! A fake file system, for tests of the layers above file systems.

use std::collections::{BTreeMap, BTreeSet};

use super::{FileSystem, FileSystemError, FileType, OpenFile};

/// Path to a file's contents, or as `Err` to a symlink's target. Directories follow from the paths.
pub(crate) struct InMemoryFileSystem(
    pub(crate) BTreeMap<&'static str, Result<&'static str, &'static str>>,
);

impl FileSystem for InMemoryFileSystem {
    fn file_type(&self, path: &str) -> Result<Option<FileType>, FileSystemError> {
        Ok(match self.0.get(path) {
            Some(Ok(_)) => Some(FileType::File),
            Some(Err(_)) => Some(FileType::Symlink),
            None => self
                .0
                .keys()
                .any(|file| file.starts_with(&format!("{path}/")))
                .then_some(FileType::Directory),
        })
    }

    fn link_target(&self, path: &str) -> Result<String, FileSystemError> {
        Ok(self.0[path].unwrap_err().into())
    }

    fn open(&self, path: &str) -> Result<Box<dyn OpenFile + '_>, FileSystemError> {
        Ok(Box::new(self.0[path].unwrap().as_bytes()))
    }

    fn names(&self, path: &str, _limit: usize) -> Result<Vec<String>, FileSystemError> {
        let inside = self.0.keys().filter_map(|file| {
            file.strip_prefix(path.trim_end_matches('/'))?
                .strip_prefix('/')
        });
        let names: BTreeSet<_> = inside.filter_map(|rest| rest.split('/').next()).collect();
        Ok(names.into_iter().map(str::to_owned).collect())
    }
}

impl OpenFile for &[u8] {
    fn size(&self) -> u64 {
        self.len() as u64
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize, FileSystemError> {
        let rest = usize::try_from(offset)
            .ok()
            .and_then(|offset| self.get(offset..))
            .unwrap_or_default();
        let length = rest.len().min(buffer.len());
        buffer[..length].copy_from_slice(&rest[..length]);
        Ok(length)
    }
}
