use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use rstest::rstest;

use super::{Event, Run, difference, runs};
use crate::cloudtrail::EventKind::{self, AttributeChange, PowerOff, PowerOn};
use crate::usage::Period;

fn at(second: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_secs(second)
}

/// Events written as `on@1 off@5 on:m5.large@6 change:t3.micro@9`.
fn events(script: &str) -> Vec<Event> {
    let event = |(position, word): (usize, &str)| {
        let (what, time) = word.split_once('@').expect("what@when");
        let (what, instance_type) = what
            .split_once(':')
            .map_or((what, None), |(what, of)| (what, Some(of.to_owned())));
        let kind = match what {
            "on" => PowerOn,
            "off" => PowerOff,
            "change" => AttributeChange,
            other => panic!("unknown event {other}"),
        };
        Event {
            at: at(time.parse().expect("a number")),
            kind,
            id: format!("e-{position:03}"),
            instance_type,
        }
    };
    script.split_whitespace().enumerate().map(event).collect()
}

/// Runs written as `[1,5)`, `[6,)m5.large`.
fn written(runs: &[Run]) -> String {
    let one = |run: &Run| {
        let end = run
            .end
            .map(|end| end.as_second().to_string())
            .unwrap_or_default();
        format!(
            "[{},{end}){}",
            run.start.as_second(),
            run.instance_type.as_deref().unwrap_or_default()
        )
    };
    runs.iter().map(one).collect::<Vec<_>>().join(" ")
}

#[rstest]
#[case::nothing("", "")]
#[case::on_off("on@1 off@5", "[1,5)")]
#[case::never_off("on@1", "[1,)")]
#[case::repeated_on("on@1 on@2 on@3 off@5", "[1,5)")]
#[case::repeated_off("on@1 off@5 off@6 off@7", "[1,5)")]
#[case::repeated_both("on@1 on@2 off@5 off@6", "[1,5)")]
#[case::twice("on@1 off@2 on@3 off@4", "[1,2) [3,4)")]
#[case::twice_and_still_on("on@1 off@2 on@3", "[1,2) [3,)")]
#[case::off_first("off@1 on@2 off@3", "[2,3)")]
#[case::only_off("off@1", "")]
#[case::late_first("off@4 on@3 off@2 on@1", "[1,2) [3,4)")]
#[case::back_dated_off_splits("on@1 on@4 off@6 off@3", "[1,3) [4,6)")]
#[case::on_and_off_at_once("on@1 off@1", "")]
#[case::off_and_on_at_once("off@1 on@1", "")]
#[case::on_and_off_at_once_ends_the_run("on@1 off@5 on@5", "[1,5)")]
#[case::back_on_right_after("on@1 off@5 on@6", "[1,5) [6,)")]
fn power(#[case] script: &str, #[case] expected: &str) {
    assert_eq!(written(&runs(events(script))), expected);
}

#[rstest]
#[case::launch("on:a@1 off@5", "[1,5)a")]
#[case::start_keeps_the_last_type("on:a@1 off@2 on@3 off@4", "[1,2)a [3,4)a")]
#[case::resized_while_off("on:a@1 off@2 change:b@3 on@4", "[1,2)a [4,)b")]
#[case::resized_as_it_starts("on:a@1 off@2 change:b@3 on@3", "[1,2)a [3,)b")]
#[case::resized_as_it_stops("on:a@1 change:b@5 off@5 on@6", "[1,5)a [6,)b")]
#[case::resized_before_anything("change:b@1 on@2", "[2,)b")]
#[case::resized_while_running("on:a@1 change:b@3 off@5", "[1,3)a [3,5)b")]
#[case::resized_to_the_same("on:a@1 change:a@3 off@5", "[1,5)a")]
#[case::resized_and_back("on:a@1 change:b@3 change:a@4 off@5", "[1,3)a [3,4)b [4,5)a")]
#[case::resized_from_unknown("on@1 change:b@3 off@5", "[1,3) [3,5)b")]
#[case::seen_running_with_another_type("on:a@1 on:b@3 off@5", "[1,3)a [3,5)b")]
#[case::type_told_later_in_the_run("on@1 on:a@3 off@5", "[1,5)a")]
#[case::type_told_in_a_later_run("on@1 off@2 on:a@3 off@4", "[1,2) [3,4)a")]
#[case::two_types_at_once("on:a@1 on:b@1 off@5", "[1,5)b")]
fn types(#[case] script: &str, #[case] expected: &str) {
    assert_eq!(written(&runs(events(script))), expected);
}

