//! What the file systems of one image may keep in memory: what their logs and journals change. A disk can have many of them, each
//! as large as its maker likes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::filesystem::Error;

/// A budget, shared by its clones.
#[derive(Clone, Debug)]
pub struct Memory {
    limit: usize,
    left: Arc<AtomicUsize>,
}

impl Memory {
    /// A budget of `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            left: Arc::new(AtomicUsize::new(limit)),
        }
    }

    /// A part of it, of no bytes yet.
    pub(crate) fn part(&self) -> Part {
        Part {
            of: self.clone(),
            bytes: 0,
        }
    }
}

impl Default for Memory {
    /// What the program's default limit gives one image alone.
    fn default() -> Self {
        Self::new(32 << 20)
    }
}

/// What one holder has of a [`Memory`]. It is given back when this is dropped.
#[derive(Debug)]
pub(crate) struct Part {
    of: Memory,
    bytes: usize,
}

impl Part {
    /// Takes `bytes` more.
    ///
    /// # Errors
    /// If so many are not left.
    pub(crate) fn take(&mut self, bytes: usize) -> Result<(), Error> {
        let (left, order) = (&self.of.left, Ordering::Relaxed);
        if left
            .fetch_update(order, order, |left| left.checked_sub(bytes))
            .is_err()
        {
            return Err(Error::Memory(self.of.limit >> 10));
        }
        self.bytes += bytes;
        Ok(())
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        self.of.left.fetch_add(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_dropped_can_be_taken_again() {
        let memory = Memory::new(10);
        let (mut one, mut other) = (memory.part(), memory.part());
        one.take(6).unwrap();
        other.take(5).unwrap_err();
        other.take(4).unwrap();
        drop(one);
        other.take(6).unwrap();
        memory.part().take(1).unwrap_err();
    }
}
