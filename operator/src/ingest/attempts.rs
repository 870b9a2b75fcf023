//! Failed attempts at a message that were its own fault. What SQS counts, receives, also has those of outages.

use std::collections::HashMap;

use parking_lot::Mutex;

/// Messages that are remembered at most; beyond, all are forgotten and have their attempts again.
const MOST: usize = 10_000;

/// Failed attempts by the id of the message. A restart forgets them, and another replica has its own: a message then has more
/// attempts, never fewer.
#[derive(Debug, Default)]
pub struct FailedAttempts(Mutex<HashMap<String, u32>>);

impl FailedAttempts {
    /// Counts one more, and returns how many there were.
    pub(super) fn count(&self, message: &str) -> u32 {
        let mut attempts = self.0.lock();
        if attempts.len() >= MOST && !attempts.contains_key(message) {
            attempts.clear();
        }
        let count = attempts.entry(message.to_owned()).or_default();
        *count += 1;
        *count
    }

    /// Forgets a message that is done.
    pub(super) fn forget(&self, message: &str) {
        self.0.lock().remove(message);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_are_counted_by_message_until_it_is_done() {
        let attempts = FailedAttempts::default();
        assert_eq!((attempts.count("a"), attempts.count("b")), (1, 1));
        assert_eq!(attempts.count("a"), 2);
        attempts.forget("a");
        assert_eq!((attempts.count("a"), attempts.count("b")), (1, 2));
    }

    #[test]
    fn memory_is_bounded() {
        let attempts = FailedAttempts::default();
        for number in 0..MOST * 3 {
            attempts.count(&number.to_string());
        }
        assert!(attempts.0.lock().len() <= MOST);
    }
}
