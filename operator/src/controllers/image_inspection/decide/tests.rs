use jiff::ToSpan;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use metering::image::ImageAttributes;
use rstest::rstest;
use serde_json::json;

use super::*;
use cloudigrade_cloud::Secret;

const MAX_ATTEMPTS: u32 = 3;

fn now() -> Timestamp {
    "2026-11-22T12:00:00Z".parse().unwrap()
}

fn later(seconds: i64) -> Timestamp {
    now() + seconds.seconds()
}

/// An inspection with this status, as JSON.
fn inspection(status: serde_json::Value) -> ImageInspection {
    serde_json::from_value(json!({
        "apiVersion": "cloudigrade.io/v1alpha1",
        "kind": "ImageInspection",
        "metadata": {"name": "ami-0a", "namespace": "customers", "uid": "5f0c1a2b-0000-0000-0000-000000000000"},
        "spec": {"cloudAccountRef": {"name": "acme"}, "imageId": "ami-0aaaaaaaaaaaaaaaa", "region": "us-east-1"},
        "status": status,
    }))
    .unwrap()
}

fn role() -> IamRole {
    IamRole {
        arn: "arn:aws:iam::210987654321:role/metering".parse().unwrap(),
        external_id: Secret::new("x"),
    }
}

fn report(unreadable: Option<(&'static str, bool)>) -> InspectionResult {
    InspectionResult {
        entry: json!({}),
        verdict: VerdictStatus {
            distribution: None,
            version: None,
            rhel: true,
            reasons: vec![],
        },
        unreadable: unreadable.map(|(reason, permanent)| Unreadable {
            reason,
            message: "why".into(),
            permanent,
        }),
    }
}

fn disk(encrypted: bool) -> ImageState {
    ImageState::Available(Some(RootDisk {
        snapshot_id: "snap-1".into(),
        encrypted,
    }))
}

/// Seconds from now, without what spreads them.
fn seconds(at: Timestamp) -> u64 {
    let wait = at.duration_since(now()).as_secs().unsigned_abs();
    [30, 60, 120]
        .into_iter()
        .find(|base| (*base..=base + base / 10).contains(&wait))
        .unwrap_or(wait)
}

/// The kind of plan and its reason or time, which is what matters.
fn short(plan: &Plan) -> String {
    match plan {
        Plan::Rest(None) => "rest".into(),
        Plan::Rest(Some(at)) => format!("rest {}", at.duration_since(now()).as_secs()),
        Plan::Wait { reason, until, .. } => {
            let until = until.map(|at| format!(" {}", seconds(at)));
            format!("wait {reason}{}", until.unwrap_or_default())
        }
        Plan::Prepare => "prepare".into(),
        Plan::Launch { snapshot, .. } => format!("launch {snapshot}"),
        Plan::Retry { reason, at, .. } => format!("retry {reason} {}", seconds(*at)),
        Plan::Record(_) => "record".into(),
        Plan::AlreadyKnown(verdict) => format!("known rhel={}", verdict.rhel),
        Plan::Skip { reason, verdict } => format!("skip {reason} rhel={}", verdict.rhel),
        Plan::GiveUp { reason, .. } => format!("give up {reason}"),
        Plan::Release => "release".into(),
        Plan::Remove => "remove".into(),
        Plan::CleanUp => "clean up".into(),
    }
}

#[rstest]
#[case::new(None, "prepare")]
#[case::met_before(Some(InspectedBefore::default()), "prepare")]
#[case::facts(Some(InspectedBefore { facts: Some(json!({"rhel_found": true})), ..InspectedBefore::default() }), "known rhel=true")]
#[case::facts_come_first(
    Some(InspectedBefore { facts: Some(json!({"verdict": "not_rhel"})), image: ImageAttributes { rhel_tag: true, ..ImageAttributes::default() } }), "known rhel=false")]
#[case::tag(Some(InspectedBefore { image: ImageAttributes { rhel_tag: true, ..ImageAttributes::default() }, facts: None }), "skip RhelTag rhel=true")]
#[case::windows(
    Some(InspectedBefore { image: ImageAttributes { platform: Some("windows".into()), ..ImageAttributes::default() }, facts: None }), "skip Windows rhel=false")]
#[case::marketplace(
    Some(InspectedBefore { image: ImageAttributes { marketplace: true, ..ImageAttributes::default() }, facts: None }), "skip Marketplace rhel=false")]
#[case::cloud_access(
    Some(InspectedBefore {
        image: ImageAttributes { name: Some("RHEL-9.4-Access2-GP3".into()), owner_id: Some("309956199498".into()), ..ImageAttributes::default() },
        facts: None,
    }),
    "skip CloudAccess rhel=true")]
