//! An open file, read piece by piece.

use lamxfs::Inode;

use super::{FileSystemError, MAX_METADATA, Xfs};
use crate::filesystem::OpenFile;

/// Least and most bytes read at once; more where reads follow one another: the reader looks up the inode and its extents with
/// each read.
const MIN_WINDOW: usize = 4 * 1024;
const MAX_WINDOW: usize = 128 * 1024;

pub(super) struct XfsFile<'a> {
    fs: &'a Xfs,
    path: String,
    inode: Inode,
    size: u64,
    /// Beginning and bytes of the last piece read.
    window: Vec<u8>,
    start: u64,
}

impl<'a> XfsFile<'a> {
    pub(super) fn new(fs: &'a Xfs, path: &str, inode: Inode, size: u64) -> Self {
        Self {
            fs,
            path: path.into(),
            inode,
            size,
            window: Vec::new(),
            start: 0,
        }
    }

    fn end(&self) -> u64 {
        self.start.saturating_add(self.window.len() as u64)
    }

    /// Moves the window to `offset` for a read of `needed` bytes: twice as wide as it was if the read continues the last.
    fn move_to(&mut self, offset: u64, needed: usize) -> Result<(), FileSystemError> {
        let follows = offset == self.end() && !self.window.is_empty();
        let ahead = if follows { self.window.len() * 2 } else { 0 };
        let wanted = needed.max(ahead).clamp(MIN_WINDOW, MAX_WINDOW);
        let rest = usize::try_from(self.size - offset).unwrap_or(usize::MAX);
        let mut window = std::mem::take(&mut self.window);
        window.resize(wanted.min(rest), 0);
        self.read(offset, &mut window)?;
        (self.window, self.start) = (window, offset);
        Ok(())
    }

    /// Fills `buffer`, which must end within the file.
    fn read(&self, offset: u64, buffer: &mut [u8]) -> Result<(), FileSystemError> {
        let volume = &self.fs.volume;
        volume.allow(MAX_METADATA + buffer.len());
        let mut fs = self.fs.fs.borrow_mut();
        fs.read_file_at(&self.inode, offset, buffer)
            .map_err(|error| volume.explain(&self.path, error))?;
        Ok(())
    }
}

impl OpenFile for XfsFile<'_> {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize, FileSystemError> {
        let rest = usize::try_from(self.size.saturating_sub(offset)).unwrap_or(usize::MAX);
        let length = buffer.len().min(rest);
        let buffer = &mut buffer[..length];
        let mut filled = 0;
        while filled < buffer.len() {
            let at = offset + filled as u64;
            if at < self.start || at >= self.end() {
                let left = &mut buffer[filled..];
                if left.len() >= MAX_WINDOW {
                    let whole = left.len() / MAX_WINDOW * MAX_WINDOW;
                    self.read(at, &mut left[..whole])?;
                    filled += whole;
                    continue;
                }
                let needed = left.len();
                self.move_to(at, needed)?;
            }
            let from = (at - self.start) as usize;
            let piece = (self.window.len() - from).min(buffer.len() - filled);
            buffer[filled..filled + piece].copy_from_slice(&self.window[from..from + piece]);
            filled += piece;
        }
        Ok(length)
    }
}
