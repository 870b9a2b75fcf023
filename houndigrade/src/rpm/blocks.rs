//! A file of any size, read through a cache of a fixed one.

use super::Error;
use crate::filesystem::File;

/// Bytes read at once. Databases are mostly written in order: a block serves several of their pages.
const BLOCK: usize = 16 * 1024;
/// Blocks kept, 1 MiB in all.
const SLOTS: usize = 64;

/// A file and the blocks of it read last.
pub(super) struct Blocks<'a> {
    file: Box<dyn File + 'a>,
    size: u64,
    slots: Vec<Slot>,
}

#[derive(Clone, Default)]
struct Slot {
    /// Which block of the file; `None` in an empty slot.
    number: Option<u64>,
    bytes: Vec<u8>,
}

impl<'a> Blocks<'a> {
    /// Refuses a file of more than `limit` bytes.
    pub(super) fn new(file: Box<dyn File + 'a>, limit: u64) -> Result<Self, Error> {
        let size = file.size();
        if size > limit {
            return Err(Error::Limit {
                limit,
                of: "bytes in a file",
            });
        }
        Ok(Self {
            file,
            size,
            slots: vec![Slot::default(); SLOTS],
        })
    }

    /// Size of the file in bytes.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// Fills all of `buffer` from `offset` on.
    pub(super) fn read(&mut self, offset: u64, buffer: &mut [u8]) -> Result<(), Error> {
        let mut at = offset;
        let mut rest = buffer;
        while !rest.is_empty() {
            let within = (at % BLOCK as u64) as usize;
            let block = self.block(at / BLOCK as u64)?;
            let bytes = block.get(within..).unwrap_or_default();
            if bytes.is_empty() {
                return Err(Error::damaged(format!(
                    "something is said to be at byte {at}, where the file ends before"
                )));
            }
            let length = bytes.len().min(rest.len());
            let (now, later) = rest.split_at_mut(length);
            now.copy_from_slice(&bytes[..length]);
            at = at.saturating_add(length as u64);
            rest = later;
        }
        Ok(())
    }

    /// The bytes at `offset`.
    pub(super) fn array<const N: usize>(&mut self, offset: u64) -> Result<[u8; N], Error> {
        let mut bytes = [0; N];
        self.read(offset, &mut bytes)?;
        Ok(bytes)
    }

    fn block(&mut self, number: u64) -> Result<&[u8], Error> {
        let slot = &mut self.slots[(number % SLOTS as u64) as usize];
        if slot.number != Some(number) {
            slot.number = None;
            slot.bytes.resize(BLOCK, 0);
            let offset = number.saturating_mul(BLOCK as u64);
            let length = if offset < self.size {
                self.file.read_at(offset, &mut slot.bytes)?
            } else {
                0
            };
            slot.bytes.truncate(length);
            slot.number = Some(number);
        }
        Ok(&slot.bytes)
    }
}