#[case::cloud_access_of_somebody_else(
    Some(InspectedBefore {
        image: ImageAttributes { name: Some("RHEL-9.4-Access2-GP3".into()), owner_id: Some("666666666666".into()), ..ImageAttributes::default() },
        facts: None,
    }),
    "prepare")]
fn what_is_known_need_not_be_read(#[case] known: Option<InspectedBefore>, #[case] expected: &str) {
    let new = inspection(json!({}));
    assert_eq!(look(&new, now()), Look::Pending);
    let seen = Seen::Pending {
        known,
        gate: Ok(()),
    };
    assert_eq!(short(&decide(&new, seen, MAX_ATTEMPTS, now())), expected);
}

#[test]
fn a_closed_account_holds_back_only_what_must_be_read() {
    let closed = Closed {
        reason: "CloudAccountNotReady",
        message: String::new(),
    };
    let new = inspection(json!({}));
    let plan = |known| {
        short(&decide(
            &new,
            Seen::Pending {
                known,
                gate: Err(closed.clone()),
            },
            MAX_ATTEMPTS,
            now(),
        ))
    };
    assert_eq!(plan(None), "wait CloudAccountNotReady");
    assert_eq!(
        plan(Some(InspectedBefore {
            facts: Some(json!({})),
            ..InspectedBefore::default()
        })),
        "known rhel=false"
    );
    let preparing = inspection(json!({"phase": "Preparing"}));
    assert_eq!(
        short(&decide(
            &preparing,
            Seen::Preparing(Err(closed)),
            MAX_ATTEMPTS,
            now()
        )),
        "wait CloudAccountNotReady"
    );
}

#[rstest]
#[case::ready(json!({}), json!({"conditions": [condition("Ready", "True")]}), Ok(()))]
#[case::not_ready(json!({}), json!({"conditions": [condition("Ready", "False")]}), Err("CloudAccountNotReady"))]
#[case::not_looked_at(json!({}), json!(null), Err("CloudAccountNotReady"))]
#[case::suspended(json!({"suspend": true}), json!({"conditions": [condition("Ready", "True")]}), Err("CloudAccountSuspended"))]
#[case::disabled(json!({"inspection": {"runner": "Disabled"}}), json!(null), Err("InspectionDisabled"))]
fn the_account_must_let_us(
    #[case] spec: serde_json::Value,
    #[case] status: serde_json::Value,
    #[case] expected: Result<(), &'static str>,
) {
    let mut account = json!({
        "apiVersion": "cloudigrade.io/v1alpha1", "kind": "CloudAccount", "metadata": {"name": "acme"}, "status": status,
        "spec": {"owner": {"orgId": "1"}, "aws": {"roleArn": "arn:aws:iam::210987654321:role/m", "externalId": "xx"}},
    });
    account["spec"]
        .as_object_mut()
        .unwrap()
        .extend(spec.as_object().unwrap().clone());
    let account: CloudAccount = serde_json::from_value(account).unwrap();
    assert_eq!(
        gate("acme", Some(&account))
            .map(|_| ())
            .map_err(|closed| closed.reason),
        expected
    );
    assert_eq!(
        gate("acme", None).unwrap_err().reason,
        "CloudAccountNotFound"
    );
    let mut leaving = account;
    leaving.metadata.deletion_timestamp = Some(Time(now()));
    assert_eq!(
        gate("acme", Some(&leaving)).unwrap_err().reason,
        "CloudAccountDeleted"
    );
}

#[rstest]
#[case::readable(Some(disk(false)), "launch snap-1")]
#[case::encrypted(Some(disk(true)), "give up Encrypted")]
#[case::no_snapshot(Some(ImageState::Available(None)), "give up NoRootSnapshot")]
#[case::gone(None, "give up NotFound")]
#[case::failed(Some(ImageState::Unusable("failed".into())), "give up Unavailable")]
#[case::being_made(Some(ImageState::NotYet("pending".into())), "wait ImageNotAvailable 30")]
fn only_an_available_unencrypted_root_disk_is_read(
    #[case] image: Option<ImageState>,
    #[case] expected: &str,
) {
    let preparing = inspection(json!({"phase": "Preparing"}));
    assert_eq!(look(&preparing, now()), Look::Preparing);
    assert_eq!(
        short(&decide(
            &preparing,
            Seen::Preparing(Ok((role(), image))),
            MAX_ATTEMPTS,
            now()
        )),
        expected
    );
}

