//! Images made by `mkfs.btrfs`, in sparse files.

use tempfile::TempDir;

use super::*;

/// An image in a sparse file.
pub(super) struct BtrfsImage {
    folder: TempDir,
}

impl BtrfsImage {
    /// Makes an image with `mkfs.btrfs` and these options. Skips the test without the tool.
    pub(super) fn new(options: &str) -> Option<Self> {
        let image = Self { folder: memory() };
        let file = File::create(image.path()).unwrap();
        file.set_len(256 * MIB as u64).unwrap();
        let path = image.path();
        let mut arguments: Vec<&str> = options.split_whitespace().collect();
        arguments.extend(["-q", path.to_str().unwrap()]);
        run("mkfs.btrfs", &arguments, "")?;
        Some(image)
    }

    pub(super) fn path(&self) -> PathBuf {
        self.folder.path().join("image")
    }

    pub(super) fn mount(&self, options: &str) -> Option<KernelMount> {
        KernelMount::new(&self.path(), options)
    }

    /// Copies its present state, mounted or not.
    pub(super) fn copy(&self) -> Self {
        let folder = memory();
        let (from, to) = (self.path(), folder.path().join("image"));
        let arguments = [
            "--sparse=always",
            from.to_str().unwrap(),
            to.to_str().unwrap(),
        ];
        run("cp", &arguments, "").unwrap();
        Self { folder }
    }

    pub(super) fn source(&self) -> Arc<DiskFile> {
        Arc::new(DiskFile::open(&self.path()).unwrap())
    }

    pub(super) fn open(&self) -> Result<Box<dyn FileSystem>, FileSystemError> {
        let source = self.source();
        crate::filesystem::open(
            Content::probe(&*source).unwrap(),
            source,
            &MemoryBudget::default(),
        )
    }
}
