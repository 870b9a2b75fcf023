use futures::future::try_join_all;
use jiff::SignedDuration;

use super::*;
use crate::account_status::{changed_since, counts};
use crate::testing::{TestDatabase, events_of};

const NOW: Timestamp = Timestamp::constant(1_800_000_000, 0);
const MINUTE: SignedDuration = SignedDuration::from_mins(1);

fn claimant(uid: u128, created_at: Timestamp) -> Claimant {
    Claimant {
        account_id: "210987654321".into(),
        org_id: "11111111".into(),
        role_arn: "arn:aws:iam::210987654321:role/r".into(),
        account_number: None,
        uid: Uuid::from_u128(uid),
        namespace: "customers".into(),
        name: format!("account-{uid}"),
        created_at,
    }
}

async fn claimed(database: &TestDatabase, claimant: &Claimant) -> Enrolment {
    match claim(database, claimant, NOW).await.unwrap() {
        Claim::Ours(enrolment) => enrolment,
        Claim::Held(holder) => panic!("{} has it", holder.name),
    }
}

async fn run_one(database: &TestDatabase, enrolment: i64, at: Timestamp) {
    let event = NewEvent {
        enrolment: 0,
        event_id: format!("on-{at}"),
        instance_id: "i-1".into(),
        region: "us-east-1".into(),
        image_id: None,
        kind: EventKind::PowerOn,
        at,
        instance_type: None,
    };
    let mut transaction = database.begin().await.unwrap();
    events::record(&mut transaction, &events_of(enrolment, &[event]))
        .await
        .unwrap();
    transaction.commit().await.unwrap();
}

#[tokio::test]
async fn claiming_twice_is_claiming_once() {
    let database = TestDatabase::new().await;
    let first = claimed(&database, &claimant(1, NOW)).await;
    assert_eq!(claimed(&database, &claimant(1, NOW)).await, first);
}

#[tokio::test]
async fn the_oldest_has_the_account_whoever_came_first() {
    let database = TestDatabase::new().await;
    let younger = claimed(&database, &claimant(2, NOW)).await;
    run_one(&database, younger.id, NOW - MINUTE).await;
    let older = claimed(&database, &claimant(1, NOW - MINUTE)).await;
    assert_ne!(older.id, younger.id);
    assert_eq!(
        claim(&database, &claimant(2, NOW), NOW).await.unwrap(),
        Claim::Held(older.clone())
    );
    let counts = counts(&database, younger.id).await.unwrap();
    assert_eq!(counts.running, 0, "its runs ended");
    assert_eq!((counts.unidentified_instances, counts.instances), (1, 1));

    release(&database, older.uid, NOW).await.unwrap();
    let again = claimed(&database, &claimant(2, NOW)).await;
    assert_ne!(again.id, younger.id, "what was closed stays closed");
}

#[tokio::test]
async fn claims_made_at_the_same_time_have_one_winner() {
    let database = TestDatabase::new().await;
    let [first, second] = [claimant(1, NOW), claimant(2, NOW)];
    let (first, second) = tokio::join!(
        claim(&database, &first, NOW),
        claim(&database, &second, NOW)
    );
    let claims = [first.unwrap(), second.unwrap()];
    let winner = claims.iter().find_map(|claim| match claim {
        Claim::Ours(enrolment) => Some(enrolment.clone()),
        Claim::Held(_) => None,
    });
    let winner = winner.expect("one of them has it");
    assert!(claims.contains(&Claim::Held(winner.clone())), "{claims:?}");
    let holder = holder(&database, "210987654321").await.unwrap();
    assert_eq!(holder, Some(winner));
}

/// As processes do that replay for the same accounts.
#[tokio::test]
async fn one_claimant_may_ask_from_many_places_at_once() {
    let database = TestDatabase::new().await;
    let claimant = claimant(1, NOW);
    let claims = try_join_all((0..8).map(|_| claim(&database, &claimant, NOW)));
    let claims = claims.await.unwrap();
    let first = &claims[0];
    assert!(claims.iter().all(|claim| claim == first), "{claims:?}");
}

#[tokio::test]
async fn enabled_is_since_the_first_time_or_the_end_of_a_suspension() {
    let database = TestDatabase::new().await;
    let id = claimed(&database, &claimant(1, NOW)).await.id;
    assert_eq!(enable(&database, id, NOW).await.unwrap(), NOW);
    assert_eq!(enable(&database, id, NOW + MINUTE).await.unwrap(), NOW);
    suspend(&database, id, NOW + MINUTE * 2).await.unwrap();
    assert_eq!(
        enable(&database, id, NOW + MINUTE * 3).await.unwrap(),
        NOW + MINUTE * 3
    );
}

#[tokio::test]
async fn a_released_account_keeps_its_history_and_can_be_claimed_anew() {
    let database = TestDatabase::new().await;
    let before = claimed(&database, &claimant(1, NOW)).await;
    // Clocks differ: this run began after our now.
    run_one(&database, before.id, NOW + MINUTE).await;
    release(&database, before.uid, NOW).await.unwrap();
    release(&database, before.uid, NOW).await.unwrap();
    let counted = counts(&database, before.id).await.unwrap();
    assert_eq!((counted.instances, counted.running), (1, 0));
    assert_ne!(claimed(&database, &claimant(2, NOW)).await.id, before.id);
}

#[tokio::test]
async fn what_changes_is_seen() {
    let database = TestDatabase::new().await;
    let enrolment = claimed(&database, &claimant(1, NOW)).await;
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
    run_one(&database, enrolment.id, NOW).await;
    assert_eq!(
        changed_since(&database, claimed_at).await.unwrap()[0].name,
        "account-1"
    );
}
