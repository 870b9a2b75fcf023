//! Rows after events were recorded.

mod side_by_side;

use jiff::Timestamp;
use metering::cloudtrail::{EventKind, ImageTag, Tag};
use metering::runs::{Event, Run, runs};
use rstest::rstest;

use super::*;
use crate::testing::{TestDatabase, events_of};
use crate::usage_days::{DayCounts, cache};
use crate::{enrolments, invalidate, organizations};

const NOON: i64 = 1_772_366_400; // 2026-03-01T12:00:00Z

fn at(minute: i64) -> Timestamp {
    Timestamp::from_second(NOON + 60 * minute).unwrap()
}

/// `"i-1 on 5"`, `"i-1 off 9"`, `"i-1 type 5 m5.large"`: what happened to which instance in which minute; its words are its id.
fn event(text: &str) -> NewEvent {
    let words: Vec<&str> = text.split(' ').collect();
    NewEvent {
        account: AccountKey(0),
        event_id: text.to_owned(),
        instance_id: words[0].to_owned(),
        region: "us-east-1".into(),
        image_id: Some("ami-1".into()).filter(|_| words[1] == "on"),
        kind: match words[1] {
            "on" => EventKind::PowerOn,
            "off" => EventKind::PowerOff,
            _ => EventKind::AttributeChange,
        },
        at: at(words[2].parse().unwrap()),
        instance_type: words.get(3).map(|t| (*t).to_owned()),
    }
}

fn events(texts: &[&str]) -> Vec<NewEvent> {
    texts.iter().map(|text| event(text)).collect()
}

async fn record_all(db: &TestDatabase, account: AccountKey, events: &[NewEvent]) -> RecordedEvents {
    db.record(&events_of(account, events)).await
}

/// Every run, as `instance start-end type` in minutes from noon.
async fn stored_runs(db: &TestDatabase) -> Vec<String> {
    sqlx::query_scalar(
        "select instance_id || ' ' || extract(epoch from started_at - to_timestamp($1))::bigint / 60
                || '-' || case when ended_at < 'infinity' then (extract(epoch from ended_at - to_timestamp($1))::bigint / 60)::text else '' end
                || coalesce(' ' || instance_type, '')
           from run join instance on instance.id = run.instance order by instance_id, started_at",
    )
    .bind(NOON as f64)
    .fetch_all(&**db)
    .await
    .unwrap()
}

async fn keep_usage(db: &TestDatabase, org: &str, days: &[&str]) {
    for day in days {
        sqlx::query("insert into usage_day select id, $2::date, '[]' from organization where org_id = $1 on conflict do nothing")
            .bind(org)
            .bind(day)
            .execute(&**db)
            .await
            .unwrap();
    }
}

async fn kept_usage(db: &TestDatabase, org: &str) -> Vec<String> {
    sqlx::query_scalar("select day::text from usage_day join organization on organization.id = organization where org_id = $1 order by day")
        .bind(org)
        .fetch_all(&**db)
        .await
        .unwrap()
}

#[tokio::test]
async fn events_make_instances_images_and_runs() {
    let db = TestDatabase::new().await;
    let account = db.enrol("210987654321", "org").await;
    let recorded = record_all(
        &db,
        account,
        &events(&["i-1 on 0 t3.micro", "i-1 off 5", "i-2 on 3"]),
    )
    .await;
    assert_eq!(recorded, RecordedEvents { events: 3, runs: 2 });
    assert_eq!(stored_runs(&db).await, ["i-1 0-5 t3.micro", "i-2 3-"]);
    let images: Vec<String> = sqlx::query_scalar(
        "select i.instance_id || ' ' || m.image_id from instance i join image m on m.id = i.image order by 1",
    )
    .fetch_all(&*db)
    .await
    .unwrap();
    assert_eq!(images, ["i-1 ami-1", "i-2 ami-1"]);
}

#[tokio::test]
async fn a_repetition_writes_nothing() {
    let db = TestDatabase::new().await;
    let account = db.enrol("210987654321", "org").await;
    let seen = events(&["i-1 on 0", "i-1 on 0", "i-1 off 5"]);
    assert_eq!(
        record_all(&db, account, &seen).await,
        RecordedEvents { events: 2, runs: 1 }
    );
    let state = "select (select changed_at::text from cloud_account) || (select version::text from organization) || (select string_agg(xmin::text, ' ') from run)";
    let before: String = sqlx::query_scalar(state).fetch_one(&*db).await.unwrap();
    assert_eq!(
        record_all(&db, account, &seen).await,
        RecordedEvents::default()
    );
    let after: String = sqlx::query_scalar(state).fetch_one(&*db).await.unwrap();
    assert_eq!(before, after);
}

