use rstest::rstest;

use super::*;
use crate::controllers::error::ErrorReason;

const ARN: &str = "arn:aws:cloudtrail:us-east-1:210987654321:trail/cloudigrade-210987654321";

fn wanted() -> TrailConfiguration {
    TrailConfiguration {
        name: "cloudigrade-210987654321".into(),
        bucket: "ours".into(),
    }
}

/// A trail as wanted, as far as the role may see.
fn intact() -> ObservedTrail {
    ObservedTrail {
        trail: Some(Trail {
            arn: ARN.into(),
            home_region: "us-east-1".into(),
            bucket: "ours".into(),
            multi_region: true,
            global_events: true,
            prefixed: false,
        }),
        writes_only: Some(true),
        logging: Some(LoggingStatus {
            logging: true,
            ..LoggingStatus::default()
        }),
    }
}

fn changed(change: impl FnOnce(&mut Trail)) -> ObservedTrail {
    let mut observed = intact();
    observed.trail.as_mut().map(change);
    observed
}

#[rstest]
#[case::none(ObservedTrail::default(), &[Repair::Create, Repair::Select, Repair::Start], &[])]
#[case::intact(intact(), &[], &[])]
#[case::one_region(changed(|trail| trail.multi_region = false), &[Repair::Update], &["where and what it records"])]
#[case::no_global_events(changed(|trail| trail.global_events = false), &[Repair::Update], &["where and what it records"])]
#[case::under_a_prefix(changed(|trail| trail.prefixed = true), &[Repair::Update], &["where and what it records"])]
#[case::reads_too(ObservedTrail { writes_only: Some(false), ..intact() }, &[Repair::Select], &["which events it records"])]
#[case::stopped(ObservedTrail { logging: Some(LoggingStatus::default()), ..intact() }, &[Repair::Start], &["that it records at all"])]
#[case::may_not_ask(ObservedTrail { writes_only: None, logging: None, ..intact() }, &[Repair::Select, Repair::Start], &[])]
fn repairs(#[case] observed: ObservedTrail, #[case] expected: &[Repair], #[case] told: &[&str]) {
    let repairs = plan_repairs(&wanted(), false, None, &observed).unwrap();
    assert_eq!(repairs, expected);
    assert_eq!(drift(&repairs, &observed), told);
}

#[rstest]
#[case::a_strangers(false, None, Err("ForeignTrail"))]
#[case::to_be_adopted(true, None, Ok(vec![Repair::Update]))]
#[case::ours_before(false, Some(ARN), Ok(vec![Repair::Update]))]
#[case::another_was_ours(
    false,
    Some("arn:aws:cloudtrail:us-east-1:210987654321:trail/old"),
    Err("ForeignTrail")
)]
fn a_trail_with_another_bucket(
    #[case] adopt: bool,
    #[case] before: Option<&str>,
    #[case] expected: Result<Vec<Repair>, &str>,
) {
    let before = before.map(|arn| TrailStatus {
        arn: arn.into(),
        home_region: "us-east-1".into(),
        bucket: "ours".into(),
    });
    let observed = changed(|trail| trail.bucket = "theirs".into());
    let decided = plan_repairs(&wanted(), adopt, before.as_ref(), &observed);
    assert_eq!(decided.map_err(|error| error.reason()), expected);
}

#[rstest]
#[case(
    "MaximumNumberOfTrailsExceededException",
    ErrorKind::LimitExceeded,
    "CreateTrail",
    "TrailLimitExceeded",
    "CG3001"
)]
#[case(
    "InsufficientS3BucketPolicyException",
    ErrorKind::BucketRefused,
    "CreateTrail",
    "TrailBucketRefused",
    "policy of bucket ours"
)]
#[case(
    "AccessDeniedException",
    ErrorKind::Denied,
    "CreateTrail",
    "AccessDenied",
    "CG3003"
)]
#[case(
    "AccessDenied",
    ErrorKind::Denied,
    "AssumeRole",
    "RoleRefused",
    "CG3002"
)]
#[case(
    "ThrottlingException",
    ErrorKind::Throttled,
    "CreateTrail",
    "Throttled",
    "CG3000"
)]
fn errors_say_what_to_do(
    #[case] code: &str,
    #[case] kind: ErrorKind,
    #[case] operation: &'static str,
    #[case] reason: &str,
    #[case] part: &str,
) {
    let error = CloudError {
        kind,
        service: "cloudtrail",
        operation,
        code: code.into(),
        message: "no".into(),
    };
    let explained = explain(error, &wanted());
    assert_eq!(explained.reason(), reason);
    assert!(explained.to_string().contains(part), "{explained}");
}
