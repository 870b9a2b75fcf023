use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp, civil::date};
use proptest::prelude::*;
use rstest::rstest;

use super::{ANY, Count, RhelRun, daily_maximum_counts, maximum_counts};

/// A time on 22 November 2026 (`10:00`), the day before (`-10:00`) or the day after (`+10:00`).
fn at(time: &str) -> Timestamp {
    let (day, time) = match time.split_at(1) {
        ("-", time) => (21, time),
        ("+", time) => (23, time),
        _ => (22, time),
    };
    format!("2026-11-{day}T{time}:00Z").parse().expect("a time")
}

fn run(start: &str, end: &str) -> RhelRun {
    RhelRun {
        start: at(start),
        end: (!end.is_empty()).then(|| at(end)),
        arch: "x86_64".into(),
        role: String::new(),
        sla: String::new(),
        usage: String::new(),
        service_type: String::new(),
    }
}

fn counts(runs: &[RhelRun]) -> Vec<Count> {
    maximum_counts(date(2026, 11, 22), runs)
}

/// The number under `arch`, `role`, `sla`, `usage`, `service_type`.
fn count(counts: &[Count], key: [&str; 5]) -> Option<u64> {
    let found = counts
        .iter()
        .find(|c| [&*c.arch, &*c.role, &*c.sla, &*c.usage, &*c.service_type] == key);
    found.map(|count| count.instances_count)
}

#[rstest]
#[case::none(&[], None)]
#[case::within_the_day(&[("10:00", "11:00")], Some(1))]
#[case::before(&[("-10:00", "-11:00")], None)]
#[case::after(&[("+10:00", "+11:00")], None)]
#[case::over_the_start(&[("-10:00", "11:00")], Some(1))]
#[case::over_the_end(&[("10:00", "+11:00")], Some(1))]
#[case::the_whole_day(&[("-10:00", "+11:00")], Some(1))]
#[case::still_running(&[("-10:00", "")], Some(1))]
#[case::starts_later_and_runs(&[("+00:00", "")], None)]
#[case::ends_at_midnight(&[("-10:00", "00:00")], None)]
#[case::starts_at_midnight(&[("00:00", "01:00")], Some(1))]
#[case::ends_at_the_days_end(&[("10:00", "+00:00")], Some(1))]
#[case::starts_at_the_days_end(&[("+00:00", "+01:00")], None)]
#[case::two_at_once(&[("10:00", "12:00"), ("11:00", "13:00")], Some(2))]
#[case::one_after_the_other(&[("10:00", "11:00"), ("12:00", "13:00")], Some(1))]
#[case::handed_over(&[("10:00", "11:00"), ("11:00", "12:00")], Some(1))]
#[case::handed_over_in_the_other_order(&[("11:00", "12:00"), ("10:00", "11:00")], Some(1))]
#[case::three_of_which_two_at_once(&[("-01:00", "02:00"), ("01:00", "03:00"), ("02:00", "04:00")], Some(2))]
#[case::empty_run(&[("10:00", "10:00")], None)]
fn highest_number_at_once(#[case] runs: &[(&str, &str)], #[case] expected: Option<u64>) {
    let runs: Vec<_> = runs.iter().map(|(start, end)| run(start, end)).collect();
    assert_eq!(count(&counts(&runs), [ANY; 5]), expected);
}

fn with(arch: &str, role: &str, sla: &str, usage: &str, service_type: &str) -> RhelRun {
    RhelRun {
        arch: arch.into(),
        role: role.into(),
        sla: sla.into(),
        usage: usage.into(),
        service_type: service_type.into(),
        ..run("10:00", "11:00")
    }
}

#[test]
fn a_run_counts_under_24_keys() {
    let counts = counts(&[with("x86_64", "server", "Premium", "Production", "L1-L3")]);
    assert_eq!(counts.len(), 24);
    assert!(counts.iter().all(|count| count.instances_count == 1));
    assert!(counts.is_sorted());
    assert_eq!(
        count(&counts, [ANY, "server", "Premium", "Production", "L1-L3"]),
        Some(1)
    );
    assert_eq!(
        count(&counts, ["x86_64", ANY, "Premium", "Production", "L1-L3"]),
        Some(1)
    );
    assert!(
        !counts
            .iter()
            .any(|count| count.arch != ANY && count.role != ANY),
        "never arch and role together"
    );
}

#[test]
fn what_is_not_known_is_a_key_of_its_own() {
    let counts = counts(&[with("", "", "", "", ""), with("", "", "Premium", "", "")]);
    assert_eq!(count(&counts, [ANY; 5]), Some(2));
    assert_eq!(count(&counts, [ANY, ANY, "", ANY, ANY]), Some(1));
    assert_eq!(count(&counts, [ANY, ANY, "Premium", ANY, ANY]), Some(1));
    assert_eq!(count(&counts, ["", ANY, ANY, ANY, ANY]), Some(2));
}

#[test]
fn a_value_that_is_called_any_counts_once() {
    let counts = counts(&[with("x86_64", ANY, ANY, "", "")]);
    assert!(counts.iter().all(|count| count.instances_count == 1));
}

