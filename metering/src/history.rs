//! Derives the runs of an instance with all of their attributes from observations, in any order and repetition. It takes
//! the place of [`crate::runs`] once the store keeps attributes.

use jiff::{SignedDuration, Timestamp};

use crate::declared::{Declaration, Told};
use crate::event::{Attributes, EventSource, Observation, Power};
use crate::usage::Period;

/// One uninterrupted power-on of one instance with constant attributes: `[start, end)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttributedRun {
    /// First moment at which the instance runs so.
    pub start: Timestamp,
    /// First moment at which it does not, or `None` if no end is known yet.
    pub end: Option<Timestamp>,
    /// The end lies between this time and `end`; `None` if it is exact.
    pub end_not_before: Option<Timestamp>,
    /// Its attributes; the declaration is whole.
    pub attributes: Attributes,
}

impl AttributedRun {
    /// The time of the run; up to [`Timestamp::MAX`] while no end is known.
    pub fn period(&self) -> Period {
        Period {
            start: self.start,
            end: self.end.unwrap_or(Timestamp::MAX),
        }
    }
}

/// Longest time between a call that starts an instance and its `LaunchTime`.
pub const START_TOLERANCE: SignedDuration = SignedDuration::from_mins(2);

/// Derives the runs of one instance, in order and disjoint, from all observations of it.
///
/// - Order is that of time; at equal times attributes, power-on, power-off.
/// - The first power-on starts a run and the first power-off after it ends it, whichever source tells it: an exact end
///   that comes late lies before the look that found it, and so replaces the look's.
/// - A look that finds an instance on since L voids the ends of earlier looks after L: it ran all along, and was hidden
///   or left out. Logs and notifications are never voided.
/// - A start during a run means that an end was missed: by a call or notification, or by a look whose L is later than the
///   run's start by more than [`START_TOLERANCE`]. The run ends there, no earlier than it began or the look before.
/// - Attributes hold from their observation on, and a run is split where one changes. The first that is told of an
///   attribute holds for all time before, if it is a state ([`Observation::tells_state`]); before a change it was
///   something else.
/// - A run of no length is left out, and neighbours that differ in nothing are joined.
pub fn runs(mut observations: Vec<Observation>) -> Vec<AttributedRun> {
    observations.sort_unstable_by(|a, b| sort_key(a).cmp(&sort_key(b)));
    let witnessed = witnessed_on(&observations);
    let mut history = History {
        attributes: whole(first_told(&observations)),
        ..History::default()
    };
    for observation in &observations {
        let voided = observation.power == Some(Power::Off)
            && matches!(observation.source, EventSource::Look { .. })
            && witnessed
                .iter()
                .any(|(since, at)| *since < observation.at && observation.at <= *at);
        history.apply(observation, observation.power.filter(|_| !voided));
    }
    history.finish()
}

type SortKey<'a> = (Timestamp, u8, u128, EventSource, &'a Attributes);

fn sort_key(observation: &Observation) -> SortKey<'_> {
    let kind = match observation.power {
        None => 0,
        Some(Power::On) => 1,
        Some(Power::Off) => 2,
    };
    (
        observation.at,
        kind,
        observation.id.as_u128(),
        observation.source,
        &observation.told,
    )
}

/// The times since which looks found it on, and of these looks.
fn witnessed_on(observations: &[Observation]) -> Vec<(Timestamp, Timestamp)> {
    let witnessed = observations.iter().filter_map(|observation| {
        match (observation.power, observation.source) {
            (Some(Power::On), EventSource::Look { witnessed_at, .. }) => {
                Some((observation.at, witnessed_at))
            }
            _ => None,
        }
    });
    witnessed.collect()
}

/// The attributes at the beginning: of each the first that is told, if it is a state.
fn first_told(observations: &[Observation]) -> Attributes {
    let (mut told, mut states) = (Attributes::default(), Attributes::default());
    for observation in observations {
        if observation.told.tells_nothing() {
            continue;
        }
        let before = told.clone();
        // Earlier attributes stay where this one tells none.
        told = observation.told.clone().merge(&before);
        if observation.tells_state() {
            states = new_in(&told, &before).merge(&states);
        }
    }
    states
}

/// The attributes that `after` tells and `before` does not.
fn new_in(after: &Attributes, before: &Attributes) -> Attributes {
    let word = |after: Told, before: Told| {
        if before == Told::Not {
            after
        } else {
            Told::Not
        }
    };
    let (new, old) = (&after.declared, &before.declared);
    Attributes {
        instance_type: after
            .instance_type
            .clone()
            .filter(|_| before.instance_type.is_none()),
        vcpus: after.vcpus.filter(|_| before.vcpus.is_none()),
        disk: after.disk.filter(|_| before.disk.is_none()),
        billing: after.billing.filter(|_| before.billing.is_none()),
        declared: Declaration {
            version: word(new.version, old.version),
            variant: word(new.variant, old.variant),
            usage: word(new.usage, old.usage),
            sla: word(new.sla, old.sla),
            addon: word(new.addon, old.addon),
        },
    }
}

