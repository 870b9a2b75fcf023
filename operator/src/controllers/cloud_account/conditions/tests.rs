use rstest::rstest;

use super::*;
use crate::controllers::cloud_account::steps::{ACCESS_VERIFIED, DISCOVERED};
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

/// An account after a reconciliation in which all steps succeeded.
fn metered() -> CloudAccount {
    let mut account = account();
    let conditions = conditions(&account, |builder| {
        all_true().for_each(|update| builder.set(update))
    });
    account.status.get_or_insert_default().conditions = conditions;
    account
}

fn all_true() -> impl Iterator<Item = ConditionUpdate> {
    let flow = change(
        EVENTS_FLOWING,
        ConditionStatus::Unknown,
        flow::NOTHING_DELIVERED,
    );
    OF_READY
        .into_iter()
        .map(|type_| change(type_, ConditionStatus::True, "Fine"))
        .chain([flow, ready::metering()])
}

/// The conditions of `account` once `build` has said what happened.
fn conditions(account: &CloudAccount, build: impl FnOnce(&mut ConditionBuilder)) -> Vec<Condition> {
    let mut builder = ConditionBuilder::new(account);
    build(&mut builder);
    builder.build(NOW)
}

fn failed(account: &CloudAccount, step: &'static str, kind: ErrorKind) -> Vec<Condition> {
    conditions(account, |builder| builder.fail(step, &error(kind)))
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

/// `Type=Status Reason`, one each.
fn summary(conditions: &[Condition]) -> Vec<String> {
    conditions
        .iter()
        .map(|c| format!("{}={} {}", c.type_, c.status, c.reason))
        .collect()
}

#[test]
fn ready_is_all_of_the_steps() {
    assert_eq!(
        summary(&metered().status.unwrap().conditions),
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
    let conditions = failed(&account(), ACCESS_VERIFIED, ErrorKind::Other);
    assert_eq!(
        summary(&conditions),
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
    let conditions = failed(&metered(), TRAIL_CONFIGURED, ErrorKind::Other);
    assert_eq!(
        summary(&conditions)[..3],
        [
            "AccessVerified=True Fine",
            "TrailConfigured=False CloudError",
            "Discovered=True Fine",
        ]
    );
    assert!(!conditions.is_true(READY));
}

#[test]
fn conditions_of_an_older_spec_are_void() {
    let mut account = metered();
    account.metadata.generation = Some(2);
    let conditions = failed(&account, ACCESS_VERIFIED, ErrorKind::Other);
    assert_eq!(
        summary(&conditions)[1..3],
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
    let conditions = failed(&account, DISCOVERED, kind);
    assert_eq!(conditions.find(DISCOVERED).unwrap().status, step);
    assert!(
        conditions
            .find(DISCOVERED)
            .unwrap()
            .message
            .contains("sts AssumeRole: Code: no"),
        "the error is in the message"
    );
    assert_eq!(conditions.find(READY).unwrap().status, ready);
}

#[test]
fn a_duplicate_knows_nothing() {
    let holder = Enrolment {
        org_id: "11111111".into(),
        account: cloudigrade_store::AccountKey(1),
        uid: uuid::Uuid::nil(),
        namespace: "customers".into(),
        name: "first".into(),
        created_at: NOW,
        enabled_at: None,
        suspended: false,
    };
    let fresh = conditions(&account(), |builder| builder.duplicate(&holder));
    assert_eq!(summary(&fresh), ["Ready=False DuplicateAccount"]);
    assert!(
        fresh[0].message.contains("customers/first"),
        "{}",
        fresh[0].message
    );
    let dispossessed = conditions(&metered(), |builder| builder.duplicate(&holder));
    assert_eq!(
        summary(&dispossessed),
        [
            "AccessVerified=Unknown DuplicateAccount",
            "TrailConfigured=Unknown DuplicateAccount",
            "Discovered=Unknown DuplicateAccount",
            "EventsFlowing=Unknown DuplicateAccount",
            "Ready=False DuplicateAccount",
        ]
    );
}

#[rstest]
#[case::after_a_sync(true)]
#[case::not_due(false)]
fn an_event_proves_that_they_flow(#[case] synced: bool) {
    let conditions = conditions(&metered(), |builder| {
        if synced {
            all_true().for_each(|update| builder.set(update));
        }
        builder.events_were_recorded();
    });
    assert!(
        conditions.is_true(EVENTS_FLOWING),
        "{:?}",
        summary(&conditions)
    );
}

#[test]
fn suspension_is_no_warning() {
    let mut account = metered();
    let before = account.status.clone().unwrap().conditions;
    account.spec.suspend = true;
    let after = conditions(&account, |builder| {
        builder.set(trail::suspended());
        builder.set(ready::suspended());
    });
    assert!(!after.is_true(READY));
    let events = events(&before, &after);
    let summary: Vec<_> = events
        .iter()
        .map(|event| (event.reason.as_str(), format!("{:?}", event.type_)))
        .collect();
    assert_eq!(summary, [("Suspended", "Normal".to_owned())]);
}

#[test]
fn a_trail_that_cannot_be_removed_leaves_the_account_suspended() {
    let mut account = metered();
    account.spec.suspend = true;
    assert_eq!(
        summary(&failed(&account, TRAIL_CONFIGURED, ErrorKind::Denied)),
        [
            "AccessVerified=True Fine",
            "TrailConfigured=False AccessDenied",
            "Discovered=True Fine",
            "EventsFlowing=Unknown NothingDelivered",
            "Ready=False Suspended",
        ]
    );
}

#[test]
fn a_failure_outside_the_steps_is_about_ready() {
    let conditions = failed(&account(), READY, ErrorKind::Unavailable);
    assert_eq!(summary(&conditions), ["Ready=False CloudUnavailable"]);
    let conditions = failed(&metered(), READY, ErrorKind::Unavailable);
    let ready = conditions.find(READY).unwrap();
    assert_eq!(ready.status, "True");
    assert!(
        ready.message.starts_with("held when last checked"),
        "{}",
        ready.message
    );
}

#[test]
fn events_are_for_changes_only_and_each_reason_once() {
    let before = metered();
    let after = failed(&before, ACCESS_VERIFIED, ErrorKind::Denied);
    let first = events(&before.status.unwrap().conditions, &after);
    assert_eq!(
        first
            .iter()
            .map(|event| event.reason.as_str())
            .collect::<Vec<_>>(),
        ["AccessDenied"]
    );
    assert!(events(&after, &after).is_empty());
}
