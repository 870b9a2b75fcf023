//! Periods after claims, suspensions, releases, and the usage that they leave.

use futures::future::try_join_all;
use jiff::SignedDuration;
use metering::cloudtrail::EventKind;
use metering::usage::Period;

use super::*;
use crate::account_status::{changed_since, counts};
use crate::testing::TestDatabase;
use crate::{NewEvent, accounts::recipients, organizations, usage};

const NOW: Timestamp = Timestamp::constant(1_800_000_000, 0);
const MINUTE: SignedDuration = SignedDuration::from_mins(1);
const ACCOUNT: &str = "210987654321";

fn claimant(uid: u128, created_at: Timestamp) -> Claimant {
    Claimant {
        account_id: ACCOUNT.into(),
        org_id: "11111111".into(),
        role_arn: "arn:aws:iam::210987654321:role/r".into(),
        account_number: None,
        uid: Uuid::from_u128(uid),
        namespace: "customers".into(),
        name: format!("account-{uid}"),
        created_at,
    }
}

async fn claimed(database: &TestDatabase, claimant: &Claimant, at: Timestamp) -> Enrolment {
    match claim(database, claimant, None, at).await.unwrap() {
        Claim::Ours(enrolment) => enrolment,
        Claim::Held(holder) => panic!("{} has it", holder.name),
    }
}

async fn enrolled(database: &TestDatabase, claimant: &Claimant, at: Timestamp) -> AccountKey {
    let account = claimed(database, claimant, at).await.account;
    let enabled = enable(database, account, claimant.uid, at).await.unwrap();
    assert!(enabled.is_some(), "another has it");
    account
}

async fn event(database: &TestDatabase, account: AccountKey, kind: EventKind, at: Timestamp) {
    let event = NewEvent {
        account,
        event_id: format!("{kind:?} {at}"),
        instance_id: "i-1".into(),
        region: "us-east-1".into(),
        image_id: None,
        kind,
        at,
        instance_type: None,
    };
    database.record(&[event]).await;
}

/// The runs of an organization, from the minute before now on: start and end in seconds after now.
async fn runs(database: &TestDatabase, org_id: &str) -> Vec<(i64, Option<i64>)> {
    let period = Period {
        start: NOW - MINUTE,
        end: NOW + MINUTE * 1000,
    };
    let mut connection = database.begin().await.unwrap();
    let runs = usage::runs(&mut connection, org_id, period).await.unwrap();
    let seconds = |at: Timestamp| at.duration_since(NOW).as_secs();
    let mut runs: Vec<_> = runs
        .iter()
        .map(|run| (seconds(run.start), run.end.map(seconds)))
        .collect();
    runs.sort_unstable();
    runs
}

#[tokio::test]
async fn claiming_twice_is_claiming_once() {
    let database = TestDatabase::new().await;
    let first = claimed(&database, &claimant(1, NOW), NOW).await;
    assert_eq!(claimed(&database, &claimant(1, NOW), NOW).await, first);
}

#[tokio::test]
async fn the_oldest_has_the_account_whoever_came_first() {
    let database = TestDatabase::new().await;
    let younger = claimed(&database, &claimant(2, NOW), NOW).await;
    let older = claimed(&database, &claimant(1, NOW - MINUTE), NOW).await;
    assert_eq!(older.account, younger.account);
    assert_eq!(
        claim(&database, &claimant(2, NOW), None, NOW)
            .await
            .unwrap(),
        Claim::Held(older.clone())
    );
    assert_eq!(
        enable(&database, younger.account, younger.uid, NOW)
            .await
            .unwrap(),
        None,
        "the one that lost enables nothing"
    );
    release(&database, older.uid, NOW).await.unwrap();
    claimed(&database, &claimant(2, NOW), NOW).await;
}

