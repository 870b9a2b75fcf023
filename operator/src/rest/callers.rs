//! Room for each caller: none takes all places, and wrong keys are tried slowly.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

/// Requests of one key, or of one organization, in progress at the same time.
const AT_ONCE_EACH: usize = 64;
/// Requests with wrong keys in progress at the same time.
const WRONG_KEYS_AT_ONCE: usize = 8;
/// Time that the answer to a wrong key takes.
pub(super) const WRONG_KEY_DELAY: Duration = Duration::from_secs(1);

/// The sender of a request, as its headers say.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Caller {
    /// A service with a key, by its name
    Service(String),
    /// An organization id, or the older account number
    Organization(String),
    /// Somebody with a key that is none
    WrongKey,
    /// No caller by name: these share one budget
    Unknown,
}

impl Caller {
    fn at_once(&self) -> usize {
        match self {
            Self::WrongKey => WRONG_KEYS_AT_ONCE,
            _ => AT_ONCE_EACH,
        }
    }
}

/// The requests in progress, by caller.
#[derive(Clone, Debug, Default)]
pub(super) struct Callers(Arc<Mutex<HashMap<Caller, usize>>>);

/// A request in progress; ends when dropped.
#[derive(Debug)]
pub(super) struct CallerPlace {
    callers: Callers,
    caller: Caller,
}

impl Callers {
    /// Returns a place for a request of `caller`, if it has not too many already.
    pub(super) fn enter(&self, caller: Caller) -> Option<CallerPlace> {
        let mut in_progress = self.0.lock();
        let count = in_progress.entry(caller.clone()).or_default();
        if *count >= caller.at_once() {
            return None;
        }
        *count += 1;
        Some(CallerPlace {
            callers: self.clone(),
            caller,
        })
    }
}

impl Drop for CallerPlace {
    fn drop(&mut self) {
        let mut in_progress = self.callers.0.lock();
        if let Some(count) = in_progress.get_mut(&self.caller) {
            *count -= 1;
            if *count == 0 {
                in_progress.remove(&self.caller);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn organization(id: &str) -> Caller {
        Caller::Organization(id.into())
    }

    #[test]
    fn no_caller_takes_the_places_of_others() {
        let callers = Callers::default();
        let mut busy: Vec<_> = (0..AT_ONCE_EACH)
            .map(|_| callers.enter(organization("1")).unwrap())
            .collect();
        assert!(callers.enter(organization("1")).is_none());
        assert!(callers.enter(organization("2")).is_some());
        busy.pop();
        assert!(callers.enter(organization("1")).is_some());
    }

    #[test]
    fn few_wrong_keys_are_tried_at_once() {
        let callers = Callers::default();
        let tried: Vec<_> = (0..100)
            .filter_map(|_| callers.enter(Caller::WrongKey))
            .collect();
        assert_eq!(tried.len(), WRONG_KEYS_AT_ONCE);
        assert!(callers.enter(Caller::Service("swatch".into())).is_some());
    }

    #[test]
    fn callers_are_forgotten_when_their_requests_end() {
        let callers = Callers::default();
        drop(callers.enter(organization("1")));
        assert!(callers.0.lock().is_empty());
    }
}