#[rstest]
#[case::ordered(&["i-1 on 0, i-1 off 10", "i-1 on 20 m5.large"])]
#[case::backwards(&["i-1 on 20 m5.large", "i-1 off 10", "i-1 on 0"])]
#[case::twice(&["i-1 off 10", "i-1 on 0, i-1 on 20 m5.large", "i-1 on 0, i-1 off 10"])]
#[tokio::test]
async fn any_order_over_any_files_gives_the_runs_of_the_pure_function(#[case] files: &[&str]) {
    let db = TestDatabase::new().await;
    let account = db.enrol("210987654321", "org").await;
    let files: Vec<Vec<NewEvent>> = files
        .iter()
        .map(|file| file.split(", ").map(event).collect())
        .collect();
    for file in &files {
        record_all(&db, account, file).await;
    }
    let pure = runs(
        files
            .concat()
            .into_iter()
            .map(|e| Event {
                at: e.at,
                kind: e.kind,
                id: e.event_id,
                instance_type: e.instance_type,
            })
            .collect(),
    );
    let minute = |at: Timestamp| (at.as_second() - NOON) / 60;
    let text = |run: Run| {
        let end = run
            .end
            .map(|end| minute(end).to_string())
            .unwrap_or_default();
        let of_type = run
            .instance_type
            .map(|t| format!(" {t}"))
            .unwrap_or_default();
        format!("i-1 {}-{end}{of_type}", minute(run.start))
    };
    assert_eq!(
        stored_runs(&db).await,
        pure.into_iter().map(text).collect::<Vec<_>>()
    );
}

#[tokio::test]
async fn writers_side_by_side_lose_nothing() {
    let db = TestDatabase::new().await;
    let account = db.enrol("210987654321", "org").await;
    let files: Vec<Vec<NewEvent>> = (0..20)
        .map(|n| {
            let texts = [
                format!("i-1 on {}", 2 * n),
                format!("i-1 off {}", 2 * n + 1),
                format!("i-{n} on 100"),
            ];
            texts.iter().map(|text| event(text)).collect()
        })
        .collect();
    // Every file twice, as two pods that got the same message would.
    let writers = files
        .iter()
        .chain(files.iter().rev())
        .map(|file| record_all(&db, account, file));
    let recorded = futures::future::join_all(writers).await;
    assert_eq!(recorded.iter().map(|r| r.events).sum::<u64>(), 60);
    let runs = stored_runs(&db).await;
    assert_eq!(
        runs.iter().filter(|run| run.starts_with("i-1 ")).count(),
        21
    );
    assert_eq!(runs.len(), 21 + 19);
}

#[tokio::test]
async fn just_the_days_that_changed_are_dropped() {
    let db = TestDatabase::new().await;
    let account = db.enrol("210987654321", "org").await;
    db.enrol("310987654321", "other").await;
    let day = 24 * 60;
    let days = [
        "2026-02-28",
        "2026-03-01",
        "2026-03-02",
        "2026-03-03",
        "2026-03-04",
    ];
    keep_usage(&db, "org", &days).await;
    keep_usage(&db, "other", &days).await;

    record_all(&db, account, &events(&[&format!("i-1 on {day}")])).await;
    assert_eq!(
        kept_usage(&db, "org").await,
        ["2026-02-28", "2026-03-01"],
        "an open run goes on"
    );

    keep_usage(&db, "org", &days).await;
    record_all(&db, account, &events(&[&format!("i-1 off {}", 2 * day)])).await;
    assert_eq!(
        kept_usage(&db, "org").await,
        ["2026-02-28", "2026-03-01", "2026-03-02"],
        "it ended on the third"
    );
    assert_eq!(kept_usage(&db, "other").await, days);
}

#[tokio::test]
async fn an_image_learnt_late_drops_the_days_its_instance_ran() {
    let db = TestDatabase::new().await;
    let account = db.enrol("210987654321", "org").await;
    let mut start = event("i-1 on 0");
    start.image_id = None;
    record_all(&db, account, &[start, event("i-1 off 5")]).await;
    keep_usage(&db, "org", &["2026-02-28", "2026-03-01"]).await;
    let mut named = event("i-1 type 3 t3.micro");
    named.image_id = Some("ami-1".into());
    named.event_id = "i-1 on 0".into();
    assert_eq!(record_all(&db, account, &[named]).await.events, 0);
    assert_eq!(kept_usage(&db, "org").await, ["2026-02-28"]);
}