#[tokio::test]
async fn claims_made_at_the_same_time_have_one_winner() {
    let database = TestDatabase::new().await;
    let [first, second] = [claimant(1, NOW), claimant(2, NOW)];
    let (first, second) = tokio::join!(
        claim(&database, &first, None, NOW),
        claim(&database, &second, None, NOW)
    );
    let claims = [first.unwrap(), second.unwrap()];
    let winner = claims.iter().find_map(|claim| match claim {
        Claim::Ours(enrolment) => Some(enrolment.clone()),
        Claim::Held(_) => None,
    });
    let winner = winner.expect("one of them has it");
    assert!(claims.contains(&Claim::Held(winner.clone())), "{claims:?}");
    let holder = holder(&database, ACCOUNT).await.unwrap();
    assert_eq!(holder, Some(winner));
}

/// As processes do that replay for the same accounts.
#[tokio::test]
async fn one_claimant_may_ask_from_many_places_at_once() {
    let database = TestDatabase::new().await;
    let claimant = claimant(1, NOW);
    let claims = try_join_all((0..8).map(|_| claim(&database, &claimant, None, NOW)));
    let claims = claims.await.unwrap();
    let first = &claims[0];
    assert!(claims.iter().all(|claim| claim == first), "{claims:?}");
}

#[tokio::test]
async fn enabled_is_since_the_first_time_or_the_end_of_a_suspension() {
    let database = TestDatabase::new().await;
    let account = enrolled(&database, &claimant(1, NOW), NOW).await;
    let uid = Uuid::from_u128(1);
    let enable = async |at| enable(&database, account, uid, at).await.unwrap();
    assert_eq!(enable(NOW + MINUTE).await, Some(NOW));
    suspend(&database, account, uid, NOW + MINUTE * 2)
        .await
        .unwrap();
    assert_eq!(enable(NOW + MINUTE * 3).await, Some(NOW + MINUTE * 3));
}

#[tokio::test]
async fn a_run_counts_while_its_account_is_metered() {
    let database = TestDatabase::new().await;
    let account = enrolled(&database, &claimant(1, NOW), NOW).await;
    let uid = Uuid::from_u128(1);
    event(&database, account, EventKind::PowerOn, NOW - MINUTE).await;
    assert_eq!(runs(&database, "11111111").await, [(0, None)]);
    assert_eq!(counts(&database, account).await.unwrap().running, 1);
    suspend(&database, account, uid, NOW + MINUTE)
        .await
        .unwrap();
    assert_eq!(runs(&database, "11111111").await, [(0, Some(60))]);
    assert_eq!(counts(&database, account).await.unwrap().running, 0);
    enable(&database, account, uid, NOW + MINUTE * 2)
        .await
        .unwrap();
    assert_eq!(
        runs(&database, "11111111").await,
        [(0, Some(60)), (120, None)]
    );
    release(&database, uid, NOW + MINUTE * 3).await.unwrap();
    release(&database, uid, NOW + MINUTE * 4).await.unwrap();
    assert_eq!(
        runs(&database, "11111111").await,
        [(0, Some(60)), (120, Some(180))],
        "history stays"
    );
}

#[tokio::test]
async fn a_takeover_in_mid_second_doubles_nothing() {
    let database = TestDatabase::new().await;
    let account = enrolled(&database, &claimant(2, NOW), NOW).await;
    event(&database, account, EventKind::PowerOn, NOW).await;
    let older = Claimant {
        org_id: "22222222".into(),
        ..claimant(1, NOW - MINUTE)
    };
    let at = NOW + SignedDuration::from_millis(60_700);
    enrolled(&database, &older, at).await;
    assert_eq!(runs(&database, "11111111").await, [(0, Some(60))]);
    assert_eq!(runs(&database, "22222222").await, [(60, None)]);
    assert_eq!(
        counts(&database, account).await.unwrap().instances,
        1,
        "it runs for the new organization too"
    );
}