/// State of an instance after its observations so far.
#[derive(Default)]
struct History {
    closed: Vec<AttributedRun>,
    /// Start of the part of the run with the present attributes.
    since: Option<Timestamp>,
    /// Power-ons of the run by calls and notifications, its first included, whatever told it.
    ons: Vec<Timestamp>,
    attributes: Attributes,
}

impl History {
    fn apply(&mut self, observation: &Observation, power: Option<Power>) {
        let Observation { at, told, .. } = observation;
        if !told.tells_nothing() {
            let attributes = self.attributes.clone().merge(told);
            if attributes != self.attributes {
                if self.since.is_some() {
                    self.close(*at, observation.not_before());
                    self.since = Some(*at);
                }
                self.attributes = attributes;
            }
        }
        match power {
            Some(Power::On) => self.on(observation),
            Some(Power::Off) => {
                let not_before = observation.not_before();
                self.close(*at, not_before);
                self.ons.clear();
                // An exact end in the second of a start that gave the run a bound.
                if let Some(last) = self.closed.last_mut()
                    && last.end == Some(*at)
                    && not_before.is_none()
                {
                    last.end_not_before = None;
                }
            }
            None => {}
        }
    }

    fn on(&mut self, observation: &Observation) {
        let at = observation.at;
        let Some(&start) = self.ons.first() else {
            self.since = Some(at);
            self.ons.push(at);
            return;
        };
        let restart = match observation.source {
            EventSource::Log | EventSource::StateChange => {
                let last = self.ons.last().copied().unwrap_or(start);
                self.ons.push(at);
                (at.duration_since(last) > START_TOLERANCE).then_some(at)
            }
            EventSource::Running => None,
            EventSource::Look { .. } => (at.duration_since(start) > START_TOLERANCE).then_some(at),
        };
        if let Some(restart) = restart {
            // Nothing tells when it ended; no earlier than it began.
            let not_before = observation.not_before().unwrap_or(start);
            self.close(restart, Some(not_before.max(start)));
            self.since = Some(restart);
            self.ons = vec![restart];
        }
    }

    fn close(&mut self, end: Timestamp, not_before: Option<Timestamp>) {
        let Some(start) = self.since.take().filter(|start| *start < end) else {
            return;
        };
        let attributes = self.attributes.clone();
        let end_not_before = not_before
            .map(|not_before| not_before.max(start))
            .filter(|not_before| *not_before < end);
        match self.closed.last_mut() {
            Some(last)
                if last.end == Some(start)
                    && last.end_not_before.is_none()
                    && last.attributes == attributes =>
            {
                last.end = Some(end);
                last.end_not_before = end_not_before;
            }
            _ => self.closed.push(AttributedRun {
                start,
                end: Some(end),
                end_not_before,
                attributes,
            }),
        }
    }

    fn finish(mut self) -> Vec<AttributedRun> {
        if self.since.is_some() {
            self.close(Timestamp::MAX, None);
            if let Some(last) = self.closed.last_mut() {
                last.end = None;
            }
        }
        self.closed
    }
}

/// The attributes with a whole declaration: tags of which nothing is told are not there.
fn whole(attributes: Attributes) -> Attributes {
    Attributes {
        declared: Declaration::NOTHING.merge(attributes.declared),
        ..attributes
    }
}

/// Returns the spans of time in which usage differs between two lists of runs: by power, disk, billing or declaration.
/// Types and vCPUs are in no day that is kept. A span without end ends at [`Timestamp::MAX`].
pub fn difference(before: &[AttributedRun], after: &[AttributedRun]) -> Vec<Period> {
    let mut moments: Vec<Timestamp> = before
        .iter()
        .chain(after)
        .map(AttributedRun::period)
        .flat_map(|period| [period.start, period.end])
        .collect();
    moments.sort_unstable();
    moments.dedup();
    let (mut before, mut after) = (before, after);
    let mut spans: Vec<Period> = Vec::new();
    for pair in moments.windows(2) {
        let (start, end) = (pair[0], pair[1]);
        if counted(&mut before, start) == counted(&mut after, start) {
            continue;
        }
        match spans.last_mut() {
            Some(last) if last.end == start => last.end = end,
            _ => spans.push(Period { start, end }),
        }
    }
    spans
}

/// Returns the attributes that usage is counted by at a moment, if it runs; moves `runs` on to the first that has not ended.
fn counted<'a>(
    runs: &mut &'a [AttributedRun],
    moment: Timestamp,
) -> Option<(
    Option<crate::event::DiskKey>,
    Option<crate::event::BillingKey>,
    &'a Declaration,
)> {
    while let [first, rest @ ..] = *runs
        && first.period().end <= moment
    {
        *runs = rest;
    }
    let run = runs.first().filter(|run| run.start <= moment)?;
    let of = &run.attributes;
    Some((of.disk, of.billing, &of.declared))
}

#[cfg(test)]
mod tests;
