use jiff::ToSpan;
use metering::image::ImageAttributes;
use rstest::rstest;
use serde_json::json;

use super::*;

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
        external_id: "acme".parse().unwrap(),
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
        Plan::Requeue(until) => format!("requeue {until:?}"),
        Plan::AwaitJob(at) => format!("await job {}", at.duration_since(now()).as_secs()),
        Plan::Stall { reason, .. } => format!("stall {reason}"),
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
        Plan::Fail { reason, .. } => format!("fail {reason}"),
        Plan::Release => "release".into(),
        Plan::RetryRelease { reason, .. } => format!("retry release {reason}"),
        Plan::Delete => "delete".into(),
        Plan::Cleanup => "clean up".into(),
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
    let observed = Observed::Pending {
        known,
        eligibility: Ok(()),
    };
    assert_eq!(
        short(&decide(&new, observed, MAX_ATTEMPTS, now())),
        expected
    );
}

#[test]
fn an_ineligible_account_holds_back_only_what_must_be_read() {
    let ineligible = Ineligible {
        reason: "CloudAccountNotReady",
        message: String::new(),
    };
    let new = inspection(json!({}));
    let plan = |known| {
        short(&decide(
            &new,
            Observed::Pending {
                known,
                eligibility: Err(ineligible.clone()),
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
            Observed::Preparing(Err(ineligible)),
            MAX_ATTEMPTS,
            now()
        )),
        "wait CloudAccountNotReady"
    );
}

#[rstest]
#[case::readable(Some(disk(false)), "launch snap-1")]
#[case::encrypted(Some(disk(true)), "fail Encrypted")]
#[case::no_snapshot(Some(ImageState::Available(None)), "fail NoRootSnapshot")]
#[case::gone(None, "fail NotFound")]
#[case::failed(Some(ImageState::Unusable("failed".into())), "fail Unavailable")]
#[case::being_made(Some(ImageState::NotYet("pending".into())), "wait ImageNotAvailable 30")]
fn only_an_available_unencrypted_root_disk_is_read(
    #[case] image: Option<ImageState>,
    #[case] expected: &str,
) {
    let preparing = inspection(json!({"phase": "Preparing"}));
    assert_eq!(
        short(&decide(
            &preparing,
            Observed::Preparing(Ok((role(), image))),
            MAX_ATTEMPTS,
            now()
        )),
        expected
    );
}

#[rstest]
#[case::running(1, JobState::Running, None, "await job 300")]
#[case::found(1, JobState::Over(None), Some(Ok(report(None))), "record")]
#[case::found_though_the_job_failed(1, JobState::Over(Some("BackoffLimitExceeded".into())), Some(Ok(report(None))), "record")]
#[case::found_though_the_job_is_gone(1, JobState::Gone, Some(Ok(report(None))), "record")]
#[case::found_at_last(3, JobState::Over(None), Some(Ok(report(None))), "record")]
#[case::unsupported(1, JobState::Over(Some(String::new())), Some(Ok(report(Some(("Unsupported", true))))), "fail Unsupported")]
#[case::unreadable(1, JobState::Over(Some(String::new())), Some(Ok(report(Some(("Unreadable", false))))), "retry Unreadable 30")]
#[case::unreadable_again(2, JobState::Over(Some(String::new())), Some(Ok(report(Some(("Unreadable", false))))), "retry Unreadable 60")]
#[case::unreadable_for_good(3, JobState::Over(Some(String::new())), Some(Ok(report(Some(("Unreadable", false))))), "fail Unreadable")]
#[case::failed(1, JobState::Over(Some("DeadlineExceeded".into())), None, "retry JobFailed 30")]
#[case::silent(1, JobState::Over(None), None, "retry NoResult 30")]
#[case::deleted(1, JobState::Gone, None, "retry JobGone 30")]
#[case::nonsense(1, JobState::Over(None), Some(Err("no JSON".into())), "retry MalformedResult 30")]
#[case::nonsense_for_good(3, JobState::Over(None), Some(Err("no JSON".into())), "fail MalformedResult")]
fn outcomes(
    #[case] attempts: u32,
    #[case] job: JobState,
    #[case] result: Option<Result<InspectionResult, String>>,
    #[case] expected: &str,
) {
    let inspecting = inspection(json!({"phase": "Inspecting", "attempts": attempts}));
    assert_eq!(
        short(&decide(
            &inspecting,
            Observed::Inspecting { job, result },
            MAX_ATTEMPTS,
            now()
        )),
        expected
    );
}

#[rstest]
#[case::deleted(Observed::Deleting, Plan::Cleanup)]
#[case::left_behind(Observed::Releasing, Plan::Release)]
#[case::early(Observed::Waiting(later(7)), Plan::Requeue(Some(later(7))))]
#[case::kept(Observed::Finished(None), Plan::Requeue(None))]
#[case::kept_for_a_time(Observed::Finished(Some(later(10))), Plan::Requeue(Some(later(10))))]
#[case::kept_long_enough(Observed::Expired, Plan::Delete)]
fn the_stage_alone_decides(#[case] observed: Observed, #[case] expected: Plan) {
    let plan = decide(&inspection(json!({})), observed, MAX_ATTEMPTS, now());
    assert_eq!(plan, expected);
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
