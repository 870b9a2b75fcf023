use jiff::{SignedDuration, Timestamp, civil::Date, civil::date};
use metering::usage::{ANY, Consumption, Count};
use rstest::rstest;

use super::{Report, choose, csv, days, once_each, parse_date, table};
use crate::report::{By, Day, Hours};

fn now() -> Timestamp {
    "2026-11-22T12:00:00Z".parse().expect("a time")
}

fn some(text: &str) -> Option<Date> {
    (!text.is_empty()).then(|| parse_date(text).expect("a date"))
}

#[rstest]
#[case::neither("", "", "2026-11-16", "2026-11-22")]
#[case::from("2026-11-01", "", "2026-11-01", "2026-11-22")]
#[case::to("", "2026-10-31", "2026-10-25", "2026-10-31")]
#[case::both("2026-10-01", "2026-10-31", "2026-10-01", "2026-10-31")]
#[case::one_day("2026-11-22", "2026-11-22", "2026-11-22", "2026-11-22")]
#[case::future_is_cut_off("2026-11-01", "2026-11-30", "2026-11-01", "2026-11-22")]
fn the_days_reported_on(
    #[case] from: &str,
    #[case] to: &str,
    #[case] first: &str,
    #[case] last: &str,
) {
    let expected = (
        parse_date(first).expect("a date"),
        parse_date(last).expect("a date"),
    );
    assert_eq!(days(some(from), some(to), now()), Ok(expected));
}

#[rstest]
#[case::backwards(
    "2026-11-20",
    "2026-11-19",
    "--from 2026-11-20 is after --to 2026-11-19"
)]
#[case::not_yet(
    "2026-11-23",
    "",
    "--from 2026-11-23 has not come yet: today is 2026-11-22 (UTC)"
)]
#[case::too_long(
    "1970-01-01",
    "",
    "1970-01-01 to 2026-11-22 is too long: a report spans at most 3660 days"
)]
fn days_that_make_no_sense_are_said_so(
    #[case] from: &str,
    #[case] to: &str,
    #[case] message: &str,
) {
    assert_eq!(days(some(from), some(to), now()), Err(message.to_owned()));
}

#[rstest]
#[case("yesterday")]
#[case("2026-13-01")]
#[case("22.11.2026")]
#[case("2026-11-22T10:00:00")]
fn a_day_is_a_day(#[case] text: &str) {
    assert_eq!(
        parse_date(text),
        Err("a day is written like 2026-11-22".to_owned())
    );
}

#[test]
fn an_unknown_organization_is_told_with_the_known_ones() {
    let known = || vec!["11111111".to_owned(), "22222222".to_owned()];
    assert_eq!(choose(known(), None), Ok(known()));
    assert_eq!(
        choose(known(), Some("22222222")),
        Ok(vec!["22222222".to_owned()])
    );
    let message =
        "organization 3 never had an account enrolled; those that had: 11111111, 22222222";
    assert_eq!(choose(known(), Some("3")), Err(message.to_owned()));
    assert!(
        choose(Vec::new(), Some("3"))
            .expect_err("nobody there")
            .contains("apply a CloudAccount first")
    );
}

fn count(sla: &str, instances_count: u64) -> Count {
    Count {
        arch: ANY.into(),
        role: ANY.into(),
        sla: sla.into(),
        usage: ANY.into(),
        service_type: ANY.into(),
        instances_count,
    }
}

fn of_day(org_id: &str, day: i8, most: u64) -> Day {
    let maximum_counts = if most == 0 {
        Vec::new()
    } else {
        vec![count(ANY, most), count("a, \"b\"", 1)]
    };
    Day {
        org_id: org_id.into(),
        date: date(2026, 11, day),
        maximum_counts,
    }
}

/// Two vCPUs and 4 GiB; a quarter of an hour is of unknown size.
fn of_distribution(distribution: &str, seconds: i64) -> Hours {
    let running = SignedDuration::from_secs(seconds);
    let unsized_running = running.min(SignedDuration::from_mins(15));
    let sized = running - unsized_running;
    let sum = Consumption {
        running,
        vcpu: sized * 2,
        memory_mib: sized * 4096,
        unsized_running,
    };
    Hours::new("1", vec![(By::Distribution, distribution.into())], &sum)
}

