//! How many inspections run at once, overall and for one account.

use std::collections::{BTreeMap, HashMap};

use futures::channel::mpsc::UnboundedSender;
use jiff::Timestamp;
use parking_lot::Mutex;
use prometheus_client::metrics::gauge::Gauge;

use super::Object;

/// Reason in the conditions of those that wait for a permit.
pub(super) const AT_CAPACITY: &str = "AtCapacity";

/// Largest numbers of inspections that run at once.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Of all accounts
    pub overall: usize,
    /// Of one account
    pub per_account: usize,
}

/// Namespace and name of a CloudAccount.
pub(super) type Account = (String, String);

/// The right of one inspection to run, held or waited for.
#[derive(Clone, Debug)]
pub(super) struct Permit {
    pub(super) uid: String,
    pub(super) object: Object,
    pub(super) account: Account,
    /// The longest waiting goes first.
    pub(super) since: Timestamp,
}

/// Running and waiting inspections. A permit is held from `Preparing` until the attempt is over. A semaphore would wake the
/// longest waiting, even if its account has all that it may.
#[derive(Debug)]
pub(super) struct Limiter {
    limits: Limits,
    state: Mutex<State>,
    running: Gauge,
    /// Objects to reconcile again, now that they may run
    wake: UnboundedSender<Object>,
}

#[derive(Debug, Default)]
struct State {
    running: HashMap<String, Permit>,
    waiting: BTreeMap<(Timestamp, String), Permit>,
}

impl Limiter {
    pub(super) fn new(limits: Limits, running: Gauge, wake: UnboundedSender<Object>) -> Self {
        Self {
            limits,
            state: Mutex::default(),
            running,
            wake,
        }
    }

    /// Restores the permit of an inspection that runs already, as its status tells after a restart.
    pub(super) fn restore(&self, permit: Permit) {
        let mut state = self.state.lock();
        state.running.insert(permit.uid.clone(), permit);
        self.count(&state);
    }

    /// Acquires a permit, or a place in the queue. Permits whose holder does not exist any more are free: somebody removed its
    /// finalizer by hand.
    ///
    /// # Errors
    /// The limit that is reached, in words.
    pub(super) fn acquire(
        &self,
        permit: Permit,
        exists: impl Fn(&Object) -> bool,
    ) -> Result<(), String> {
        let mut state = self.state.lock();
        if state.full(&permit, self.limits).is_some() {
            state.running.retain(|_, running| exists(&running.object));
        }
        match state.full(&permit, self.limits) {
            None => {
                state.waiting.remove(&(permit.since, permit.uid.clone()));
                state.running.insert(permit.uid.clone(), permit);
                self.count(&state);
                Ok(())
            }
            Some(why) => {
                state
                    .waiting
                    .insert((permit.since, permit.uid.clone()), permit);
                Err(why)
            }
        }
    }

    /// Releases a permit or a place in the queue, and wakes the oldest waiter that now fits. A waiter that never claims its permit
    /// is replaced the same way.
    pub(super) fn release(&self, uid: &str) {
        let mut state = self.state.lock();
        state.waiting.retain(|(_, waiting), _| waiting != uid);
        state.running.remove(uid);
        self.count(&state);
        if state.running.len() >= self.limits.overall {
            return;
        }
        let next = state
            .waiting
            .iter()
            .find(|(_, permit)| state.full(permit, self.limits).is_none());
        if let Some((place, permit)) =
            next.map(|(place, permit)| (place.clone(), permit.object.clone()))
        {
            state.waiting.remove(&place);
            // Nobody listens only when the controller stops.
            let _ = self.wake.unbounded_send(permit);
        }
    }

    fn count(&self, state: &State) {
        self.running
            .set(i64::try_from(state.running.len()).unwrap_or(i64::MAX));
    }
}

impl State {
    /// Returns the limit that keeps `permit` from running, if any.
    fn full(&self, permit: &Permit, limits: Limits) -> Option<String> {
        if self.running.contains_key(&permit.uid) {
            return None;
        }
        let same = self
            .running
            .values()
            .filter(|running| running.account == permit.account)
            .count();
        if same >= limits.per_account {
            return Some(format!(
                "as many inspections of this account run as may at once ({})",
                limits.per_account
            ));
        }
        (self.running.len() >= limits.overall).then(|| {
            format!(
                "as many inspections run as may at once ({})",
                limits.overall
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use futures::channel::mpsc;
    use kube::runtime::reflector::ObjectRef;

    use super::*;

    fn permit(name: &str, account: &str, second: i64) -> Permit {
        Permit {
            uid: name.into(),
            object: ObjectRef::new(name).within("customers"),
            account: ("customers".into(), account.into()),
            since: Timestamp::from_second(second).unwrap(),
        }
    }

    #[test]
    fn limits_hold_overall_and_per_account() {
        let (wake, _woken) = mpsc::unbounded();
        let limiter = Limiter::new(
            Limits {
                overall: 3,
                per_account: 2,
            },
            Gauge::default(),
            wake,
        );
        assert!(limiter.acquire(permit("a1", "a", 1), |_| true).is_ok());
        assert!(limiter.acquire(permit("a2", "a", 2), |_| true).is_ok());
        assert!(
            limiter.acquire(permit("a2", "a", 2), |_| true).is_ok(),
            "asking again is no second permit"
        );
        assert!(
            limiter
                .acquire(permit("a3", "a", 3), |_| true)
                .unwrap_err()
                .contains("of this account run as may at once (2)")
        );
        assert!(limiter.acquire(permit("b1", "b", 4), |_| true).is_ok());
        assert!(
            limiter
                .acquire(permit("b2", "b", 5), |_| true)
                .unwrap_err()
                .contains("inspections run as may at once (3)")
        );
    }

    #[test]
    fn a_free_permit_wakes_the_longest_waiting_that_fits() {
        let (wake, mut woken) = mpsc::unbounded();
        let limiter = Limiter::new(
            Limits {
                overall: 2,
                per_account: 1,
            },
            Gauge::default(),
            wake,
        );
        limiter.restore(permit("a1", "a", 1));
        limiter.restore(permit("b1", "b", 2));
        for waiting in [
            permit("a2", "a", 3),
            permit("b2", "b", 4),
            permit("b3", "b", 5),
        ] {
            assert!(limiter.acquire(waiting, |_| true).is_err());
        }
        limiter.release("b1");
        assert_eq!(
            woken.try_recv().map(|object| object.name),
            Ok("b2".into()),
            "a2 is older, but its account is full"
        );
        limiter.release("b2");
        assert_eq!(
            woken.try_recv().map(|object| object.name),
            Ok("b3".into()),
            "b2 was woken and did not come"
        );
        limiter.release("a1");
        assert_eq!(woken.try_recv().map(|object| object.name), Ok("a2".into()));
        limiter.release("nobody");
        assert!(woken.try_recv().is_err());
    }

    #[test]
    fn the_permit_of_one_that_vanished_is_free() {
        let (wake, _woken) = mpsc::unbounded();
        let limiter = Limiter::new(
            Limits {
                overall: 1,
                per_account: 1,
            },
            Gauge::default(),
            wake,
        );
        limiter.restore(permit("a1", "a", 1));
        assert!(
            limiter
                .acquire(permit("b1", "b", 2), |holder| holder.name != "a1")
                .is_ok()
        );
    }
}
