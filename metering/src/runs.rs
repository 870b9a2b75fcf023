//! Derives the runs of an instance from its events.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{cloudtrail::EventKind, usage::Period};

/// A change of an instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Time of the change.
    pub at: Timestamp,
    /// Kind of the change.
    pub kind: EventKind,
    /// Orders events of the same time and kind, so that their order is always the same.
    pub id: String,
    /// Instance type from this event on, if the event has it.
    pub instance_type: Option<String>,
}

/// One uninterrupted power-on of one instance with one type. The instance runs at `start` and no
/// longer at `end`: `[start, end)`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// First moment at which the instance runs.
    pub start: Timestamp,
    /// First moment at which it does not, or `None` if no end is known yet.
    pub end: Option<Timestamp>,
    /// The instance's type, if any event up to then has it.
    pub instance_type: Option<String>,
}

impl Run {
    /// The time the instance runs; up to [`Timestamp::MAX`] while no end is known.
    pub fn period(&self) -> Period {
        Period {
            start: self.start,
            end: self.end.unwrap_or(Timestamp::MAX),
        }
    }
}

/// Derives the runs of one instance, in order and disjoint, from all of its events. The original's way:
/// `docs/design/original.md#runs`.
///
/// The same events give the same runs, in any order and with any repetitions:
/// - The first power-on starts a run and the first power-off after it ends it; repetitions change nothing,
///   and a power-off with nothing to end is ignored.
/// - A run has the newest type known so far. EC2 changes the type of stopped instances only, so a type that first
///   appears in a power-on during a run holds for all of that run, and a different one means that an event was
///   missed: the run is split at the new type.
/// - At equal times a type change comes first, then power-on, then power-off. CloudTrail's times are whole
///   seconds: a start right after a resize gets the new type, and what is launched and ended in one
///   second is off afterwards. EC2 can't stop and start an instance again within one.
/// - A run of no length is left out: it contains no moment at which the instance runs.
pub fn runs(mut events: Vec<Event>) -> Vec<Run> {
    events.sort_unstable_by(|a, b| sort_key(a).cmp(&sort_key(b)));
    let mut history = History::default();
    for event in events {
        history.apply(event);
    }
    history.finish()
}

/// Returns the spans of time in which the instance runs by `before` or by `after`, but not by both: usage changes
/// there and nowhere else. Both lists are as [`runs`] returns them; a span without end ends at [`Timestamp::MAX`].
pub fn difference(before: &[Run], after: &[Run]) -> Vec<Period> {
    // Each boundary in either list toggles whether the two lists disagree.
    let periods = before.iter().chain(after).map(Run::period);
    let mut moments: Vec<Timestamp> = periods
        .flat_map(|period| [period.start, period.end])
        .collect();
    moments.sort_unstable();
    let mut spans: Vec<Period> = Vec::new();
    for (start, end) in moments
        .chunks_exact(2)
        .map(|pair| (pair[0], pair[1]))
        .filter(|(start, end)| start < end)
    {
        match spans.last_mut() {
            Some(last) if last.end == start => last.end = end,
            _ => spans.push(Period { start, end }),
        }
    }
    spans
}

fn sort_key(event: &Event) -> (Timestamp, u8, &str, Option<&str>) {
    let kind = match event.kind {
        EventKind::AttributeChange => 0,
        EventKind::PowerOn => 1,
        EventKind::PowerOff => 2,
    };
    (event.at, kind, &event.id, event.instance_type.as_deref())
}

/// State of an instance after its events so far.
#[derive(Default)]
struct History {
    closed: Vec<Run>,
    running_since: Option<Timestamp>,
    instance_type: Option<String>,
}

impl History {
    fn apply(&mut self, event: Event) {
        let Event {
            at,
            kind,
            instance_type,
            ..
        } = event;
        if instance_type.is_some() && instance_type != self.instance_type {
            let first_told = self.instance_type.is_none() && kind == EventKind::PowerOn;
            if self.running_since.is_some() && !first_told {
                self.close(at);
                self.running_since = Some(at);
            }
            self.instance_type = instance_type;
        }
        match kind {
            EventKind::PowerOn => {
                self.running_since.get_or_insert(at);
            }
            EventKind::PowerOff => self.close(at),
            EventKind::AttributeChange => {}
        }
    }

    fn close(&mut self, end: Timestamp) {
        let Some(start) = self.running_since.take() else {
            return;
        };
        if start < end {
            self.closed.push(Run {
                start,
                end: Some(end),
                instance_type: self.instance_type.clone(),
            });
        }
    }

    fn finish(mut self) -> Vec<Run> {
        if let Some(start) = self.running_since {
            self.closed.push(Run {
                start,
                end: None,
                instance_type: self.instance_type,
            });
        }
        self.closed
    }
}

#[cfg(test)]
mod tests;
