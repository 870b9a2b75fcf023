//! Through a PgBouncer in transaction mode that shares two connections to the server among all its clients.

// All of this crate is a test.
#![allow(clippy::expect_used)]

use std::collections::{BTreeSet, HashSet};

use futures::future::join_all;
use jiff::{SignedDuration, Timestamp, civil::Date};
use metering::cloudtrail::EventKind::{self, PowerOff, PowerOn};
use metering::usage::Period;
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection};

use cloudigrade::report;
use cloudigrade_store::accounts::recipients;
use cloudigrade_store::events::record;
use cloudigrade_store::ledger::{LedgerEntry, enter};
use cloudigrade_store::testing::{PgBouncer, TestDatabase};
use cloudigrade_store::{AccountKey, Changes, NewEvent, Pool, connect, invalidate};

const CUSTOMERS: u8 = 16;
const FILES: u8 = 12;
const DAY: Date = jiff::civil::date(2026, 11, 20);

fn now() -> Timestamp {
    "2026-11-22T12:00:00Z".parse().expect("a time")
}

fn event(account: AccountKey, hour: u8, kind: EventKind) -> NewEvent {
    let on = Period::of_day(DAY).start + SignedDuration::from_hours(hour.into());
    NewEvent {
        account,
        event_id: format!("{hour} {kind:?}"),
        instance_id: format!("i-{hour}"),
        region: "us-east-1".into(),
        image_id: Some("ami-rhel".into()),
        kind,
        at: match kind {
            PowerOff => on + SignedDuration::from_mins(90),
            _ => on,
        },
        instance_type: None,
    }
}

/// Each hour's file holds an instance that runs for one and a half; usage is asked for after each. The server processes that
/// recorded them.
async fn meter(pool: &Pool, account: &str) -> BTreeSet<i32> {
    let mut processes = BTreeSet::new();
    for hour in 0..FILES {
        let recipients = recipients(pool, &[account]).await.expect("recipients");
        let key = recipients[account].account;
        let file = LedgerEntry {
            bucket: "b",
            key: &format!("{account}/{hour}"),
            etag: "e",
            records: 2,
            events: 2,
        };
        let mut transaction = pool.begin().await.expect("a transaction");
        enter(&mut transaction, &[file]).await.expect("entering");
        let events = [PowerOn, PowerOff].map(|kind| event(key, hour, kind));
        let mut changes = Changes::default();
        let recorded = record(&mut transaction, &events, &mut changes)
            .await
            .expect("recording");
        invalidate(&mut transaction, &changes)
            .await
            .expect("invalidating");
        assert_eq!((recorded.events, recorded.runs), (2, 1));
        let process = sqlx::query_scalar("select pg_backend_pid()");
        processes.insert(
            process
                .fetch_one(&mut *transaction)
                .await
                .expect("a number"),
        );
        transaction.commit().await.expect("committing");
        assert_eq!(most(pool, account).await, u64::from(hour.min(1)) + 1);
    }
    processes
}

/// Every account is an organization's only one, of the same name.
async fn most(pool: &Pool, org: &str) -> u64 {
    let days = report::concurrent(pool, org, DAY, DAY, now()).await;
    days.expect("concurrent usage")[0].most()
}

#[tokio::test]
async fn what_many_clients_record_at_once_is_what_the_server_has() {
    let database = TestDatabase::new().await;
    let Some(bouncer) = PgBouncer::before(database.url()) else {
        return;
    };
    let accounts: Vec<String> = (0..CUSTOMERS).map(|n| format!("{n:012}")).collect();
    for account in &accounts {
        database.enrol(account, account).await;
    }
    sqlx::query(
        "insert into image (image_id, region, rhel_tag) values ('ami-rhel', 'us-east-1', true)",
    )
    .execute(&*database)
    .await
    .expect("an image");

    let pool = connect(&bouncer.url, CUSTOMERS.into()).expect("its URL");
    let processes = join_all(accounts.iter().map(|account| meter(&pool, account))).await;
    let all: BTreeSet<i32> = processes.iter().flatten().copied().collect();
    assert_eq!(all.len(), 2, "that many may PgBouncer have");
    assert!(
        processes.contains(&all),
        "a client was moved: {processes:?}"
    );

    let rows: (i64, i64, i64) = sqlx::query_as(
        "select (select count(*) from log_file), (select count(*) from instance_event), (select count(*) from run)",
    )
    .fetch_one(&*database)
    .await
    .expect("what there is");
    let files = i64::from(CUSTOMERS) * i64::from(FILES);
    assert_eq!(rows, (files, 2 * files, files));
    for account in &accounts {
        let runs = async |pool| report::runs(pool, account, Period::of_day(DAY)).await;
        let through = runs(&pool).await.expect("runs");
        assert_eq!(through, runs(&database).await.expect("runs"));
        assert_eq!(through.len(), usize::from(FILES));
        assert_eq!(most(&database, account).await, 2);
    }
}

#[tokio::test]
async fn a_transaction_has_a_limit_for_its_statements_that_no_other_client_has() {
    let database = TestDatabase::new().await;
    let Some(bouncer) = PgBouncer::before(database.url()) else {
        return;
    };
    let limit = || sqlx::query_scalar::<_, String>("show statement_timeout");
    let pool = connect(&bouncer.url, 1).expect("its URL");
    assert_eq!(limit().fetch_one(&pool).await.expect("a limit"), "30s");

    let mut transaction = pool.begin().await.expect("a transaction");
    sqlx::raw_sql("set local statement_timeout = '10ms'")
        .execute(&mut *transaction)
        .await
        .expect("less");
    let slow = sqlx::query("select pg_sleep(600)");
    let cut = slow.execute(&mut *transaction).await.expect_err("too slow");
    let code = cut.as_database_error().and_then(|error| error.code());
    assert_eq!(code.as_deref(), Some("57014"), "{cut}");
    transaction.rollback().await.expect("rolling back");

    // Two transactions at once have both connections to the server.
    let other: PgConnectOptions = bouncer.url.parse().expect("its URL");
    let other = other.extra_float_digits(None);
    let mut clients = Vec::new();
    for _ in 0..2 {
        clients.push(other.connect().await.expect("connecting"));
    }
    let mut found = HashSet::new();
    let mut open = Vec::new();
    for client in &mut clients {
        let mut transaction = client.begin().await.expect("a transaction");
        // Theirs may have names that others of us have used.
        let limit = limit().persistent(false);
        found.insert(limit.fetch_one(&mut *transaction).await.expect("a limit"));
        open.push(transaction);
    }
    assert_eq!(found, HashSet::from(["0".to_owned()]));
}
