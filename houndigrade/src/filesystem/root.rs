//! Paths inside an image. No symlink, absolute or with any number of `..`, leads out of it.

use super::{Entry, Error, File, FileSystem};

/// The directory tree of an image.
pub struct Root<'a> {
    fs: &'a dyn FileSystem,
}

/// How a path ends, with all symlinks followed.
struct Resolved {
    path: String,
    entry: Entry,
}

impl<'a> Root<'a> {
    /// Longest path or symlink target in bytes, as on Linux.
    pub const MAX_PATH: usize = 4096;
    /// Most symlinks followed for one path, as on Linux.
    const MAX_SYMLINKS: usize = 40;
    /// Most entries of a directory that is listed.
    const MAX_ENTRIES: usize = 20_000;

    /// The tree of `fs`.
    pub fn new(fs: &'a dyn FileSystem) -> Self {
        Self { fs }
    }

    /// The first bytes, at most `limit`, of the file at `path`; `None` if there is no regular file.
    ///
    /// # Errors
    /// If the file system is damaged or the disk can't be read.
    pub fn head(&self, path: &str, limit: usize) -> Result<Option<Vec<u8>>, Error> {
        let Some(mut file) = self.open(path)? else {
            return Ok(None);
        };
        let size = usize::try_from(file.size()).unwrap_or(usize::MAX);
        let mut contents = vec![0; size.min(limit)];
        let length = file.read_at(0, &mut contents)?;
        contents.truncate(length);
        Ok(Some(contents))
    }

    /// Opens the file at `path`; `None` if there is no regular file.
    ///
    /// # Errors
    /// As for [`head`](Self::head).
    pub fn open(&self, path: &str) -> Result<Option<Box<dyn File + 'a>>, Error> {
        match self.resolve(path)? {
            Some(Resolved {
                path,
                entry: Entry::File,
            }) => self.fs.open(&path).map(Some),
            _ => Ok(None),
        }
    }

    /// Whether a regular file is at `path`.
    ///
    /// # Errors
    /// As for [`head`](Self::head).
    pub fn is_file(&self, path: &str) -> Result<bool, Error> {
        Ok(self
            .resolve(path)?
            .is_some_and(|found| found.entry == Entry::File))
    }

    /// The names in the directory at `path`, sorted; none if there is no directory.
    ///
    /// # Errors
    /// As for [`head`](Self::head), and if there are too many.
    pub fn names(&self, path: &str) -> Result<Vec<String>, Error> {
        let mut names = match self.resolve(path)? {
            Some(Resolved {
                path,
                entry: Entry::Directory,
            }) => self.fs.names(&path, Self::MAX_ENTRIES)?,
            _ => Vec::new(),
        };
        names.sort_unstable();
        Ok(names)
    }

    /// Follows all symlinks. A path that ends nowhere, or turns in circles, is `None`: so it is for every program that runs in the image.
    fn resolve(&self, path: &str) -> Result<Option<Resolved>, Error> {
        let mut pending: Vec<String> = components(path);
        let mut done: Vec<String> = Vec::new();
        let mut entry = Entry::Directory;
        let mut symlinks = 0;
        while let Some(name) = pending.pop() {
            if entry != Entry::Directory {
                return Ok(None);
            }
            if name == ".." {
                // At the root, `..` is the root.
                done.pop();
                continue;
            }
            done.push(name);
            let here = join(&done);
            if here.len() > Self::MAX_PATH {
                return Ok(None);
            }
            entry = match self.fs.entry(&here)? {
                None => return Ok(None),
                Some(Entry::Symlink) => {
                    symlinks += 1;
                    if symlinks > Self::MAX_SYMLINKS {
                        return Ok(None);
                    }
                    let target = self.fs.link_target(&here)?;
                    if target.starts_with('/') {
                        done.clear();
                    } else {
                        done.pop();
                    }
                    pending.extend(components(&target));
                    Entry::Directory
                }
                Some(other) => other,
            };
        }
        Ok(Some(Resolved {
            path: join(&done),
            entry,
        }))
    }
}

/// The names of a path, last first.
fn components(path: &str) -> Vec<String> {
    path.rsplit('/')
        .filter(|name| !matches!(*name, "" | "."))
        .map(str::to_owned)
        .collect()
}

fn join(names: &[String]) -> String {
    format!("/{}", names.join("/"))
}
