//! Properties: order and repetition mean nothing, and whatever is lost, the next look leads to the truth or to a bound
//! around it.

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use uuid::Uuid;

use super::super::{AttributedRun, START_TOLERANCE, runs};
use super::written;
use crate::event::{Attributes, BillingKey, EventSource, Observation, Power};

fn second(second: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_secs(second)
}

/// One true run, and the fate of everything that tells of it.
#[derive(Clone, Debug)]
struct TrueRun {
    start: i64,
    end: i64,
    /// Ended by a call; otherwise from inside, of which no log tells.
    called: bool,
    /// Lost: call and `pending` of the start, `running`, call and `stopping` of the end, `stopped`.
    lost: [bool; 6],
    /// Looks tell the time of the end, where it was called for.
    exact: bool,
}

fn true_runs() -> impl Strategy<Value = Vec<TrueRun>> {
    let run = (
        200..9_000_i64,
        200..9_000_i64,
        any::<bool>(),
        any::<[bool; 6]>(),
        any::<bool>(),
    );
    proptest::collection::vec(run, 1..6).prop_map(|lives| {
        let mut now = 0;
        let mut of = |(off, on, called, lost, exact)| {
            let start = now + off;
            now = start + on;
            TrueRun {
                start,
                end: now,
                called,
                lost,
                exact,
            }
        };
        lives.into_iter().map(&mut of).collect()
    })
}

/// Everything that is told of the runs. The last look comes after all of them; a look sees the truth.
fn told(truth: &[TrueRun], looks: &[i64]) -> Vec<Observation> {
    let mut told = Vec::new();
    let mut tell = |at: i64, source, power| {
        told.push(Observation {
            id: Uuid::from_u128(told.len() as u128),
            at: second(at),
            source,
            power: Some(power),
            told: Attributes::default(),
        });
    };
    for run in truth {
        let seen = looks.iter().any(|look| (run.start..run.end).contains(look));
        let [call, pending, running, stop, stopping, stopped] = run.lost;
        // Of a start that nothing tells and no look sees, nothing can be known.
        if !call || pending && !seen {
            tell(run.start, EventSource::Log, Power::On);
        }
        if !pending {
            tell(run.start + 2, EventSource::StateChange, Power::On);
        }
        if !running {
            tell(run.start + 150, EventSource::Running, Power::On);
        }
        if run.called && !stop {
            tell(run.end, EventSource::Log, Power::Off);
        }
        if !stopping {
            tell(run.end + 1, EventSource::StateChange, Power::Off);
        }
        if !stopped {
            tell(run.end + 40, EventSource::StateChange, Power::Off);
        }
    }
    let mut before = None;
    for look in looks {
        let source = |not_before| EventSource::Look {
            witnessed_at: second(*look),
            not_before,
        };
        match truth.iter().rev().find(|run| run.start <= *look) {
            Some(run) if *look < run.end => {
                tell((run.start + 9).min(*look), source(before), Power::On);
            }
            Some(run) if run.called && run.exact => tell(run.end, source(None), Power::Off),
            Some(_) => tell(*look, source(before), Power::Off),
            None => {}
        }
        before = Some(second(*look));
    }
    told
}

/// True if a run is the true one: from its start, up to its end or a bound around that. Notifications come seconds late.
fn is_met(derived: &AttributedRun, truth: &TrueRun) -> bool {
    let (start, end) = (second(truth.start), second(truth.end));
    let late = |time: Timestamp, by| time.duration_since(by) <= START_TOLERANCE && time >= by;
    let ends = match (derived.end, derived.end_not_before) {
        (Some(at), Some(not_before)) => not_before <= end && end <= at,
        (Some(at), None) => late(at, end),
        (None, _) => false,
    };
    late(derived.start, start) && ends
}

fn any_observation() -> impl Strategy<Value = Observation> {
    let source = (0..4, 0..40_i64, proptest::option::of(0..40_i64)).prop_map(
        |(kind, witnessed, not_before)| match kind {
            0 => EventSource::Log,
            1 => EventSource::StateChange,
            2 => EventSource::Running,
            _ => EventSource::Look {
                witnessed_at: second(witnessed * 60),
                not_before: not_before.map(|at| second(at * 60)),
            },
        },
    );
    let power = prop_oneof![Just(None), Just(Some(Power::On)), Just(Some(Power::Off))];
    let told = (proptest::option::of("[xy]"), proptest::option::of(1..3));
    (0..40_i64, 0..4_u128, source, power, told).prop_map(
        |(minute, id, source, power, (instance_type, billing))| Observation {
            id: Uuid::from_u128(id),
            at: second(minute * 60),
            source,
            power,
            told: Attributes {
                instance_type,
                billing: billing.map(BillingKey),
                ..Attributes::default()
            },
        },
    )
}

fn any_observations() -> impl Strategy<Value = Vec<Observation>> {
    proptest::collection::vec(any_observation(), 0..40)
}

/// The observations, some of them several times, in any order.
fn delivered(told: Vec<Observation>) -> impl Strategy<Value = Vec<Observation>> {
    let repeated = proptest::sample::subsequence(told.clone(), 0..=told.len());
    repeated
        .prop_map(move |repeated| told.iter().cloned().chain(repeated).collect::<Vec<_>>())
        .prop_shuffle()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn the_truth_or_within_the_bound(
        (truth, delivered) in (true_runs(), 300..9_000_i64, 0..300_i64).prop_flat_map(|(truth, every, first)| {
            let last = truth.last().map_or(0, |run| run.end) + every + 60;
            let looks: Vec<_> = (0..).map(|number| first + number * every).take_while(|look| *look <= last).collect();
            let told = told(&truth, &looks);
            (Just(truth), delivered(told))
        })
    ) {
        let derived = runs(delivered);
        prop_assert_eq!(derived.len(), truth.len(), "{}", written(&derived));
        for (derived, truth) in derived.iter().zip(&truth) {
            prop_assert!(is_met(derived, truth), "{:?} became {:?}", truth, derived);
        }
    }

    #[test]
    fn order_and_repetition_do_not_matter(
        (once, again) in any_observations().prop_flat_map(|once| (Just(once.clone()), delivered(once)))
    ) {
        prop_assert_eq!(runs(once), runs(again));
    }

    #[test]
    fn runs_are_ordered_disjoint_and_no_longer_split_than_they_must(observations in any_observations()) {
        let runs = runs(observations);
        for run in &runs {
            prop_assert!(run.end.is_none_or(|end| run.start < end));
            let bound = run.end_not_before;
            prop_assert!(bound.is_none_or(|bound| run.start <= bound && run.end.is_some_and(|end| bound < end)));
        }
        for pair in runs.windows(2) {
            let (one, next) = (&pair[0], &pair[1]);
            prop_assert!(one.end.is_some_and(|end| end <= next.start));
            let joined = one.end == Some(next.start) && one.end_not_before.is_none();
            prop_assert!(!joined || one.attributes != next.attributes);
        }
    }
}
