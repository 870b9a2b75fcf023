//! Real file systems with some bytes changed: an input of a few bytes reaches as deep as one of megabytes would.

use std::io;

use houndigrade::filesystem::{FileSystem, FileType};
use houndigrade::report::Stats;
use houndigrade::source::BlockSource;

/// A disk that `seeds/pack.py` packed, changed where the input says.
pub struct Patched {
    size: u64,
    /// Offset on the disk, and the bytes there. Between them are zeros.
    pieces: Vec<(u64, Vec<u8>)>,
}

impl Patched {
    /// `input` is any number of changes: four bytes of position among the bytes of `seed` that are not zeros, one of length,
    /// and up to 16 of contents.
    pub fn new(seed: &[u8], mut input: &[u8]) -> Self {
        let number = |bytes: &[u8]| u64::from(u32::from_le_bytes(bytes.try_into().unwrap()));
        let (size, mut rest) = seed.split_at(4);
        let mut pieces = Vec::new();
        while !rest.is_empty() {
            let length = number(&rest[4..8]) as usize;
            pieces.push((number(&rest[..4]), rest[8..8 + length].to_vec()));
            rest = &rest[8 + length..];
        }
        let total: usize = pieces.iter().map(|(_, bytes)| bytes.len()).sum();
        while input.len() > 5 {
            let mut position = number(&input[..4]) as usize % total;
            let length = usize::from(input[4] % 16 + 1).min(input.len() - 5);
            let piece = pieces.iter_mut().find(|(_, bytes)| {
                let here = position < bytes.len();
                if !here {
                    position -= bytes.len();
                }
                here
            });
            let (_, bytes) = piece.unwrap();
            let length_here = length.min(bytes.len() - position);
            bytes[position..position + length_here].copy_from_slice(&input[5..5 + length_here]);
            input = &input[5 + length..];
        }
        Self {
            size: number(size),
            pieces,
        }
    }
}

impl BlockSource for Patched {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let end = offset.saturating_add(buffer.len() as u64);
        if end > self.size {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        buffer.fill(0);
        for (at, bytes) in &self.pieces {
            let (start, until) = ((*at).max(offset), (at + bytes.len() as u64).min(end));
            if start < until {
                buffer[(start - offset) as usize..(until - offset) as usize]
                    .copy_from_slice(&bytes[(start - at) as usize..(until - at) as usize]);
            }
        }
        Ok(())
    }

    fn stats(&self) -> Stats {
        Stats::default()
    }
}

/// Looks at all there is, within limits: a damaged tree may have circles.
pub fn walk(fs: &dyn FileSystem) {
    let mut pending = vec![String::new()];
    for _ in 0..64 {
        let Some(folder) = pending.pop() else { return };
        let at = if folder.is_empty() { "/" } else { &folder };
        for name in fs.names(at, 256).unwrap_or_default() {
            let path = format!("{folder}/{name}");
            match fs.file_type(&path) {
                Ok(Some(FileType::Directory)) => pending.push(path),
                Ok(Some(FileType::Symlink)) => _ = fs.link_target(&path),
                Ok(Some(FileType::File)) => {
                    if let Ok(mut file) = fs.open(&path) {
                        let mut contents = [0; 5000];
                        let _ = file.read_at(0, &mut contents);
                        let _ = file.read_at(file.size().saturating_sub(100), &mut contents);
                    }
                }
                _ => {}
            }
        }
    }
}