fn tag(minute: i64, tag: Tag, present: bool) -> ImageTag {
    ImageTag {
        event_id: minute.to_string(),
        account_id: "210987654321".into(),
        region: "us-east-1".into(),
        image_id: "ami-1".into(),
        tag,
        present,
        at: at(minute),
    }
}

async fn apply(db: &TestDatabase, tags: &[ImageTag]) -> u64 {
    let mut transaction = db.begin().await.unwrap();
    let mut changes = Changes::default();
    let changed = images::apply_tags(&mut transaction, tags, &mut changes)
        .await
        .unwrap();
    invalidate(&mut transaction, &changes).await.unwrap();
    transaction.commit().await.unwrap();
    changed
}

#[tokio::test]
async fn the_newest_tag_wins_across_files_and_drops_days() {
    let db = TestDatabase::new().await;
    let account = db.enrol("210987654321", "org").await;
    record_all(&db, account, &events(&["i-1 on 0", "i-1 off 5"])).await;
    keep_usage(&db, "org", &["2026-02-28", "2026-03-01", "2026-03-02"]).await;
    let tags = || async {
        let row: (bool, bool) = sqlx::query_as("select rhel_tag, openshift_tag from image")
            .fetch_one(&*db)
            .await
            .unwrap();
        row
    };

    assert_eq!(
        apply(&db, &[tag(7, Tag::Rhel, true), tag(3, Tag::Rhel, false)]).await,
        1
    );
    assert_eq!(tags().await, (true, false));
    assert_eq!(kept_usage(&db, "org").await, ["2026-02-28", "2026-03-02"]);

    assert_eq!(
        apply(&db, &[tag(5, Tag::Rhel, false)]).await,
        0,
        "older than what is known"
    );
    assert_eq!(
        apply(&db, &[tag(7, Tag::Rhel, false)]).await,
        0,
        "in the same second setting it wins"
    );
    assert_eq!(
        apply(
            &db,
            &[tag(9, Tag::Rhel, false), tag(9, Tag::OpenShift, true)]
        )
        .await,
        1
    );
    assert_eq!(tags().await, (false, true));
}

#[tokio::test]
async fn a_tag_on_an_unknown_image_makes_it_known() {
    let db = TestDatabase::new().await;
    assert_eq!(apply(&db, &[tag(0, Tag::Rhel, true)]).await, 1);
    let known: (String, String, bool) =
        sqlx::query_as("select image_id, region, described_at is null from image")
            .fetch_one(&*db)
            .await
            .unwrap();
    assert_eq!(known, ("ami-1".into(), "us-east-1".into(), true));
}

/// A day is computed from facts that another connection changes meanwhile, before or after it is kept.
#[rstest]
#[case::before_it_is_kept(true)]
#[case::after_it_was_kept(false)]
#[tokio::test]
async fn a_day_is_not_kept_when_its_facts_change_meanwhile(#[case] writer_first: bool) {
    let db = TestDatabase::new().await;
    let account = db.enrol("210987654321", "org").await;
    let mut report = db.begin().await.unwrap();
    let version = organizations::version(&mut *report, "org").await.unwrap();
    let days = [(jiff::civil::date(2026, 3, 1), DayCounts::of(&[]).unwrap())];
    let events = events(&["i-1 on 0", "i-1 off 5"]);
    if writer_first {
        record_all(&db, account, &events).await;
    }
    cache(&mut report, version.unwrap(), &days).await.unwrap();
    if writer_first {
        report.commit().await.unwrap();
    } else {
        // The writer waits for the reader's lock, and then sees the day.
        let write = record_all(&db, account, &events);
        let commit = async { report.commit().await.unwrap() };
        tokio::join!(write, commit);
    }
    assert!(kept_usage(&db, "org").await.is_empty());
}

#[tokio::test]
async fn a_day_whose_facts_do_not_change_is_kept() {
    let db = TestDatabase::new().await;
    db.enrol("210987654321", "org").await;
    let other = db.enrol("310987654321", "other").await;
    let mut report = db.begin().await.unwrap();
    let version = organizations::version(&mut *report, "org").await.unwrap();
    record_all(&db, other, &events(&["i-1 on 0", "i-1 off 5"])).await;
    let days = [(jiff::civil::date(2026, 3, 1), DayCounts::of(&[]).unwrap())];
    cache(&mut report, version.unwrap(), &days).await.unwrap();
    report.commit().await.unwrap();
    assert_eq!(kept_usage(&db, "org").await, ["2026-03-01"]);
}