#[rstest]
#[case::same("on@1 off@5", "on@1 off@5", &[])]
#[case::both_without_end("on@1", "on@1", &[])]
#[case::new("", "on@1 off@5", &[(1, Some(5))])]
#[case::closed("on@1", "on@1 off@5", &[(5, None)])]
#[case::cut_in_two("on@1 off@9", "on@1 off@3 on@5 off@9", &[(3, Some(5))])]
#[case::started_earlier("on@3 off@9", "on@1 off@9", &[(1, Some(3))])]
#[case::moved("on@1 off@3", "on@3 off@5", &[(1, Some(5))])]
#[case::another_type("on:a@1 off@9", "on:a@1 change:b@4 off@9", &[])]
fn where_runs_differ(
    #[case] before: &str,
    #[case] after: &str,
    #[case] expected: &[(i64, Option<i64>)],
) {
    let expected: Vec<_> = expected
        .iter()
        .map(|&(start, end)| Period {
            start: at(start),
            end: end.map_or(Timestamp::MAX, at),
        })
        .collect();
    assert_eq!(
        difference(&runs(events(before)), &runs(events(after))),
        expected
    );
}

fn kind() -> impl Strategy<Value = EventKind> {
    prop_oneof![Just(PowerOn), Just(PowerOff), Just(AttributeChange)]
}

/// Few times and few types, so that they meet.
fn any_event() -> impl Strategy<Value = Event> {
    (0..40_i64, kind(), "[a-d]", proptest::option::of("[xy]")).prop_map(
        |(time, kind, id, instance_type)| Event {
            at: at(time),
            kind,
            id,
            instance_type,
        },
    )
}

/// The most frequent events: stops and starts have no type.
fn any_power_event() -> impl Strategy<Value = Event> {
    any_event().prop_map(|event| Event {
        kind: if event.kind == PowerOff {
            PowerOff
        } else {
            PowerOn
        },
        instance_type: None,
        ..event
    })
}

fn any_events() -> impl Strategy<Value = Vec<Event>> {
    proptest::collection::vec(any_event(), 0..40)
}

/// The same for one moment, without building runs: the last power event up to then decides.
fn is_on(events: &[Event], moment: Timestamp) -> bool {
    let power = |event: &&Event| event.kind != AttributeChange && event.at <= moment;
    let last = events
        .iter()
        .filter(power)
        .max_by_key(|event| (event.at, event.kind == PowerOff));
    last.is_some_and(|event| event.kind == PowerOn)
}

proptest! {
    #[test]
    fn order_and_repetition_do_not_matter(
        (once, again) in any_events().prop_flat_map(|events| {
            let repeated = proptest::sample::subsequence(events.clone(), 0..=events.len());
            let again = repeated.prop_map({
                let events = events.clone();
                move |repeated| events.iter().cloned().chain(repeated).collect::<Vec<_>>()
            });
            (Just(events), again.prop_shuffle())
        })
    ) {
        prop_assert_eq!(runs(once), runs(again));
    }

    #[test]
    fn runs_are_ordered_disjoint_and_not_empty(events in any_events()) {
        let runs = runs(events);
        for run in &runs {
            prop_assert!(run.end.is_none_or(|end| run.start < end));
        }
        for pair in runs.windows(2) {
            prop_assert!(pair[0].end.is_some_and(|end| end <= pair[1].start));
        }
    }

    #[test]
    fn an_instance_runs_exactly_when_its_last_event_says_so(events in any_events()) {
        let runs = runs(events.clone());
        for second in -1..42 {
            let moment = at(second);
            let in_run = runs.iter().any(|run| run.start <= moment && run.end.is_none_or(|end| moment < end));
            prop_assert_eq!(in_run, is_on(&events, moment), "at {}", second);
        }
    }

    #[test]
    fn one_more_power_event_touches_one_run_at_most(
        events in proptest::collection::vec(any_power_event(), 0..40), more in any_power_event(),
    ) {
        let before = runs(events.clone());
        let time = more.at;
        let after = runs(events.into_iter().chain([more]).collect());
        let touched: Vec<_> = before.iter().filter(|run| !after.contains(run)).collect();
        let made = after.iter().filter(|run| !before.contains(run)).count();
        prop_assert!(touched.len() <= 1 && made <= 2, "{} -> {}", written(&before), written(&after));
        prop_assert!(touched.iter().all(|run| run.end.is_none_or(|end| end >= time)));
    }

    #[test]
    fn a_moment_is_in_the_difference_if_it_is_in_one_of_the_two(before in any_events(), after in any_events()) {
        let (before, after) = (runs(before), runs(after));
        let difference = difference(&before, &after);
        for second in -1..42 {
            let moment = at(second);
            let in_run = |runs: &[Run]| {
                runs.iter().any(|run| run.start <= moment && run.end.is_none_or(|end| moment < end))
            };
            let differs = difference.iter().any(|span| span.start <= moment && moment < span.end);
            prop_assert_eq!(differs, in_run(&before) != in_run(&after), "at {}", second);
        }
    }

    #[test]
    fn nothing_changes_what_was_over_before_it(events in any_events(), more in any_event()) {
        let over = |runs: Vec<Run>| -> Vec<Run> {
            runs.into_iter().filter(|run| run.end.is_some_and(|end| end < more.at)).collect()
        };
        let before = over(runs(events.clone()));
        let after = over(runs(events.into_iter().chain([more.clone()]).collect()));
        prop_assert_eq!(before, after);
    }
}
