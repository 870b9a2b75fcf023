//! Paths inside an image. No symlink, absolute or with any number of `..`, leads out of it.

use super::{FileSystem, FileSystemError, FileType, OpenFile};

/// The directory tree of an image: a file system, with others mounted into it.
pub struct Root<'a> {
    root: FsDirectory<'a>,
    mounts: Vec<MountedDirectory<'a>>,
}

/// A directory of a file system.
#[derive(Clone)]
struct FsDirectory<'a> {
    fs: &'a dyn FileSystem,
    path: String,
}

/// A directory that hides the one at its mount point.
struct MountedDirectory<'a> {
    at: String,
    /// The directory, or the reason why its files can't be read.
    directory: Result<FsDirectory<'a>, String>,
}

/// The target of a path, with all symlinks followed.
struct Resolved {
    path: String,
    file_type: FileType,
}

impl<'a> Root<'a> {
    /// Longest path or symlink target in bytes, as on Linux.
    pub const MAX_PATH: usize = 4096;
    /// Most symlinks followed for one path, as on Linux.
    const MAX_SYMLINKS: usize = 40;
    /// Most entries of a listed directory.
    const MAX_ENTRIES: usize = 20_000;

    /// Returns the tree of `fs`.
    pub fn new(fs: &'a dyn FileSystem) -> Self {
        Self::at(fs, "/")
    }

    /// Returns the tree below the directory at `path` of `fs`, a path without symlinks.
    pub fn at(fs: &'a dyn FileSystem, path: &str) -> Self {
        let path = normal(path);
        Self {
            root: FsDirectory { fs, path },
            mounts: Vec::new(),
        }
    }

    /// Mounts the directory at `path` of `fs` at `at`. The mount point need not exist, but its parent must. The later of two mounts
    /// at one place hides the earlier; mounts below it stay visible. Returns whether the directory exists.
    ///
    /// # Errors
    /// If the file system is damaged or the disk can't be read.
    pub fn mount(
        &mut self,
        at: &str,
        fs: &'a dyn FileSystem,
        path: &str,
    ) -> Result<bool, FileSystemError> {
        let Some(path) = Root::new(fs).directory(path)? else {
            return Ok(false);
        };
        self.push(at, Ok(FsDirectory { fs, path }));
        Ok(true)
    }

    /// Shows the directory at `source` of this tree, as it is now, at `at` too. Returns whether it exists.
    ///
    /// # Errors
    /// As for [`mount`](Self::mount).
    pub fn bind(&mut self, at: &str, source: &str) -> Result<bool, FileSystemError> {
        let Some(source) = self.directory(source)? else {
            return Ok(false);
        };
        let directory = self.locate(&source)?;
        self.push(at, Ok(directory));
        Ok(true)
    }

    /// Makes every access below `at` fail with `why`: the files there are out of reach.
    pub fn withhold(&mut self, at: &str, why: String) {
        self.push(at, Err(why));
    }

    /// Follows symlinks in the mount point, as `mount` does.
    fn push(&mut self, at: &str, directory: Result<FsDirectory<'a>, String>) {
        let at = normal(at);
        let there = |path: &str| self.directory(path).ok().flatten();
        let beside =
            |(parent, name): (&str, &str)| Some(normal(&format!("{}/{name}", there(parent)?)));
        let target = there(&at).or_else(|| at.rsplit_once('/').and_then(beside));
        let at = target.unwrap_or(at);
        self.mounts.push(MountedDirectory { at, directory });
    }

