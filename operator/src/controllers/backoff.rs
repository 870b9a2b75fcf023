//! Waits after failures: longer each time, and not all at the same moment.

use std::collections::HashMap;
use std::time::Duration;

use parking_lot::Mutex;

/// Wait after the first failure.
const FIRST: Duration = Duration::from_secs(5);
/// Longest wait.
const LONGEST: Duration = Duration::from_secs(30 * 60);
/// Failures after which the wait does not grow any more.
pub const MOST_FAILURES: u32 = 10;

/// Returns the wait after so many failures in a row: 5 s, 10 s, 20 s … 30 min, and up to a tenth more, by `uid`.
pub fn delay(failures: u32, uid: &str) -> Duration {
    let doublings = failures.clamp(1, MOST_FAILURES) - 1;
    spread(LONGEST.min(FIRST * 2_u32.pow(doublings)), uid)
}

/// Returns `wait` and up to a tenth more, always the same for one object: many of them don't come back at once.
pub fn spread(wait: Duration, uid: &str) -> Duration {
    // FNV-1a: stable across restarts and versions, which the standard library's hasher does not promise.
    let hash = uid.bytes().fold(0x811c_9dc5_u32, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    });
    wait + wait.mul_f64(f64::from(hash) / f64::from(u32::MAX) / 10.0)
}

/// Failures in a row, by the object's UID. kube-rs counts none, and calls an error policy after failures only.
#[derive(Debug, Default)]
pub struct Backoff(Mutex<HashMap<String, u32>>);

impl Backoff {
    /// Counts a failure of the object; returns the wait before the next try.
    pub fn next(&self, uid: &str) -> Duration {
        let mut failures = self.0.lock();
        let count = failures.entry(uid.to_owned()).or_default();
        *count = count.saturating_add(1);
        delay(*count, uid)
    }

    /// Forgets the failures of an object that is fine, or gone.
    pub fn reset(&self, uid: &str) {
        self.0.lock().remove(uid);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_half_an_hour_and_begin_anew_after_success() {
        let backoff = Backoff::default();
        let waits: Vec<_> = (0..12).map(|_| backoff.next("a")).collect();
        assert!(waits[0] >= FIRST && waits[0] <= FIRST.mul_f64(1.1));
        assert!(waits[..9].is_sorted_by(|a, b| a < b), "{waits:?}");
        assert!(waits[11] >= LONGEST && waits[11] <= LONGEST.mul_f64(1.1));
        backoff.reset("a");
        assert_eq!(backoff.next("a"), waits[0]);
    }

    #[test]
    fn objects_come_back_apart() {
        assert_ne!(spread(LONGEST, "a"), spread(LONGEST, "b"));
    }
}
