//! Whatever happened and whenever it is pruned, no run changes: what is stored must be what all events together give.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use metering::cloudtrail::EventKind::{self, AttributeChange, PowerOff, PowerOn};
use metering::runs::{Event, Run, runs};

use super::*;
use crate::accounts::recipients;
use crate::ledger::{LedgerEntry, enter};
use crate::runs::{rebuild, stored};
use crate::testing::TestDatabase;
use crate::{Changes, NewEvent};

const INSTANCES: u64 = 120;

fn hour(hour: u64) -> Timestamp {
    let since_start = SignedDuration::from_hours(i64::try_from(hour).expect("few hours"));
    "2026-01-01T00:00:00Z".parse::<Timestamp>().expect("a time") + since_start
}

/// Numbers that look random and are the same each time (SplitMix64).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[usize::try_from(self.below(from.len() as u64)).expect("an index")]
    }

    /// Events of some instances in some of these hours: few hours, so that many are at the same time.
    fn events(
        &mut self,
        account: AccountKey,
        round: u64,
        hours: std::ops::Range<u64>,
    ) -> Vec<NewEvent> {
        let mut events = Vec::new();
        for instance in 0..INSTANCES {
            for number in 0..self.below(25) {
                let kind = self.pick(&[PowerOn, PowerOn, PowerOff, PowerOff, AttributeChange]);
                let told = self.pick(&[None, Some("m5.large"), Some("c5.large"), Some("r5.large")]);
                events.push(NewEvent {
                    account,
                    event_id: format!("{} {round} {number}", self.below(1000)),
                    instance_id: format!("i-{instance}"),
                    region: "us-east-1".into(),
                    image_id: None,
                    kind,
                    at: hour(hours.start + self.below(hours.end - hours.start)),
                    instance_type: told.map(str::to_owned),
                });
            }
        }
        events
    }
}

/// The runs that are stored, by the instance's name.
async fn stored_runs(database: &TestDatabase) -> BTreeMap<String, Vec<Run>> {
    let named: Vec<(i64, String)> = sqlx::query_as("select id, instance_id from instance")
        .fetch_all(&**database)
        .await
        .expect("instances");
    let ids: Vec<i64> = named.iter().map(|(id, _)| *id).collect();
    let mut transaction = database.begin().await.expect("a transaction");
    let mut stored = stored(&mut transaction, &ids).await.expect("runs");
    let named = named.into_iter();
    named
        .filter_map(|(id, name)| Some((name, stored.remove(&id)?)))
        .collect()
}

/// The runs by everything that ever happened.
fn runs_of(events: &[NewEvent]) -> BTreeMap<String, Vec<Run>> {
    let mut by_instance: BTreeMap<String, Vec<Event>> = BTreeMap::new();
    for event in events.iter().cloned() {
        let of_instance = by_instance.entry(event.instance_id).or_default();
        of_instance.push(Event {
            at: event.at,
            kind: event.kind,
            id: event.event_id,
            instance_type: event.instance_type,
        });
    }
    let runs = by_instance
        .into_iter()
        .map(|(instance, events)| (instance, runs(events)));
    runs.filter(|(_, runs)| !runs.is_empty()).collect()
}

async fn rebuild_all(database: &TestDatabase, account: AccountKey) -> u64 {
    let ids: Vec<i64> = sqlx::query_scalar("select id from instance")
        .fetch_all(&**database)
        .await
        .expect("instances");
    let instances = ids.into_iter().map(|id| (id, account)).collect();
    let mut transaction = database.begin().await.expect("a transaction");
    let mut changes = Changes::default();
    rebuild(&mut transaction, &instances, &mut changes)
        .await
        .expect("a rebuild")
}

