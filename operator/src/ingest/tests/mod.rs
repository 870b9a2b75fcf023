//! Messages in, rows out: a queue and a bucket in memory, a real database.

mod failures;
mod world;

use std::time::Duration;

use rstest::rstest;
use serde_json::json;

use self::world::{ACCOUNT, IngestWorld, log, notification, record};
use super::message::PARALLEL_READS;
use super::*;

#[tokio::test]
async fn files_become_runs_in_whatever_order_and_however_often_they_are_notified() {
    let mut world = IngestWorld::new().await;
    let late = world.deliver("late", &log(&["i-1 off 10:30", "i-2 on 11:00"]));
    let early = world.deliver("early", &log(&["i-1 on 10:00"]));
    world
        .ingest
        .queue
        .send(&notification(&[early.clone(), late.clone()]), 0);
    let world = world.run().await;
    assert_eq!(world.runs().await, ["i-1 10:00-10:30", "i-2 11:00-"]);
    assert_eq!(world.files().await, [early, late]);
    assert_eq!(
        (world.messages("recorded"), world.messages("duplicate")),
        (2, 1)
    );
    assert!(world.ingest.health.is_ready(READINESS));
}

#[tokio::test]
async fn two_pods_that_get_the_same_messages_count_them_once() {
    let mut world = IngestWorld::new().await;
    let mut other = IngestWorld::ingest(&world.db);
    for n in 0..12 {
        let (on, off) = (
            format!("i-{} on 10:{n:02}", n % 3),
            format!("i-{} off 10:{n:02}", n % 5),
        );
        let key = world.deliver(&format!("file-{n}"), &log(&[&on, &off]));
        other.queue.send(&notification(&[key]), 0);
    }
    other.objects.objects = world.ingest.objects.objects.clone();
    let stop = other.queue.settled.clone();
    let (world, ()) = tokio::join!(world.run(), other.consume(&stop));
    assert_eq!(world.files().await.len(), 12);
    assert_eq!(
        world.all("select count(*)::text from instance_event").await,
        ["24"]
    );
}

#[tokio::test]
async fn a_bad_record_is_skipped_and_the_rest_of_its_file_counts() {
    let mut world = IngestWorld::new().await;
    let mut file = log(&["i-1 on 10:00", "i-2 on 10:00", "i-3 on 10:00"]);
    file["Records"][1]["eventTime"] = json!("yesterday");
    world.deliver("file", &file);
    let world = world.run().await;
    assert_eq!(world.runs().await, ["i-1 10:00-", "i-3 10:00-"]);
    assert_eq!((world.records("event"), world.records("malformed")), (2, 1));
}

#[rstest]
#[case::suspended(
    "update metered_period set span = '[epoch, 2026-02-01)'",
    "20260301T1205Z"
)]
#[case::not_metered_yet("update metered_period set span = '[2026-04-01,)'", "20260301T1205Z")]
#[case::never_enabled("delete from metered_period", "20260301T1205Z")]
#[case::never_enabled_and_no_time("delete from metered_period", "file")]
#[tokio::test]
async fn nothing_is_read_for_an_account_that_nobody_meters(
    #[case] change: &'static str,
    #[case] time: &str,
) {
    let mut world = IngestWorld::new().await;
    sqlx::query(change).execute(&*world.db).await.unwrap();
    let name = format!("{ACCOUNT}_CloudTrail_us-east-1_{time}_a");
    world.deliver(&name, &log(&["i-1 on 10:00"]));
    let world = world.run().await;
    assert!(world.ingest.objects.read.lock().unwrap().is_empty());
    assert_eq!(
        (
            world.messages("ignored"),
            world.hidden(),
            world.files().await.len()
        ),
        (1, vec![], 0)
    );
}

#[tokio::test]
async fn a_late_file_from_before_a_suspension_counts() {
    let mut world = IngestWorld::new().await;
    sqlx::query("update metered_period set span = '[epoch, 2026-03-01T10:30Z)'")
        .execute(&*world.db)
        .await
        .unwrap();
    let name = format!("{ACCOUNT}_CloudTrail_us-east-1_20260302T0900Z_a");
    world.deliver(&name, &log(&["i-1 on 10:00", "i-2 on 11:00"]));
    let world = world.run().await;
    assert_eq!(world.runs().await, ["i-1 10:00-10:30"]);
}