#[test]
fn every_day_asked_for_has_its_numbers() {
    let runs = [
        run("-23:00", "00:00"),
        run("10:00", "+01:00"),
        run("11:00", "+02:00"),
    ];
    let days = daily_maximum_counts(date(2026, 11, 20), date(2026, 11, 24), &runs);
    let any: Vec<_> = days
        .iter()
        .map(|(day, counts)| (day.day(), count(counts, [ANY; 5])))
        .collect();
    assert_eq!(
        any,
        [
            (20, None),
            (21, Some(1)),
            (22, Some(2)),
            (23, Some(2)),
            (24, None)
        ]
    );
    assert_eq!(
        daily_maximum_counts(date(2026, 11, 24), date(2026, 11, 20), &runs),
        []
    );
}

#[rstest]
#[case::each_sla(&["Premium", "Standard", "Self-Support"])]
#[case::unknown_sla(&["Premium", "Homegrown"])]
fn slas_are_counted_apart_and_together(#[case] slas: &[&str]) {
    let runs: Vec<_> = slas
        .iter()
        .map(|sla| with("x86_64", "server", sla, "", ""))
        .collect();
    let counts = counts(&runs);
    for sla in slas {
        assert_eq!(count(&counts, [ANY, ANY, sla, ANY, ANY]), Some(1));
        assert_eq!(count(&counts, [ANY, "server", sla, ANY, ANY]), Some(1));
    }
    assert_eq!(count(&counts, [ANY; 5]), Some(slas.len() as u64));
}

#[test]
fn the_key_of_a_count_is_called_as_clients_know_it() {
    let counts = counts(&[with("x86_64", "", "", "", "")]);
    let json = serde_json::to_value(&counts[0]).expect("JSON");
    let keys: BTreeSet<_> = json
        .as_object()
        .expect("an object")
        .keys()
        .map(String::as_str)
        .collect();
    assert_eq!(
        keys,
        BTreeSet::from([
            "arch",
            "role",
            "sla",
            "usage",
            "service_type",
            "instances_count"
        ])
    );
}

#[test]
fn the_ends_of_the_calendar_are_days_too() {
    assert_eq!(maximum_counts(jiff::civil::Date::MAX, &[]), []);
    assert_eq!(maximum_counts(jiff::civil::Date::MIN, &[]), []);
}

/// Runs around one short "day" of minutes, with few values of few dimensions, so that they meet.
fn any_run() -> impl Strategy<Value = RhelRun> {
    let value = || prop_oneof![Just(""), Just("a"), Just("b"), Just(ANY)];
    (
        -30..1_470_i64,
        proptest::option::of(1..600_i64),
        value(),
        value(),
        value(),
        value(),
        value(),
    )
        .prop_map(
            |(start, length, arch, role, sla, usage, service_type)| RhelRun {
                start: at("00:00") + SignedDuration::from_mins(start),
                end: length.map(|length| at("00:00") + SignedDuration::from_mins(start + length)),
                ..with(arch, role, sla, usage, service_type)
            },
        )
}

proptest! {
    /// The same by brute force: every key at every moment at which its number can be highest.
    #[test]
    fn the_sweep_counts_as_looking_at_every_moment_does(runs in proptest::collection::vec(any_run(), 0..12)) {
        let counts = counts(&runs);
        let midnight = at("00:00");
        let matches = |key: &str, value: &str| key == ANY || key == value;
        for count in &counts {
            let relevant: Vec<_> = runs.iter().filter(|run| {
                matches(&count.arch, &run.arch) && matches(&count.role, &run.role) && matches(&count.sla, &run.sla)
                    && matches(&count.usage, &run.usage) && matches(&count.service_type, &run.service_type)
            }).collect();
            let in_day = |moment: &Timestamp| (midnight..at("+00:00")).contains(moment);
            let highest = runs.iter().map(|run| run.start).chain([midnight]).filter(in_day).map(|moment| {
                relevant.iter().filter(|run| run.start <= moment && run.end.is_none_or(|end| moment < end)).count()
            }).max().unwrap_or_default();
            prop_assert_eq!(count.instances_count, highest as u64, "{:?}", count);
        }
        let keys: BTreeSet<_> = counts.iter().map(|c| (&c.arch, &c.role, &c.sla, &c.usage, &c.service_type)).collect();
        prop_assert_eq!(keys.len(), counts.len(), "every key once");
    }

    #[test]
    fn many_days_in_one_pass_are_as_each_day_alone(runs in proptest::collection::vec(any_run(), 0..12)) {
        let (first, last) = (date(2026, 11, 20), date(2026, 11, 25));
        for (day, counts) in daily_maximum_counts(first, last, &runs) {
            prop_assert_eq!(counts, maximum_counts(day, &runs), "{}", day);
        }
    }

    #[test]
    fn the_order_of_runs_does_not_matter(
        (runs, shuffled) in proptest::collection::vec(any_run(), 0..8)
            .prop_flat_map(|runs| (Just(runs.clone()), Just(runs).prop_shuffle())),
    ) {
        prop_assert_eq!(counts(&runs), counts(&shuffled));
    }
}
