use rstest::rstest;

use super::*;

const ENABLED: Timestamp = Timestamp::constant(1_800_000_000, 0);
/// The run, an hour after metering began.
const NOW: Timestamp = Timestamp::constant(1_800_003_600, 0);

const ON: EventKind = EventKind::PowerOn;
const OFF: EventKind = EventKind::PowerOff;

/// Minutes after metering began.
fn minute(minutes: i64) -> Timestamp {
    ENABLED + SignedDuration::from_mins(minutes)
}

fn run() -> DiscoveryRun {
    DiscoveryRun {
        account: AccountKey(1),
        at: NOW,
    }
}

fn runs(minutes: i64) -> InstanceState {
    InstanceState::On {
        since: minute(minutes),
    }
}

fn off(minutes: Option<i64>) -> InstanceState {
    InstanceState::Off {
        since: minutes.map(minute),
    }
}

#[rstest]
#[case::runs_since_before_metering(runs(-600), None, Some((ON, -600)))]
#[case::launch_unseen(runs(10), None, Some((ON, 10)))]
#[case::start_unseen(runs(30), Some((OFF, 20)), Some((ON, 30)))]
#[case::known_to_run(runs(10), Some((ON, 10)), None)]
#[case::restart_unseen_stop_too(runs(40), Some((ON, 10)), None)]
#[case::runs_though_an_event_says_off(runs(10), Some((OFF, 20)), Some((ON, 60)))]
#[case::stop_unseen(off(Some(30)), Some((ON, 10)), Some((OFF, 30)))]
#[case::stop_unseen_time_not_told(off(None), Some((ON, 10)), Some((OFF, 60)))]
#[case::stop_time_of_an_earlier_stop(off(Some(5)), Some((ON, 10)), Some((OFF, 60)))]
#[case::stop_time_in_the_future(off(Some(90)), Some((ON, 10)), Some((OFF, 60)))]
#[case::known_to_be_off(off(Some(30)), Some((OFF, 30)), None)]
#[case::never_ran_that_we_know(off(Some(30)), None, None)]
#[case::about_to_run(InstanceState::Starting, Some((OFF, 30)), None)]
#[case::stopped_a_minute_ago_still_seen_running(runs(10), Some((OFF, 59)), None)]
#[case::started_a_minute_ago_still_seen_off(off(Some(30)), Some((ON, 59)), None)]
#[case::an_event_came_in_while_looking(off(Some(30)), Some((ON, 61)), None)]
fn what_is_missing(
    #[case] observed: InstanceState,
    #[case] newest: Option<(EventKind, i64)>,
    #[case] expected: Option<(EventKind, i64)>,
) {
    let newest = newest.map(|(kind, at)| (kind, minute(at)));
    assert_eq!(
        missing(observed, newest, run()),
        expected.map(|(kind, at)| (kind, minute(at)))
    );
}

fn known(id: &str, region: &str, power: Option<(EventKind, i64)>) -> KnownInstance {
    let power = power.map(|(kind, at)| (kind, minute(at)));
    KnownInstance {
        id: id.into(),
        region: region.into(),
        power,
    }
}

fn found(id: &str, power: InstanceState) -> (String, InstanceDescription) {
    let instance = InstanceDescription {
        id: id.into(),
        image_id: Some("ami-1".into()),
        instance_type: Some("t3.micro".into()),
        state: power,
        gone: false,
    };
    ("us-east-1".into(), instance)
}

#[test]
fn an_instance_gone_from_a_region_that_was_looked_at_is_off() {
    let observed = ObservedInstances {
        regions: ["us-east-1".to_owned()].into(),
        failed: Vec::new(),
        instances: vec![found("i-here", runs(10))],
    };
    let known = [
        known("i-here", "us-east-1", Some((ON, 10))),
        known("i-gone", "us-east-1", Some((ON, 10))),
        known("i-elsewhere", "eu-west-1", Some((ON, 10))),
    ];
    let missing = events(&known, &observed, run());
    let reported: Vec<_> = missing
        .iter()
        .map(|event| (event.instance_id.as_str(), event.kind, event.at))
        .collect();
    assert_eq!(reported, [("i-gone", OFF, NOW)]);
}

#[test]
fn the_same_look_twice_gives_the_same_ids() {
    let observed = ObservedInstances {
        instances: vec![found("i-1", runs(10))],
        ..ObservedInstances::default()
    };
    let [first, second] = [(), ()].map(|()| events(&[], &observed, run()));
    assert_eq!(first, second);
    assert_eq!(
        first[0].event_id,
        format!("discovery:i-1:power_on:{}", minute(10))
    );
    assert_eq!(first[0].instance_type.as_deref(), Some("t3.micro"));
}

#[rstest]
#[case::never_met(&[], 1)]
#[case::met_before(&[known("i-1", "us-east-1", None)], 0)]
fn the_type_of_an_instance_that_is_off_is_kept_for_its_start(
    #[case] known: &[KnownInstance],
    #[case] expected: usize,
) {
    let observed = ObservedInstances {
        instances: vec![found("i-1", off(Some(-60)))],
        ..ObservedInstances::default()
    };
    let missing = events(known, &observed, run());
    assert_eq!(missing.len(), expected);
    for event in missing {
        assert_eq!(
            (event.kind, event.at, event.instance_type.as_deref()),
            (EventKind::AttributeChange, NOW, Some("t3.micro"))
        );
    }
}
