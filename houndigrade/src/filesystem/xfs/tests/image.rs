//! Images made by `mkfs.xfs`, in sparse files.

use tempfile::TempDir;

use super::*;

/// An image in a sparse file: `mkfs.xfs` makes none smaller than 300 MB.
pub(super) struct XfsImage {
    _folder: TempDir,
    pub(super) path: PathBuf,
}

impl XfsImage {
    /// Makes an image with `mkfs.xfs` and `options`. Skips the test without the tool.
    pub(super) fn new(options: &str) -> Option<Self> {
        let image = Self::empty(320 * 1024 * 1024);
        let mut arguments = vec!["-q", "-f"];
        arguments.extend(options.split_whitespace());
        arguments.push(image.path.to_str().unwrap());
        run("mkfs.xfs", &arguments, "")?;
        Some(image)
    }

    pub(super) fn empty(size: u64) -> Self {
        let folder = memory();
        let path = folder.path().join("image");
        fs::File::create(&path).unwrap().set_len(size).unwrap();
        Self {
            _folder: folder,
            path,
        }
    }

    pub(super) fn copy(&self) -> Self {
        let copy = Self::empty(0);
        let (from, to) = (self.path.to_str().unwrap(), copy.path.to_str().unwrap());
        run("cp", &["--sparse=always", from, to], "").unwrap();
        copy
    }

    pub(super) fn disk(&self) -> Arc<dyn BlockSource> {
        Arc::new(DiskFile::open(&self.path).unwrap())
    }

    pub(super) fn open(&self) -> Result<Box<dyn FileSystem>, FileSystemError> {
        filesystem::open(
            Content::probe(&*self.disk()).unwrap(),
            self.disk(),
            &MemoryBudget::default(),
        )
    }
}