fn report() -> Report {
    Report {
        from: date(2026, 11, 21),
        to: date(2026, 11, 22),
        concurrent: Some(vec![
            of_day("1", 21, 0),
            of_day("1", 22, 4),
            of_day("22", 21, 1),
            of_day("22", 22, 2),
        ]),
        runs: None,
        by: vec![By::Distribution],
        hours: Some(vec![
            of_distribution("debian", 900),
            of_distribution("unknown", 90_000),
        ]),
    }
}

#[test]
fn the_table_has_a_bar_for_each_day() {
    let expected = "\
RHEL instances running at once, the most on each day (UTC)

ORGANIZATION  DAY             RHEL
1             2026-11-21 Sat     0
1             2026-11-22 Sun     4  ████████████████████████████████ so far

22            2026-11-21 Sat     1  ████████
22            2026-11-22 Sun     2  ████████████████ so far

Hours run by distribution, 2026-11-21 to 2026-11-22 (UTC), so far

ORGANIZATION  DISTRIBUTION  HOURS  VCPU-HOURS  GIB-HOURS  UNSIZED
1             debian         0.25           ?          ?     0.25
1             unknown       25.00       49.50      99.00     0.25

UNSIZED: hours of instances whose size is not known, or not yet; vCPU-hours and GiB-hours are without them.

unknown: what their images hold is not known, or not yet (see `kubectl get imginsp -A`).
";
    assert_eq!(table::text(&report(), now()), expected);
}

#[test]
fn the_table_says_when_there_is_nothing() {
    let empty = Report {
        concurrent: Some(Vec::new()),
        runs: None,
        hours: Some(Vec::new()),
        ..report()
    };
    let text = table::text(&empty, now());
    assert!(text.contains("No account has been enrolled yet"), "{text}");
    assert!(text.contains("No instance ran."), "{text}");
}

#[test]
fn a_name_from_a_disk_cannot_steer_the_terminal() {
    let hostile = Report {
        concurrent: None,
        runs: None,
        hours: Some(vec![of_distribution("\u{1b}[2Jrhel\n", 1)]),
        ..report()
    };
    let text = table::text(&hostile, now());
    assert!(text.contains("\u{fffd}[2Jrhel\u{fffd}"), "{text}");
}

#[test]
fn csv_has_a_line_for_each_number() {
    let concurrent = Report {
        runs: None,
        hours: None,
        ..report()
    };
    let text = csv::text(&concurrent);
    let lines: Vec<_> = text.split("\r\n").collect();
    assert_eq!(
        lines[0],
        "org_id,date,arch,role,sla,usage,service_type,instances_count"
    );
    assert_eq!(lines[1], "1,2026-11-22,_ANY,_ANY,_ANY,_ANY,_ANY,4");
    assert_eq!(lines[2], r#"1,2026-11-22,_ANY,_ANY,"a, ""b""",_ANY,_ANY,1"#);
    assert_eq!(lines.len(), 1 + 6 + 1);

    let hours = Report {
        concurrent: None,
        ..report()
    };
    assert_eq!(
        csv::text(&hours),
        "org_id,from,to,distribution,seconds,hours,vcpu_hours,memory_gib_hours,unsized_hours\r\n\
         1,2026-11-21,2026-11-22,debian,900,0.2500,,,0.2500\r\n\
         1,2026-11-21,2026-11-22,unknown,90000,25.0000,49.5000,99.0000,0.2500\r\n"
    );
}

#[test]
fn json_leaves_out_what_was_not_asked_for() {
    let hours = Report {
        concurrent: None,
        ..report()
    };
    let json = serde_json::to_value(&hours).expect("JSON");
    assert_eq!(json["from"], "2026-11-21");
    assert_eq!(
        json["hours"][0],
        serde_json::json!({
            "org_id": "1", "distribution": "debian", "seconds": 900, "hours": 0.25,
            "vcpu_hours": null, "memory_gib_hours": null, "unsized_hours": 0.25
        })
    );
    assert!(json.get("concurrent").is_none());
}

#[test]
fn a_key_that_is_named_twice_counts_once() {
    let by = [By::Type, By::Account, By::Type];
    assert_eq!(once_each(&by), [By::Type, By::Account]);
}
