use jiff::SignedDuration;
use rstest::rstest;
use uuid::Uuid;

use super::*;
use crate::controllers::cloud_account::tests::account;
use cloudigrade_store::AccountKey;
use cloudigrade_store::enrolments::Claimant;

const NOW: Timestamp = Timestamp::constant(1_800_000_000, 0);
const HOUR: SignedDuration = SignedDuration::from_hours(1);
const OURS: Uuid = Uuid::from_u128(7);

fn enrolment(uid: Uuid, created_at: Timestamp) -> Enrolment {
    Enrolment {
        org_id: "11111111".into(),
        account: AccountKey(1),
        uid,
        namespace: "customers".into(),
        name: "holder".into(),
        created_at,
        enabled_at: None,
        suspended: false,
    }
}

fn claimant() -> Claimant {
    Claimant {
        account_id: "210987654321".into(),
        org_id: "1".into(),
        role_arn: "arn:aws:iam::210987654321:role/r".into(),
        account_number: None,
        uid: OURS,
        namespace: "customers".into(),
        name: "ours".into(),
        created_at: NOW - HOUR,
    }
}

fn name(plan: AccountPlan) -> &'static str {
    match plan {
        AccountPlan::Duplicate(_) => "duplicate",
        AccountPlan::Sync(_) => "sync",
        AccountPlan::Suspend(Some(_)) => "suspend",
        AccountPlan::Suspend(None) => "nothing to suspend",
        AccountPlan::NotDue(..) => "not due",
    }
}

#[rstest]
#[case::never_looked_at(None, None, None, false, "sync")]
#[case::due(Some((OURS, -HOUR)), None, Some(SignedDuration::ZERO), false, "sync")]
#[case::not_due(Some((OURS, -HOUR)), None, Some(HOUR), false, "not due")]
#[case::an_older_one_has_it(Some((Uuid::from_u128(9), -HOUR * 2)), None, None, false, "duplicate")]
#[case::an_older_one_that_is_gone_had_it(Some((Uuid::from_u128(9), -HOUR * 2)), Some(Uuid::from_u128(9)), None, false, "sync")]
#[case::an_older_one_has_it_and_suspend(Some((Uuid::from_u128(9), -HOUR * 2)), None, None, true, "duplicate")]
#[case::a_younger_one_has_it(Some((Uuid::from_u128(9), SignedDuration::ZERO)), None, None, false, "sync")]
#[case::made_in_the_same_second(Some((Uuid::from_u128(9), -HOUR)), None, None, false, "duplicate")]
#[case::suspend(Some((OURS, -HOUR)), None, None, true, "suspend")]
#[case::suspended_from_the_start(None, None, None, true, "nothing to suspend")]
#[case::suspended_and_done(Some((OURS, -HOUR)), None, Some(HOUR), true, "not due")]
fn plans(
    #[case] holder: Option<(Uuid, SignedDuration)>,
    #[case] gone: Option<Uuid>,
    #[case] next_check: Option<SignedDuration>,
    #[case] suspend: bool,
    #[case] expected: &str,
) {
    let mut spec = account().spec;
    spec.suspend = suspend;
    let holder = holder.map(|(uid, since)| enrolment(uid, NOW + since));
    let next_check = next_check.map(|wait| NOW + wait);
    let plan = decide(&spec, claimant(), holder, gone, next_check, NOW);
    assert_eq!(name(plan), expected);
}