#[tokio::test]
async fn pruning_changes_no_run_then_or_later() {
    let database = TestDatabase::new().await;
    let account = database.enrol("210987654321", "org").await;
    let mut numbers = Numbers(42);
    let mut all = numbers.events(account, 0, 0..60);
    database.record(&all).await;
    let mut total = 0;
    for (round, kept_since) in [20, 33, 50].into_iter().enumerate() {
        let would = prune(&database, hour(kept_since), true)
            .await
            .expect("counting");
        let pruned = prune(&database, hour(kept_since), false)
            .await
            .expect("pruning");
        assert_eq!(would, pruned);
        assert!(pruned.events > 50, "{pruned:?} of {}", all.len());
        total += pruned.events;
        assert_eq!(stored_runs(&database).await, runs_of(&all));
        assert_eq!(
            rebuild_all(&database, account).await,
            0,
            "a rebuild finds all as it was"
        );
        assert_eq!(
            prune(&database, hour(kept_since), false)
                .await
                .expect("pruning"),
            Pruned::default(),
            "there is nothing more to prune"
        );

        let early = numbers.events(account, 100, 0..kept_since);
        database.record(&early).await;
        assert_eq!(stored_runs(&database).await, runs_of(&all), "too late");
        let late = numbers.events(account, round as u64 + 1, kept_since..70);
        // With what came before, as when a log file is read again.
        all.extend(late);
        database.record(&all).await;
        assert_eq!(stored_runs(&database).await, runs_of(&all));
    }
    let kept: i64 = sqlx::query_scalar("select count(*) from instance_event")
        .fetch_one(&*database)
        .await
        .expect("a number");
    let mut distinct: Vec<_> = all.iter().map(|e| (&e.instance_id, &e.event_id)).collect();
    distinct.sort_unstable();
    distinct.dedup();
    assert_eq!(kept.cast_unsigned() + total, distinct.len() as u64);
}

fn event(account: AccountKey, kind: EventKind, at: u64, instance_type: Option<&str>) -> NewEvent {
    NewEvent {
        account,
        event_id: format!("{kind:?} {at}"),
        instance_id: "i-1".into(),
        region: "us-east-1".into(),
        image_id: None,
        kind,
        at: hour(at),
        instance_type: instance_type.map(str::to_owned),
    }
}

#[tokio::test]
async fn a_run_that_lasts_keeps_its_beginning_and_its_type() {
    let database = TestDatabase::new().await;
    let account = database.enrol("210987654321", "org").await;
    let events = [
        event(account, PowerOn, 1, Some("m5.large")),
        event(account, PowerOff, 2, None),
        event(account, PowerOn, 3, None),
        event(account, AttributeChange, 4, Some("c5.large")),
    ];
    database.record(&events).await;
    let pruned = prune(&database, hour(100), false).await.expect("pruning");
    assert_eq!(pruned.events, 1, "the first power-off");
    let kept: Vec<(String, Option<String>)> =
        sqlx::query_as("select kind, instance_type from instance_event order by occurred_at")
            .fetch_all(&*database)
            .await
            .expect("events");
    let kind = |kind: &str, type_: Option<&str>| (kind.to_owned(), type_.map(str::to_owned));
    let expected = [
        kind("attribute_change", Some("m5.large")),
        kind("power_on", None),
        kind("attribute_change", Some("c5.large")),
    ];
    assert_eq!(kept, expected);
}

#[tokio::test]
async fn the_ledger_is_pruned_and_older_events_are_not_asked_for() {
    let database = TestDatabase::new().await;
    let account = database.enrol("210987654321", "org").await;
    let files: Vec<String> = (0..FILES + 500).map(|number| number.to_string()).collect();
    let entries: Vec<LedgerEntry<'_>> = files
        .iter()
        .map(|key| LedgerEntry {
            bucket: "b",
            key,
            etag: "e",
            records: 1,
            events: 0,
        })
        .collect();
    let mut transaction = database.begin().await.expect("a transaction");
    enter(&mut transaction, &entries).await.expect("entering");
    transaction.commit().await.expect("committing");
    sqlx::query("update log_file set recorded_at = '2025-12-31' where key <> '7'")
        .execute(&*database)
        .await
        .expect("ageing");

    let expected = Pruned {
        log_files: files.len() as u64 - 1,
        events: 0,
    };
    let would = prune(&database, hour(0), true).await.expect("counting");
    assert_eq!(would, expected);
    let since = async || {
        let recipients = recipients(&*database, &["210987654321"]).await;
        let recipient = recipients.expect("recipients")["210987654321"].clone();
        assert_eq!(recipient.account, account);
        recipient.kept_since
    };
    assert_eq!(since().await, None);

    let pruned = prune(&database, hour(0), false).await.expect("pruning");
    assert_eq!(pruned, expected);
    assert_eq!(since().await, Some(hour(0)));
    prune(&database, Timestamp::UNIX_EPOCH, false)
        .await
        .expect("pruning");
    assert_eq!(
        since().await,
        Some(hour(0)),
        "what is gone does not come back"
    );
}