#[tokio::test]
async fn an_organization_sees_no_instance_from_before_its_time() {
    let database = TestDatabase::new().await;
    let account = enrolled(&database, &claimant(1, NOW), NOW).await;
    event(&database, account, EventKind::PowerOn, NOW).await;
    event(&database, account, EventKind::PowerOff, NOW + MINUTE).await;
    assert_eq!(counts(&database, account).await.unwrap().instances, 1);
    release(&database, Uuid::from_u128(1), NOW + MINUTE * 2)
        .await
        .unwrap();
    let other = Claimant {
        org_id: "22222222".into(),
        ..claimant(2, NOW)
    };
    enrolled(&database, &other, NOW + MINUTE * 3).await;
    assert_eq!(counts(&database, account).await.unwrap().instances, 0);
}

#[tokio::test]
async fn delete_apply_and_backfill_of_a_copy_count_once() {
    let database = TestDatabase::new().await;
    let account = enrolled(&database, &claimant(1, NOW), NOW).await;
    event(&database, account, EventKind::PowerOn, NOW).await;
    release(&database, Uuid::from_u128(1), NOW + MINUTE)
        .await
        .unwrap();
    enrolled(&database, &claimant(2, NOW), NOW + MINUTE * 2).await;
    backfill(&database, account, NOW - MINUTE * 10)
        .await
        .unwrap();
    assert_eq!(
        runs(&database, "11111111").await,
        [(0, Some(60)), (60, None)],
        "back to the end of the period before, and no further"
    );
}

#[tokio::test]
async fn suspend_and_resume_in_one_second_leave_no_hole() {
    let database = TestDatabase::new().await;
    let account = enrolled(&database, &claimant(1, NOW), NOW).await;
    event(&database, account, EventKind::PowerOn, NOW).await;
    let uid = Uuid::from_u128(1);
    let at = |millis: i64| NOW + SignedDuration::from_millis(60_000 + millis);
    suspend(&database, account, uid, at(100)).await.unwrap();
    enable(&database, account, uid, at(900)).await.unwrap();
    assert_eq!(
        runs(&database, "11111111").await,
        [(0, Some(60)), (60, None)]
    );
}

#[tokio::test]
async fn a_late_file_from_before_a_release_counts() {
    let database = TestDatabase::new().await;
    let account = enrolled(&database, &claimant(1, NOW), NOW).await;
    release(&database, Uuid::from_u128(1), NOW + MINUTE * 10)
        .await
        .unwrap();
    let late = &recipients(&*database, &[ACCOUNT]).await.unwrap()[ACCOUNT];
    assert!(late.wants(Some(NOW + MINUTE * (60 * 23))));
    assert!(!late.wants(Some(NOW + MINUTE * (60 * 25))), "nobody's");
    event(&database, account, EventKind::PowerOn, NOW + MINUTE).await;
    assert_eq!(runs(&database, "11111111").await, [(60, Some(600))]);
}

#[tokio::test]
async fn the_same_name_with_another_uid_goes_on_without_a_gap() {
    let database = TestDatabase::new().await;
    let account = enrolled(&database, &claimant(1, NOW), NOW).await;
    event(&database, account, EventKind::PowerOn, NOW).await;
    let anew = Claimant {
        uid: Uuid::from_u128(7),
        created_at: NOW + MINUTE,
        ..claimant(1, NOW)
    };
    let holder = claimed(&database, &anew, NOW + MINUTE * 2).await;
    assert_eq!(
        (holder.uid, holder.enabled_at),
        (Uuid::from_u128(7), Some(NOW))
    );
    assert_eq!(runs(&database, "11111111").await, [(0, None)]);
    release(&database, Uuid::from_u128(1), NOW + MINUTE * 3)
        .await
        .unwrap();
    assert_eq!(
        runs(&database, "11111111").await,
        [(0, None)],
        "the deletion of the former one comes late"
    );
}