#[rstest]
#[case::running(1, JobState::Running, None, "rest 300")]
#[case::found(1, JobState::Over(None), Some(Ok(report(None))), "record")]
#[case::found_though_the_job_failed(1, JobState::Over(Some("BackoffLimitExceeded".into())), Some(Ok(report(None))), "record")]
#[case::found_though_the_job_is_gone(1, JobState::Gone, Some(Ok(report(None))), "record")]
#[case::found_at_last(3, JobState::Over(None), Some(Ok(report(None))), "record")]
#[case::unsupported(1, JobState::Over(Some(String::new())), Some(Ok(report(Some(("Unsupported", true))))), "give up Unsupported")]
#[case::unreadable(1, JobState::Over(Some(String::new())), Some(Ok(report(Some(("Unreadable", false))))), "retry Unreadable 30")]
#[case::unreadable_again(2, JobState::Over(Some(String::new())), Some(Ok(report(Some(("Unreadable", false))))), "retry Unreadable 60")]
#[case::unreadable_for_good(3, JobState::Over(Some(String::new())), Some(Ok(report(Some(("Unreadable", false))))), "give up Unreadable")]
#[case::failed(1, JobState::Over(Some("DeadlineExceeded".into())), None, "retry JobFailed 30")]
#[case::silent(1, JobState::Over(None), None, "retry NoResult 30")]
#[case::deleted(1, JobState::Gone, None, "retry JobGone 30")]
#[case::nonsense(1, JobState::Over(None), Some(Err("no JSON".into())), "retry MalformedResult 30")]
#[case::nonsense_for_good(3, JobState::Over(None), Some(Err("no JSON".into())), "give up MalformedResult")]
fn outcomes(
    #[case] attempts: u32,
    #[case] job: JobState,
    #[case] result: Option<Result<InspectionResult, String>>,
    #[case] expected: &str,
) {
    let inspecting = inspection(json!({"phase": "Inspecting", "attempts": attempts}));
    assert_eq!(look(&inspecting, now()), Look::Inspecting);
    assert_eq!(
        short(&decide(
            &inspecting,
            Seen::Inspecting { job, result },
            MAX_ATTEMPTS,
            now()
        )),
        expected
    );
}

fn condition(type_: &str, status: &str) -> Condition {
    Condition {
        type_: type_.into(),
        status: status.into(),
        reason: "R".into(),
        message: String::new(),
        observed_generation: None,
        last_transition_time: Time(Timestamp::UNIX_EPOCH),
    }
}

#[rstest]
#[case::finished(json!({"phase": "Inspected", "finishedTime": later(-50)}), None, "rest")]
#[case::kept(json!({"phase": "Inspected", "finishedTime": later(-50)}), Some(60), "rest 10")]
#[case::kept_long_enough(json!({"phase": "Skipped", "finishedTime": later(-60)}), Some(60), "remove")]
#[case::failed_ones_too(json!({"phase": "Error", "finishedTime": later(-60)}), Some(0), "remove")]
#[case::not_released(json!({"phase": "Inspected", "finishedTime": later(-60), "conditions": [condition("ResourcesReleased", "False")]}),
    Some(60), "release")]
#[case::released(json!({"phase": "Inspected", "conditions": [condition("ResourcesReleased", "True")]}), None, "rest")]
#[case::next_attempt(json!({"phase": "Pending", "nextAttemptTime": later(7)}), None, "rest 7")]
#[case::released_before_the_next_attempt(
    json!({"phase": "Pending", "nextAttemptTime": later(-7), "conditions": [condition("ResourcesReleased", "False")]}), None, "release")]
fn nothing_has_to_be_looked_at(
    #[case] status: serde_json::Value,
    #[case] ttl: Option<u32>,
    #[case] expected: &str,
) {
    let mut inspection = inspection(status);
    inspection.spec.ttl_seconds_after_finished = ttl;
    assert_eq!(look(&inspection, now()), Look::Nowhere);
    assert_eq!(
        short(&decide(&inspection, Seen::Nothing, MAX_ATTEMPTS, now())),
        expected
    );
}

#[rstest]
fn deletion_comes_before_everything(
    #[values("Pending", "Preparing", "Inspecting", "Inspected", "Skipped", "Error")] phase: &str,
) {
    let mut inspection = inspection(json!({"phase": phase}));
    inspection.metadata.deletion_timestamp = Some(Time(now()));
    assert_eq!(look(&inspection, now()), Look::Nowhere);
    assert_eq!(
        decide(&inspection, Seen::Nothing, MAX_ATTEMPTS, now()),
        Plan::CleanUp
    );
}

#[test]
fn a_due_attempt_is_begun() {
    assert_eq!(
        look(&inspection(json!({"nextAttemptTime": later(0)})), now()),
        Look::Pending
    );
}

#[rstest]
#[case(1, 30)]
#[case(2, 60)]
#[case(4, 240)]
#[case(50, 1800)]
fn waits_double_and_spread_by_a_tenth(#[case] attempts: u32, #[case] seconds: u64) {
    let wait = retry_wait(attempts, &inspection(json!({}))).as_secs();
    assert!((seconds..=seconds + seconds / 10).contains(&wait), "{wait}");
}
