//! On a filled database, what is asked most takes indexes: neither events nor runs are read from end to end. Postgres counts
//! the scans of a transaction, so it is the statements themselves that are seen, with the plans they really have.

use jiff::Timestamp;
use metering::cloudtrail::EventKind::PowerOff;
use metering::usage::Period;
use sqlx::{Connection, PgConnection};

use super::events::record;
use super::testing::TestDatabase;
use super::{AccountKey, Changes, NewEvent, accounts, usage};

/// Five hundred accounts of fifty organizations, twenty instances each, with five runs and ten events each.
const FILL: &str = "
    insert into organization (org_id) select n::text from generate_series(0, 49) n;
    insert into cloud_account (account_id) select lpad(n::text, 12, '0') from generate_series(1, 500) n;
    insert into metered_period (cloud_account, organization, namespace, name, span)
    select a.id, o.id, 'customers', account_id, '[epoch,)' from cloud_account a join organization o on org_id = (account_id::bigint % 50)::text;
    insert into instance (cloud_account, instance_id, region)
    select a.id, 'i-' || n, 'us-east-1' from cloud_account a, generate_series(1, 20) n;
    insert into run (instance, cloud_account, started_at, ended_at, instance_type)
    select i.id, i.cloud_account, '2026-01-01'::timestamptz + n * interval '30 days', '2026-01-11'::timestamptz + n * interval '30 days', 'm5.large'
      from instance i, generate_series(0, 4) n;
    insert into instance_event (instance, event_id, kind, occurred_at, instance_type)
    select instance, kind || at, kind, at, instance_type
      from run, lateral (values ('power_on', started_at), ('power_off', ended_at)) as event (kind, at);
    analyze";

/// The tables read from end to end in this transaction, of those that grow for ever, and all that were read by an index. Accounts
/// and instances are few: where a good part of them is asked for, all may be read.
async fn scans(transaction: &mut PgConnection) -> (Vec<String>, Vec<String>) {
    let scanned: Vec<(String, bool, bool)> = sqlx::query_as(
        "select relname::text, seq_scan > 0, idx_scan > 0 from pg_stat_xact_user_tables
          where relname in ('cloud_account', 'instance', 'instance_event', 'run') order by relname",
    )
    .fetch_all(transaction)
    .await
    .expect("what was scanned");
    let of = |which: fn(&(String, bool, bool)) -> bool| {
        let tables = scanned.iter().filter(|table| which(table));
        tables.map(|(name, ..)| name.clone()).collect()
    };
    (
        of(|table| table.1 && ["instance_event", "run"].contains(&table.0.as_str())),
        of(|table| table.2),
    )
}

/// A transaction on a connection of its own: what another one has scanned on the same connection may not be counted off yet.
async fn transaction(database: &TestDatabase) -> PgConnection {
    let mut connection = PgConnection::connect(database.url())
        .await
        .expect("a connection");
    sqlx::query("begin")
        .execute(&mut connection)
        .await
        .expect("a transaction");
    connection
}

#[tokio::test]
async fn what_is_asked_most_reads_neither_events_nor_runs_from_end_to_end() {
    let database = TestDatabase::new().await;
    sqlx::raw_sql(FILL)
        .execute(&*database)
        .await
        .expect("filling");
    let time = |text: &str| text.parse::<Timestamp>().expect("a time");

    let mut asking = transaction(&database).await;
    let account_ids = ["000000000007", "000000000042"];
    let recipients = accounts::recipients(&mut asking, &account_ids).await;
    assert_eq!(recipients.expect("recipients").len(), 2);
    let (_, indexed) = scans(&mut asking).await;
    assert_eq!(indexed, ["cloud_account"]);
    asking.close().await.expect("rolling back");

    let mut taking_in = transaction(&database).await;
    let late: Vec<NewEvent> = (1..20)
        .map(|instance| NewEvent {
            account: AccountKey(7),
            event_id: "late".into(),
            instance_id: format!("i-{instance}"),
            region: "us-east-1".into(),
            image_id: None,
            kind: PowerOff,
            at: time("2026-01-05T00:00:00Z"),
            instance_type: None,
        })
        .collect();
    let mut changes = Changes::default();
    let recorded = record(&mut taking_in, &late, &mut changes)
        .await
        .expect("recording");
    assert_eq!((recorded.events, recorded.runs), (19, 19));
    let all = ["instance", "instance_event", "run"].map(str::to_owned);
    assert_eq!(scans(&mut taking_in).await, (vec![], all.to_vec()));
    taking_in.close().await.expect("rolling back");

    let mut reporting = transaction(&database).await;
    let day = Period::of_day(jiff::civil::date(2026, 4, 5));
    let runs = usage::runs(&mut reporting, "7", day).await.expect("runs");
    assert_eq!(runs.len(), 200);
    let (whole, indexed) = scans(&mut reporting).await;
    assert_eq!(whole, [""; 0]);
    assert!(indexed.contains(&"run".to_owned()), "{indexed:?}");
    reporting.close().await.expect("rolling back");
}
