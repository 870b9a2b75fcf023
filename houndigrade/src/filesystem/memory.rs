//! A file system in memory, for tests of what stands on one.

use std::collections::{BTreeMap, BTreeSet};

use super::{Entry, Error, File, FileSystem};

/// By path: a file's contents, or as `Err` where a symlink points to. Directories are those they lie in.
pub(crate) struct Memory(pub(crate) BTreeMap<&'static str, Result<&'static str, &'static str>>);

impl FileSystem for Memory {
    fn entry(&self, path: &str) -> Result<Option<Entry>, Error> {
        Ok(match self.0.get(path) {
            Some(Ok(_)) => Some(Entry::File),
            Some(Err(_)) => Some(Entry::Symlink),
            None => self
                .0
                .keys()
                .any(|file| file.starts_with(&format!("{path}/")))
                .then_some(Entry::Directory),
        })
    }

    fn link_target(&self, path: &str) -> Result<String, Error> {
        Ok(self.0[path].unwrap_err().into())
    }

    fn open(&self, path: &str) -> Result<Box<dyn File + '_>, Error> {
        Ok(Box::new(self.0[path].unwrap().as_bytes()))
    }

    fn names(&self, path: &str, _limit: usize) -> Result<Vec<String>, Error> {
        let inside = self.0.keys().filter_map(|file| {
            file.strip_prefix(path.trim_end_matches('/'))?
                .strip_prefix('/')
        });
        let names: BTreeSet<_> = inside.filter_map(|rest| rest.split('/').next()).collect();
        Ok(names.into_iter().map(str::to_owned).collect())
    }
}

impl File for &[u8] {
    fn size(&self) -> u64 {
        self.len() as u64
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize, Error> {
        let rest = usize::try_from(offset)
            .ok()
            .and_then(|offset| self.get(offset..))
            .unwrap_or_default();
        let length = rest.len().min(buffer.len());
        buffer[..length].copy_from_slice(&rest[..length]);
        Ok(length)
    }
}
