use rstest::rstest;

use super::*;
use crate::controllers::cloud_account::steps::{ACCESS_VERIFIED, DISCOVERED, TRAIL_CONFIGURED};
use crate::controllers::cloud_account::tests::account;
use cloudigrade_cloud::{CloudError, ErrorKind};

const NOW: Timestamp = Timestamp::constant(1_800_000_000, 0);

fn change(type_: &'static str, status: ConditionStatus, reason: &'static str) -> ConditionUpdate {
    ConditionUpdate {
        type_,
        status,
        reason,
        message: String::new(),
    }
}

/// An account that is metered, and that such a pass has been taken over.
fn metered() -> CloudAccount {
    let mut account = account();
    let done = Done {
        changes: all_true(),
        ..Done::default()
    };
    let conditions = after(&account, &Plan::Check, &done, false, NOW);
    account.status.get_or_insert_default().conditions = conditions;
    account
}

fn all_true() -> Vec<ConditionUpdate> {
    let mut changes: Vec<ConditionUpdate> = OF_READY
        .into_iter()
        .map(|type_| change(type_, ConditionStatus::True, "Fine"))
        .collect();
    changes.push(change(
        EVENTS_FLOWING,
        ConditionStatus::Unknown,
        flow::NOTHING_DELIVERED,
    ));
    changes
}

fn error(kind: ErrorKind) -> AccountError {
    AccountError::Cloud(CloudError {
        kind,
        service: "sts",
        operation: "AssumeRole",
        code: "Code".into(),
        message: "no".into(),
    })
}

fn failed(step: &'static str, error: AccountError) -> Done {
    Done {
        failure: Some((step, Box::new(error))),
        ..Done::default()
    }
}

/// `Type=Status Reason`, one each.
fn told(conditions: &[Condition]) -> Vec<String> {
    conditions
        .iter()
        .map(|c| format!("{}={} {}", c.type_, c.status, c.reason))
        .collect()
}

#[test]
fn ready_is_all_of_the_steps() {
    assert_eq!(
        told(&metered().status.unwrap().conditions),
        [
            "AccessVerified=True Fine",
            "TrailConfigured=True Fine",
            "Discovered=True Fine",
            "EventsFlowing=Unknown NothingDelivered",
            "Ready=True Metering",
        ]
    );
}

#[test]
fn a_new_account_that_cannot_be_accessed_says_so_everywhere() {
    let conditions = after(
        &account(),
        &Plan::Check,
        &failed(ACCESS_VERIFIED, error(ErrorKind::Other)),
        false,
        NOW,
    );
    assert_eq!(
        told(&conditions),
        [
            "AccessVerified=False CloudError",
            "TrailConfigured=Unknown NotChecked",
            "Discovered=Unknown NotChecked",
            "EventsFlowing=Unknown NotChecked",
            "Ready=False CloudError",
        ]
    );
}

#[test]
fn a_failed_step_leaves_the_others_as_they_are() {
    let conditions = after(
        &metered(),
        &Plan::Check,
        &failed(TRAIL_CONFIGURED, error(ErrorKind::Other)),
        false,
        NOW,
    );
    assert_eq!(
        told(&conditions)[..3],
        [
            "AccessVerified=True Fine",
            "TrailConfigured=False CloudError",
            "Discovered=True Fine",
        ]
    );
    assert!(!conditions.is_true(READY));
}

#[test]
fn what_was_said_of_an_older_spec_is_void() {
    let mut account = metered();
    account.metadata.generation = Some(2);
    let conditions = after(
        &account,
        &Plan::Check,
        &failed(ACCESS_VERIFIED, error(ErrorKind::Other)),
        false,
        NOW,
    );
    assert_eq!(
        told(&conditions)[1..3],
        [
            "TrailConfigured=Unknown NotChecked",
            "Discovered=Unknown NotChecked"
        ]
    );
}

#[rstest]
#[case::throttled(ErrorKind::Throttled, 0, "True", "True")]
#[case::down(ErrorKind::Unavailable, PATIENCE - 1, "True", "True")]
#[case::down_for_long(ErrorKind::Unavailable, PATIENCE, "Unknown", "False")]
#[case::about_the_account(ErrorKind::Denied, 0, "False", "False")]
fn trouble_on_the_way_does_not_make_an_account_unready_at_once(
    #[case] kind: ErrorKind,
    #[case] failures: u32,
    #[case] step: &str,
    #[case] ready: &str,
) {
    let mut account = metered();
    account.status.as_mut().unwrap().failures = failures;
    let conditions = after(
        &account,
        &Plan::Check,
        &failed(DISCOVERED, error(kind)),
        false,
        NOW,
    );
    assert_eq!(conditions.find(DISCOVERED).unwrap().status, step);
    assert!(
        conditions
            .find(DISCOVERED)
            .unwrap()
            .message
            .contains("sts AssumeRole: Code: no"),
        "the error is told"
    );
    assert_eq!(conditions.find(READY).unwrap().status, ready);
}

#[test]
fn a_duplicate_knows_nothing() {
    let holder = Enrolment {
        org_id: "11111111".into(),
        id: 1,
        uid: uuid::Uuid::nil(),
        namespace: "customers".into(),
        name: "first".into(),
        created_at: NOW,
        enabled_at: None,
        suspended: false,
    };
    let done = Done {
        refused_for: Some(holder.clone()),
        ..Done::default()
    };
    let plan = Plan::Refuse { holder };
    let fresh = after(&account(), &plan, &done, false, NOW);
    assert_eq!(told(&fresh), ["Ready=False DuplicateAccount"]);
    assert!(
        fresh[0].message.contains("customers/first"),
        "{}",
        fresh[0].message
    );
    let dispossessed = after(&metered(), &plan, &done, false, NOW);
    assert!(
        dispossessed
            .iter()
            .all(|condition| condition.reason == "DuplicateAccount" && condition.status != "True")
    );
}

#[rstest]
#[case(Plan::Check, Done { changes: all_true(), ..Done::default() })]
#[case(Plan::Rest, Done::default())]
fn an_event_proves_that_they_flow(#[case] plan: Plan, #[case] done: Done) {
    let conditions = after(&metered(), &plan, &done, true, NOW);
    assert!(
        conditions.is_true(EVENTS_FLOWING),
        "{:?}",
        told(&conditions)
    );
}

#[test]
fn suspension_is_told_as_asked_for() {
    let plan = Plan::Suspend { enrolment: None };
    let done = Done {
        changes: vec![change(TRAIL_CONFIGURED, ConditionStatus::False, SUSPENDED)],
        ..Done::default()
    };
    let before = metered().status.unwrap().conditions;
    let conditions = after(&metered(), &plan, &done, false, NOW);
    assert!(!conditions.is_true(READY));
    let events = events(&before, &conditions);
    let told: Vec<_> = events
        .iter()
        .map(|event| (event.reason.as_str(), format!("{:?}", event.type_)))
        .collect();
    assert_eq!(told, [("Suspended", "Normal".to_owned())]);
}

#[test]
fn events_tell_of_changes_only_and_each_cause_once() {
    let failed = failed(ACCESS_VERIFIED, error(ErrorKind::Denied));
    let before = metered();
    let conditions = after(&before, &Plan::Check, &failed, false, NOW);
    let first = events(&before.status.unwrap().conditions, &conditions);
    assert_eq!(
        first
            .iter()
            .map(|event| event.reason.as_str())
            .collect::<Vec<_>>(),
        ["AccessDenied"]
    );
    assert!(events(&conditions, &conditions).is_empty());
}