#[tokio::test]
async fn test_events_and_other_files_are_passed_over() {
    let world = IngestWorld::new().await;
    world
        .ingest
        .queue
        .send(&json!({"Service": "Amazon S3", "Event": "s3:TestEvent"}), 0);
    world.ingest.queue.send(
        &notification(&[format!("AWSLogs/{ACCOUNT}/CloudTrail-Digest/x.json.gz")]),
        0,
    );
    let world = world.run().await;
    assert_eq!(
        (world.messages("ignored"), world.letters().await.len()),
        (2, 0)
    );
}

#[tokio::test]
async fn records_of_another_account_do_not_count() {
    let mut world = IngestWorld::new().await;
    let mut file = log(&["i-2 on 10:00"]);
    let foreign = record("310987654321", "i-3 on 10:30");
    file["Records"].as_array_mut().unwrap().push(foreign);
    world.deliver("file", &file);
    let world = world.run().await;
    assert_eq!(world.runs().await, ["i-2 10:00-"]);
    assert_eq!(world.records("other_account"), 1);
}

#[tokio::test]
async fn an_instance_from_before_its_account_was_metered_counts_from_then_on() {
    let mut world = IngestWorld::new().await;
    sqlx::query("update metered_period set span = '[2026-03-01T10:00Z,)'")
        .execute(&*world.db)
        .await
        .unwrap();
    world.deliver("file", &log(&["i-1 on 09:59", "i-2 on 10:05"]));
    let world = world.run().await;
    assert_eq!(world.runs().await, ["i-1 10:00-", "i-2 10:05-"]);
}

#[tokio::test]
async fn records_from_before_what_is_kept_do_not_count() {
    let mut world = IngestWorld::new().await;
    sqlx::query("insert into retention (kept_since) values ('2026-03-01T10:00Z')")
        .execute(&*world.db)
        .await
        .unwrap();
    world.deliver("file", &log(&["i-1 on 09:59", "i-2 on 10:00"]));
    let world = world.run().await;
    assert_eq!(world.runs().await, ["i-2 10:00-"]);
    assert_eq!(world.records("expired"), 1);
}

#[tokio::test]
async fn tags_of_images_are_recorded() {
    let mut world = IngestWorld::new().await;
    let tag = json!({"Records": [{
        "eventVersion": "1.08", "eventID": "tag", "eventTime": "2026-03-01T10:00:00Z", "eventSource": "ec2.amazonaws.com",
        "eventName": "CreateTags", "awsRegion": "us-east-1", "readOnly": false,
        "recipientAccountId": ACCOUNT, "userIdentity": {"type": "IAMUser", "accountId": ACCOUNT},
        "requestParameters": {
            "resourcesSet": {"items": [{"resourceId": "ami-7"}]},
            "tagSet": {"items": [{"key": "cloudigrade-rhel-present", "value": ""}]},
        },
        "responseElements": {"_return": true},
    }]});
    world.deliver("file", &tag);
    let world = world.run().await;
    assert_eq!(
        world.all("select image_id from image where rhel_tag").await,
        ["ami-7"]
    );
}

#[tokio::test]
async fn when_stopped_it_finishes_what_it_began_and_gives_back_the_rest() {
    let mut world = IngestWorld::new().await;
    for n in 0..6 {
        world.deliver(&format!("file-{n}"), &log(&[&format!("i-{n} on 10:00")]));
    }
    world.ingest.objects.stop = Some(world.ingest.queue.settled.clone());
    let world = world.run().await;
    let recorded = world.messages("recorded");
    assert!(
        (1..=PARALLEL_READS as u64).contains(&recorded),
        "{recorded}"
    );
    assert_eq!(world.files().await.len() as u64, recorded);
    assert_eq!(world.hidden(), vec![Duration::ZERO; 6 - recorded as usize]);
    assert!(world.ingest.queue.in_flight.lock().unwrap().is_empty());
}
