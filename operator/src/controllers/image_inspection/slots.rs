//! How many inspections run at once, overall and for one account.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use futures::channel::mpsc::UnboundedSender;
use jiff::Timestamp;
use prometheus_client::metrics::gauge::Gauge;

use super::Object;

/// Reason of the condition of those that wait for room.
pub(super) const FULL: &str = "AtCapacity";

/// Largest numbers of inspections that run at once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) overall: usize,
    pub(super) per_account: usize,
}

/// Namespace and name of a CloudAccount.
pub(super) type Account = (String, String);

/// One that wants to run, or does.
#[derive(Clone, Debug)]
pub(super) struct Ticket {
    pub(super) uid: String,
    pub(super) object: Object,
    pub(super) account: Account,
    /// The longest waiting goes first.
    pub(super) since: Timestamp,
}

/// Running and waiting inspections. A slot is held from `Preparing` until the attempt is over.
#[derive(Debug)]
pub(super) struct Slots {
    limits: Limits,
    state: Mutex<State>,
    running: Gauge,
    /// Where those go that may try again.
    wake: UnboundedSender<Object>,
}

#[derive(Debug, Default)]
struct State {
    running: HashMap<String, Ticket>,
    waiting: BTreeMap<(Timestamp, String), Ticket>,
}

impl Slots {
    pub(super) fn new(limits: Limits, running: Gauge, wake: UnboundedSender<Object>) -> Self {
        Self {
            limits,
            state: Mutex::default(),
            running,
            wake,
        }
    }

    /// `ticket` runs already, as its status tells after a restart.
    pub(super) fn hold(&self, ticket: Ticket) {
        let mut state = self.lock();
        state.running.insert(ticket.uid.clone(), ticket);
        self.count(&state);
    }

    /// Takes a slot, or a place among those that wait. Slots whose holder does not exist any more are free:
    /// somebody removed its finalizer by hand.
    ///
    /// # Errors
    /// When there is no room: says which limit is reached.
    pub(super) fn take(
        &self,
        ticket: Ticket,
        exists: impl Fn(&Object) -> bool,
    ) -> Result<(), String> {
        let mut state = self.lock();
        if state.full(&ticket, self.limits).is_some() {
            state.running.retain(|_, running| exists(&running.object));
        }
        match state.full(&ticket, self.limits) {
            None => {
                state.waiting.remove(&(ticket.since, ticket.uid.clone()));
                state.running.insert(ticket.uid.clone(), ticket);
                self.count(&state);
                Ok(())
            }
            Some(why) => {
                state
                    .waiting
                    .insert((ticket.since, ticket.uid.clone()), ticket);
                Err(why)
            }
        }
    }

    /// Gives up a slot or a place, and wakes the longest waiting that fits. Who was woken and did not come
    /// makes room for the next in the same way.
    pub(super) fn leave(&self, uid: &str) {
        let mut state = self.lock();
        state.waiting.retain(|(_, waiting), _| waiting != uid);
        state.running.remove(uid);
        self.count(&state);
        if state.running.len() >= self.limits.overall {
            return;
        }
        let next = state
            .waiting
            .iter()
            .find(|(_, ticket)| state.full(ticket, self.limits).is_none());
        if let Some((place, ticket)) =
            next.map(|(place, ticket)| (place.clone(), ticket.object.clone()))
        {
            state.waiting.remove(&place);
            // Nobody listens only when the controller stops.
            let _ = self.wake.unbounded_send(ticket);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, state: &State) {
        self.running
            .set(i64::try_from(state.running.len()).unwrap_or(i64::MAX));
    }
}

impl State {
    /// Returns the limit that keeps `ticket` from running, if any.
    fn full(&self, ticket: &Ticket, limits: Limits) -> Option<String> {
        if self.running.contains_key(&ticket.uid) {
            return None;
        }
        let same = self
            .running
            .values()
            .filter(|running| running.account == ticket.account)
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

    fn ticket(name: &str, account: &str, second: i64) -> Ticket {
        Ticket {
            uid: name.into(),
            object: ObjectRef::new(name).within("customers"),
            account: ("customers".into(), account.into()),
            since: Timestamp::from_second(second).unwrap(),
        }
    }

    #[test]
    fn limits_hold_overall_and_per_account() {
        let (wake, _woken) = mpsc::unbounded();
        let slots = Slots::new(
            Limits {
                overall: 3,
                per_account: 2,
            },
            Gauge::default(),
            wake,
        );
        assert!(slots.take(ticket("a1", "a", 1), |_| true).is_ok());
        assert!(slots.take(ticket("a2", "a", 2), |_| true).is_ok());
        assert!(
            slots.take(ticket("a2", "a", 2), |_| true).is_ok(),
            "asking again is no second slot"
        );
        assert!(
            slots
                .take(ticket("a3", "a", 3), |_| true)
                .unwrap_err()
                .contains("of this account run as may at once (2)")
        );
        assert!(slots.take(ticket("b1", "b", 4), |_| true).is_ok());
        assert!(
            slots
                .take(ticket("b2", "b", 5), |_| true)
                .unwrap_err()
                .contains("inspections run as may at once (3)")
        );
    }

    #[test]
    fn a_free_slot_wakes_the_longest_waiting_that_fits() {
        let (wake, mut woken) = mpsc::unbounded();
        let slots = Slots::new(
            Limits {
                overall: 2,
                per_account: 1,
            },
            Gauge::default(),
            wake,
        );
        slots.hold(ticket("a1", "a", 1));
        slots.hold(ticket("b1", "b", 2));
        for waiting in [
            ticket("a2", "a", 3),
            ticket("b2", "b", 4),
            ticket("b3", "b", 5),
        ] {
            assert!(slots.take(waiting, |_| true).is_err());
        }
        slots.leave("b1");
        assert_eq!(
            woken.try_recv().map(|object| object.name),
            Ok("b2".into()),
            "a2 is older, but its account is full"
        );
        slots.leave("b2");
        assert_eq!(
            woken.try_recv().map(|object| object.name),
            Ok("b3".into()),
            "b2 was woken and did not come"
        );
        slots.leave("a1");
        assert_eq!(woken.try_recv().map(|object| object.name), Ok("a2".into()));
        slots.leave("nobody");
        assert!(woken.try_recv().is_err());
    }

    #[test]
    fn the_slot_of_one_that_vanished_is_free() {
        let (wake, _woken) = mpsc::unbounded();
        let slots = Slots::new(
            Limits {
                overall: 1,
                per_account: 1,
            },
            Gauge::default(),
            wake,
        );
        slots.hold(ticket("a1", "a", 1));
        assert!(
            slots
                .take(ticket("b1", "b", 2), |holder| holder.name != "a1")
                .is_ok()
        );
    }
}
