//! Events, as `kubectl describe` shows them.

use kube::runtime::events::{Event, EventType};

/// The API server takes notes of up to 1 KiB.
const LONGEST_NOTE: usize = 1000;

/// An event that may ask for something to be done.
pub(crate) fn warning(reason: &str, note: String) -> Event {
    event(EventType::Warning, "Reconcile", reason, note)
}

/// An event that informs.
pub(crate) fn normal(reason: &str, note: String) -> Event {
    event(EventType::Normal, "Reconcile", reason, note)
}

/// An event of its own `action`; a note that is too long is cut.
pub(crate) fn event(type_: EventType, action: &str, reason: &str, mut note: String) -> Event {
    note.truncate(note.floor_char_boundary(LONGEST_NOTE));
    Event {
        type_,
        reason: reason.to_owned(),
        note: Some(note),
        action: action.to_owned(),
        secondary: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_note_is_cut_between_letters() {
        let note = warning("Long", "ä".repeat(1000)).note.unwrap();
        assert_eq!(note, "ä".repeat(500));
    }
}
