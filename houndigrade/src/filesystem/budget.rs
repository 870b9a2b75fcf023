//! The memory that the logs and journals of one image's file systems may take. A disk can have many of them, each as large as its
//! maker likes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::FileSystemError;

/// A budget, shared by its clones.
#[derive(Clone, Debug)]
pub struct MemoryBudget {
    limit: usize,
    left: Arc<AtomicUsize>,
}

impl MemoryBudget {
    /// Returns a budget of `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            left: Arc::new(AtomicUsize::new(limit)),
        }
    }

    /// Returns a reservation of no bytes yet.
    pub(super) fn reservation(&self) -> Reservation {
        Reservation {
            of: self.clone(),
            bytes: 0,
        }
    }
}

impl Default for MemoryBudget {
    /// Returns the budget of an image that is inspected alone, with the program's default limit.
    fn default() -> Self {
        Self::new(32 << 20)
    }
}

/// Bytes taken from a [`MemoryBudget`], given back on drop.
#[derive(Debug)]
pub(super) struct Reservation {
    of: MemoryBudget,
    bytes: usize,
}

impl Reservation {
    /// Takes `bytes` more from the budget.
    ///
    /// # Errors
    /// If fewer are left.
    pub(super) fn try_grow(&mut self, bytes: usize) -> Result<(), FileSystemError> {
        let (left, order) = (&self.of.left, Ordering::Relaxed);
        if left
            .fetch_update(order, order, |left| left.checked_sub(bytes))
            .is_err()
        {
            return Err(FileSystemError::Memory(self.of.limit >> 10));
        }
        self.bytes += bytes;
        Ok(())
    }
}

impl Reservation {
    /// Gives `bytes` back, at most those taken.
    pub(super) fn shrink(&mut self, bytes: usize) {
        let bytes = bytes.min(self.bytes);
        self.bytes -= bytes;
        self.of.left.fetch_add(bytes, Ordering::Relaxed);
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.of.left.fetch_add(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_dropped_can_be_taken_again() {
        let memory = MemoryBudget::new(10);
        let (mut one, mut other) = (memory.reservation(), memory.reservation());
        one.try_grow(6).unwrap();
        other.try_grow(5).unwrap_err();
        other.try_grow(4).unwrap();
        drop(one);
        other.try_grow(6).unwrap();
        memory.reservation().try_grow(1).unwrap_err();
        other.shrink(3);
        memory.reservation().try_grow(4).unwrap_err();
        memory.reservation().try_grow(3).unwrap();
        other.try_grow(3).unwrap();
        memory.reservation().try_grow(1).unwrap_err();
    }
}
