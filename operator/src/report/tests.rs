use jiff::{Timestamp, civil::Date};
use metering::cloudtrail::EventKind::{self, PowerOff, PowerOn};
use metering::usage::Period;

use super::{By, concurrent, hours};
use cloudigrade_store::events::record;
use cloudigrade_store::testing::{TestDatabase, events_of};
use cloudigrade_store::{AccountKey, Changes, NewEvent, Pool, invalidate};

const ACME: &str = "11111111";
const GLOBEX: &str = "22222222";

fn time(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

/// Noon of 22 November 2026: the day the tests are asked on.
fn now() -> Timestamp {
    time("2026-11-22T12:00:00Z")
}

fn day(day: i8) -> Date {
    jiff::civil::date(2026, 11, day)
}

/// An event on a day of November 2026, written `20T10:00`.
fn event(kind: EventKind, instance: &str, image: &str, at: &str) -> NewEvent {
    NewEvent {
        account: AccountKey(0),
        event_id: format!("{instance} {kind:?} {at}"),
        instance_id: instance.into(),
        region: "us-east-1".into(),
        image_id: Some(image.into()),
        kind,
        at: time(&format!("2026-11-{at}:00Z")),
        instance_type: None,
    }
}

async fn record_all(database: &TestDatabase, account: AccountKey, events: &[NewEvent]) {
    database.record(&events_of(account, events)).await;
}

/// Leaves the result of an inspection.
async fn inspected(database: &TestDatabase, image: &str, rhel: bool, distribution: &str) {
    let key: i64 = sqlx::query_scalar(
        r#"update image
              set architecture = 'x86_64', inspection = 'inspected', inspected_at = now(), rhel_found = $2,
                  distribution = $3, facts = '{"syspurpose": {"role": "Red Hat Enterprise Linux Server", "usage": null}}'
            where image_id = $1 returning id"#,
    )
    .bind(image)
    .bind(rhel)
    .bind(distribution)
    .fetch_one(&**database)
    .await
    .expect("an image");
    database.image_changed(key).await;
}

/// The most on each day from the 19th to the 22nd.
async fn most(pool: &Pool, org_id: &str) -> Vec<u64> {
    let days = concurrent(pool, org_id, day(19), day(22), now())
        .await
        .expect("concurrent usage");
    assert_eq!(
        days.iter().map(|day| day.date).collect::<Vec<_>>(),
        [day(19), day(20), day(21), day(22)]
    );
    days.iter().map(super::Day::most).collect()
}

async fn kept(database: &TestDatabase) -> Vec<String> {
    sqlx::query_scalar("select org_id || ' ' || day from usage_day join organization on organization.id = organization order by 1")
        .fetch_all(&**database)
        .await
        .expect("the kept days")
}

#[tokio::test]
async fn usage_is_what_ran_at_once_of_an_organizations_own_rhel() {
    let database = TestDatabase::new().await;
    let acme = database.enrol("210987654321", ACME).await;
    let globex = database.enrol("310987654321", GLOBEX).await;
    let events = [
        event(PowerOn, "i-1", "ami-rhel", "20T10:00"),
        event(PowerOn, "i-2", "ami-rhel", "20T11:00"),
        event(PowerOff, "i-1", "ami-rhel", "20T12:00"),
        event(PowerOff, "i-2", "ami-rhel", "21T00:00"),
        event(PowerOn, "i-3", "ami-debian", "20T10:00"),
        event(PowerOn, "i-4", "ami-rhel", "22T09:00"),
    ];
    record_all(&database, acme, &events).await;
    record_all(
        &database,
        globex,
        &[event(PowerOn, "i-5", "ami-rhel", "21T10:00")],
    )
    .await;
    assert_eq!(
        most(&database, ACME).await,
        [0, 0, 0, 0],
        "nobody has looked into the images"
    );

    inspected(&database, "ami-rhel", true, "rhel").await;
    inspected(&database, "ami-debian", false, "debian").await;
    assert_eq!(most(&database, ACME).await, [0, 2, 0, 1]);
    assert_eq!(most(&database, GLOBEX).await, [0, 0, 1, 1]);

    let days = concurrent(&database, ACME, day(20), day(20), now())
        .await
        .expect("concurrent usage");
    let server = days[0]
        .maximum_counts
        .iter()
        .filter(|count| count.role == "Red Hat Enterprise Linux Server");
    assert_eq!(
        server
            .map(|count| count.instances_count)
            .collect::<Vec<_>>(),
        [2; 8]
    );
}

#[tokio::test]
async fn days_that_are_over_are_kept_until_what_they_rest_on_changes() {
    let database = TestDatabase::new().await;
    let acme = database.enrol("210987654321", ACME).await;
    record_all(
        &database,
        acme,
        &[event(PowerOn, "i-1", "ami-rhel", "20T10:00")],
    )
    .await;
    inspected(&database, "ami-rhel", true, "rhel").await;

    assert_eq!(most(&database, ACME).await, [0, 1, 1, 1]);
    let over = [
        "11111111 2026-11-19",
        "11111111 2026-11-20",
        "11111111 2026-11-21",
    ];
    assert_eq!(kept(&database).await, over, "today is not over");
    assert_eq!(
        most(&database, ACME).await,
        [0, 1, 1, 1],
        "read again, from what is kept"
    );

    record_all(
        &database,
        acme,
        &[event(PowerOff, "i-1", "ami-rhel", "21T00:00")],
    )
    .await;
    assert_eq!(
        kept(&database).await,
        over[..2],
        "the 20th is as it was: the run ended as the day did"
    );
    assert_eq!(most(&database, ACME).await, [0, 1, 0, 0]);

    inspected(&database, "ami-rhel", false, "centos").await;
    assert_eq!(most(&database, ACME).await, [0, 0, 0, 0]);
}

#[tokio::test]
async fn nothing_is_kept_that_a_change_under_way_makes_wrong() {
    let database = TestDatabase::new().await;
    let acme = database.enrol("210987654321", ACME).await;
    record_all(
        &database,
        acme,
        &[event(PowerOn, "i-1", "ami-rhel", "20T10:00")],
    )
    .await;
    inspected(&database, "ami-rhel", true, "rhel").await;

    let mut change = database.begin().await.expect("a transaction");
    let mut changes = Changes::default();
    let off = events_of(acme, &[event(PowerOff, "i-1", "ami-rhel", "20T11:00")]);
    record(&mut change, &off, &mut changes)
        .await
        .expect("recording");
    invalidate(&mut change, &changes)
        .await
        .expect("invalidating");
    let pool = (*database).clone();
    let reader = tokio::spawn(async move { most(&pool, ACME).await });
    // The reader has got as far as it can: it has an answer, or it waits for the change.
    let reads = "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'";
    loop {
        let waiting: i64 = sqlx::query_scalar(reads)
            .fetch_one(&*database)
            .await
            .expect("the activity");
        if waiting > 0 || reader.is_finished() {
            break;
        }
        tokio::task::yield_now().await;
    }
    change.commit().await.expect("committing the change");
    reader.await.expect("the reader's answer");
    assert_eq!(most(&database, ACME).await, [0, 1, 0, 0]);
}

#[tokio::test]
async fn hours_are_by_distribution_and_up_to_now() {
    let database = TestDatabase::new().await;
    let acme = database.enrol("210987654321", ACME).await;
    let events = [
        event(PowerOn, "i-1", "ami-rhel", "19T22:00"),
        event(PowerOff, "i-1", "ami-rhel", "20T01:30"),
        event(PowerOn, "i-2", "ami-rhel", "22T11:00"),
        event(PowerOn, "i-3", "ami-debian", "22T11:30"),
        event(PowerOn, "i-4", "ami-new", "22T11:45"),
        event(PowerOn, "i-5", "ami-windows", "21T11:00"),
        event(PowerOff, "i-5", "ami-windows", "21T12:00"),
    ];
    record_all(&database, acme, &events).await;
    inspected(&database, "ami-rhel", true, "rhel").await;
    inspected(&database, "ami-debian", false, "debian").await;
    sqlx::query("update image set platform = 'windows' where image_id = 'ami-windows'")
        .execute(&*database)
        .await
        .expect("an image");

    let period = Period::of_days(day(20), day(30));
    let hours = hours(&database, ACME, period, &[By::Distribution], now())
        .await
        .expect("hours");
    let hours: Vec<_> = hours
        .iter()
        .map(|row| (row.group[0].1.as_str(), row.hours, row.seconds))
        .collect();
    assert_eq!(
        hours,
        [
            ("debian", 0.5, 1_800),
            ("rhel", 2.5, 9_000),
            ("unknown", 0.25, 900),
            ("windows", 1.0, 3_600)
        ]
    );
}

#[tokio::test]
async fn hours_are_sized_and_told_apart_by_what_is_asked() {
    let database = TestDatabase::new().await;
    let of_type = |instance: &str, image: &str, type_: &str, on: &str, off: &str| {
        [(PowerOn, on), (PowerOff, off)].map(|(kind, at)| NewEvent {
            instance_type: Some(type_.into()),
            ..event(kind, instance, image, at)
        })
    };
    for (account, instance) in [("210987654321", "i-1"), ("310987654321", "i-2")] {
        let account = database.enrol(account, ACME).await;
        let events = [
            of_type(instance, "ami-a", "m5.large", "20T00:00", "20T01:00"),
            of_type("i-b", "ami-b", "x9.huge", "20T00:00", "20T04:00"),
        ];
        record_all(&database, account, events.as_flattened()).await;
    }
    sqlx::query(
        "insert into instance_type (name, vcpus, memory_mib, described_at)
         values ('m5.large', 2, 8192, now()), ('x9.huge', null, null, now())",
    )
    .execute(&*database)
    .await
    .expect("types");

    let by = async |by: &[By]| {
        let period = Period::of_day(day(20));
        let rows = hours(&database, ACME, period, by, now()).await;
        let row = |row: &super::Hours| {
            let group: Vec<&str> = row.group.iter().map(|(_, value)| value.as_str()).collect();
            let sized = row.vcpu_hours.zip(row.memory_gib_hours);
            (group.join(" "), row.hours, sized, row.unsized_hours)
        };
        rows.expect("hours").iter().map(row).collect::<Vec<_>>()
    };
    let (small, large) = (Some((4.0, 16.0)), None);
    assert_eq!(
        by(&[By::Type, By::Region]).await,
        [
            ("m5.large us-east-1".into(), 2.0, small, 0.0),
            ("x9.huge us-east-1".into(), 8.0, large, 8.0)
        ]
    );
    let each = Some((2.0, 8.0));
    assert_eq!(
        by(&[By::Account]).await,
        [
            ("210987654321".into(), 5.0, each, 4.0),
            ("310987654321".into(), 5.0, each, 4.0)
        ]
    );
    assert_eq!(
        by(&[By::Image, By::Account]).await[0],
        ("ami-a 210987654321".into(), 1.0, each, 0.0)
    );
}

#[tokio::test]
async fn a_days_most_is_explained_by_the_instances_that_made_it() {
    let database = TestDatabase::new().await;
    let acme = database.enrol("210987654321", ACME).await;
    record_all(
        &database,
        acme,
        &[
            event(PowerOn, "i-1", "ami-rhel", "20T10:00"),
            event(PowerOn, "i-2", "ami-rhel", "20T11:00"),
            event(PowerOff, "i-1", "ami-rhel", "20T12:00"),
            event(PowerOn, "i-3", "ami-other", "20T11:30"),
        ],
    )
    .await;
    inspected(&database, "ami-rhel", true, "rhel").await;
    let told = super::explain(&database, ACME, day(20), now())
        .await
        .expect("an explanation");
    let ids = |counted: &[super::Counted]| -> Vec<String> {
        counted.iter().map(|c| c.instance_id.clone()).collect()
    };
    assert_eq!(
        (told.most, ids(&told.instances)),
        (2, vec!["i-1".into(), "i-2".into()])
    );
    assert_eq!(told.since, Some(time("2026-11-20T11:00:00Z")));
    assert_eq!(told.until, Some(time("2026-11-20T12:00:00Z")));

    let runs = super::runs(&database, ACME, Period::of_day(day(20)))
        .await
        .expect("runs");
    let shown: Vec<_> = runs
        .iter()
        .map(|run| (run.instance_id.as_str(), run.end.is_some(), run.rhel))
        .collect();
    assert_eq!(
        shown,
        [
            ("i-1", true, Some(true)),
            ("i-2", false, Some(true)),
            ("i-3", false, None)
        ]
    );
}