#[tokio::test]
async fn a_holder_that_is_gone_is_released() {
    let database = TestDatabase::new().await;
    let account = enrolled(&database, &claimant(1, NOW), NOW).await;
    event(&database, account, EventKind::PowerOn, NOW).await;
    let other = Claimant {
        org_id: "22222222".into(),
        ..claimant(2, NOW)
    };
    let gone = Some(Uuid::from_u128(1));
    let at = NOW + MINUTE;
    let Claim::Ours(_) = claim(&database, &other, gone, at).await.unwrap() else {
        panic!("the one that is gone has it");
    };
    assert_eq!(runs(&database, "11111111").await, [(0, Some(60))]);
}

#[tokio::test]
async fn a_name_applied_anew_for_another_account_leaves_the_first() {
    let database = TestDatabase::new().await;
    let first = enrolled(&database, &claimant(1, NOW), NOW).await;
    event(&database, first, EventKind::PowerOn, NOW).await;
    let moved = Claimant {
        account_id: "310987654321".into(),
        uid: Uuid::from_u128(7),
        ..claimant(1, NOW)
    };
    let second = enrolled(&database, &moved, NOW + MINUTE).await;
    assert_ne!(first, second);
    assert_eq!(holder(&database, ACCOUNT).await.unwrap(), None);
    assert_eq!(runs(&database, "11111111").await, [(0, Some(60))]);
}

#[tokio::test]
async fn a_period_change_is_another_version_of_its_organizations() {
    let database = TestDatabase::new().await;
    let version = async |org| organizations::version(&*database, org).await.unwrap();
    let account = enrolled(&database, &claimant(1, NOW), NOW).await;
    database.enrol("310987654321", "33333333").await;
    let (ours, others) = (version("11111111").await, version("33333333").await);
    suspend(&database, account, Uuid::from_u128(1), NOW)
        .await
        .unwrap();
    assert_ne!(version("11111111").await, ours);
    assert_eq!(version("33333333").await, others);
}

#[tokio::test]
async fn a_callers_days_follow_events_of_accounts_without_the_number() {
    let database = TestDatabase::new().await;
    let numbered = Claimant {
        account_number: Some("7".into()),
        ..claimant(1, NOW)
    };
    enrolled(&database, &numbered, NOW).await;
    let other = database.enrol("310987654321", "11111111").await;
    let version = async || {
        let found = organizations::find(&*database, None, Some("7")).await;
        found.unwrap().map(|organization| organization.version)
    };
    let before = version().await;
    event(&database, other, EventKind::PowerOn, NOW).await;
    assert_ne!(version().await, before);
}

#[tokio::test]
async fn an_account_number_of_two_organizations_is_refused() {
    let database = TestDatabase::new().await;
    let numbered = |uid, account: &str, org: &str| Claimant {
        account_number: Some("7".into()),
        account_id: account.into(),
        org_id: org.into(),
        ..claimant(uid, NOW)
    };
    let find = async || organizations::find(&*database, None, Some("7")).await;
    claimed(&database, &numbered(1, ACCOUNT, "11111111"), NOW).await;
    assert!(find().await.unwrap().is_some());
    claimed(&database, &numbered(2, "310987654321", "22222222"), NOW).await;
    assert_eq!(find().await.unwrap(), None);
    let by_id = organizations::find(&*database, Some("11111111"), Some("7")).await;
    assert!(by_id.unwrap().is_some());
}

#[tokio::test]
async fn a_change_is_seen() {
    let database = TestDatabase::new().await;
    let enrolment = claimed(&database, &claimant(1, NOW), NOW).await;
    let claimed_at = changed_since(&database, Timestamp::UNIX_EPOCH)
        .await
        .unwrap()[0]
        .at;
    assert!(
        changed_since(&database, claimed_at)
            .await
            .unwrap()
            .is_empty()
    );
    event(&database, enrolment.account, EventKind::PowerOn, NOW).await;
    assert_eq!(
        changed_since(&database, claimed_at).await.unwrap()[0].name,
        "account-1"
    );
}