    /// Returns the first bytes, at most `limit`, of the file at `path`; `None` if there is no regular file.
    ///
    /// # Errors
    /// If the file system is damaged, not among the image's disks, or can't be read.
    pub fn head(&self, path: &str, limit: usize) -> Result<Option<Vec<u8>>, FileSystemError> {
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
    pub fn open(&self, path: &str) -> Result<Option<Box<dyn OpenFile + 'a>>, FileSystemError> {
        match self.resolve(path)? {
            Some(Resolved {
                path,
                file_type: FileType::File,
            }) => {
                let FsDirectory { fs, path } = self.locate(&path)?;
                fs.open(&path).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// Returns whether a regular file is at `path`.
    ///
    /// # Errors
    /// As for [`head`](Self::head).
    pub fn is_file(&self, path: &str) -> Result<bool, FileSystemError> {
        Ok(self
            .resolve(path)?
            .is_some_and(|found| found.file_type == FileType::File))
    }

    /// Returns the path without symlinks of the directory at `path`; `None` if there is no directory.
    ///
    /// # Errors
    /// As for [`head`](Self::head).
    pub fn directory(&self, path: &str) -> Result<Option<String>, FileSystemError> {
        Ok(self
            .resolve(path)?
            .filter(|found| found.file_type == FileType::Directory)
            .map(|found| found.path))
    }

    /// Returns the names in the directory at `path`, sorted; none if there is no directory.
    ///
    /// # Errors
    /// As for [`head`](Self::head), and if there are too many.
    pub fn names(&self, path: &str) -> Result<Vec<String>, FileSystemError> {
        let Some(path) = self.directory(path)? else {
            return Ok(Vec::new());
        };
        let FsDirectory { fs, path } = self.locate(&path)?;
        let mut names = fs.names(&path, Self::MAX_ENTRIES)?;
        names.sort_unstable();
        Ok(names)
    }

    /// Follows all symlinks. A path that leads nowhere or in circles is `None`, as for programs that run in the image.
    fn resolve(&self, path: &str) -> Result<Option<Resolved>, FileSystemError> {
        let mut pending: Vec<String> = components(path);
        let mut done: Vec<String> = Vec::new();
        let mut file_type = FileType::Directory;
        let mut symlinks = 0;
        while let Some(name) = pending.pop() {
            if file_type != FileType::Directory {
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
            if self.mounts.iter().any(|mount| mount.at == here) {
                // A mount point is a directory.
                continue;
            }
            let FsDirectory { fs, path } = self.locate(&here)?;
            file_type = match fs.file_type(&path)? {
                None => return Ok(None),
                Some(FileType::Symlink) => {
                    symlinks += 1;
                    if symlinks > Self::MAX_SYMLINKS {
                        return Ok(None);
                    }
                    let target = fs.link_target(&path)?;
                    if target.starts_with('/') {
                        done.clear();
                    } else {
                        done.pop();
                    }
                    pending.extend(components(&target));
                    FileType::Directory
                }
                Some(other) => other,
            };
        }
        Ok(Some(Resolved {
            path: join(&done),
            file_type,
        }))
    }

    /// Returns the place of the files at `path`, a path without symlinks: in the nearest mount.
    fn locate(&self, path: &str) -> Result<FsDirectory<'a>, FileSystemError> {
        let below = |mount: &&MountedDirectory| {
            let rest = path.strip_prefix(&*mount.at);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        // Of equal lengths, `max_by_key` returns the last.
        let nearest = self
            .mounts
            .iter()
            .filter(below)
            .max_by_key(|mount| mount.at.len());
        let (directory, rest) = match nearest {
            None => (&self.root, path),
            Some(MountedDirectory { at, directory }) => match directory {
                Ok(directory) => (directory, &path[at.len()..]),
                Err(why) => return Err(FileSystemError::OutOfReach(why.clone())),
            },
        };
        Ok(FsDirectory {
            fs: directory.fs,
            path: normal(&format!("{}/{rest}", directory.path)),
        })
    }
}

/// Returns the names of a path, last first.
fn components(path: &str) -> Vec<String> {
    path.rsplit('/')
        .filter(|name| !matches!(*name, "" | "."))
        .map(str::to_owned)
        .collect()
}

/// Returns `path` with single slashes, none at its end, and no `.`.
pub(crate) fn normal(path: &str) -> String {
    let mut names = components(path);
    names.reverse();
    join(&names)
}

fn join(names: &[String]) -> String {
    format!("/{}", names.join("/"))
}

#[cfg(test)]
mod tests;
