//! A failure keeps no other file from being recorded; it is tried again if that may help.

use std::time::Duration;

use rstest::rstest;
use serde_json::json;

use super::super::consumer::{HEARTBEAT, backoff};
use super::world::{ACCOUNT, IngestWorld, gzip, key, log, notification};
use super::*;
use cloudigrade_cloud::{CloudError, ErrorKind, ObjectError};

#[tokio::test]
async fn what_cannot_be_read_is_kept_with_its_reason_and_stops_nothing() {
    let mut world = IngestWorld::new().await;
    let damaged = world.put("damaged", b"this is not gzip".to_vec());
    let mut cut = gzip(&log(&["i-9 on 10:00"]));
    cut.truncate(40);
    let cut = world.put("cut", cut);
    let digest = world.put("digest", gzip(&json!({"digestStartTime": "x"})));
    for key in [damaged, cut, digest, key(ACCOUNT, "gone")] {
        world.ingest.queue.send(&notification(&[key]), 0);
    }
    let elsewhere = notification(&[key(ACCOUNT, "good")])
        .to_string()
        .replace("\"trails\"", "\"other\"");
    world.ingest.queue.send(&json!(elsewhere), 0);
    world.ingest.queue.send(&json!("not even JSON"), 0);
    world.deliver("good", &log(&["i-1 on 10:00"]));
    let world = world.run().await;
    assert_eq!(world.runs().await, ["i-1 10:00-"]);
    let letters = world.letters().await;
    let has_reason = |text: &str| letters.iter().any(|letter| letter.contains(text));
    assert_eq!(letters.len(), 6, "{letters:#?}");
    assert!(
        has_reason("damaged.json.gz: the object is not readable as gzip")
            && has_reason("cut.json.gz"),
        "{letters:#?}"
    );
    assert!(
        has_reason("digest.json.gz") && has_reason("gone.json.gz: there is no such object"),
        "{letters:#?}"
    );
    assert!(
        has_reason("bucket other is not the trail bucket") && has_reason("not JSON of an S3"),
        "{letters:#?}"
    );
    assert_eq!((world.messages("dead_letter"), world.hidden()), (6, vec![]));
}

fn denied() -> ObjectError {
    ObjectError::Cloud(CloudError {
        kind: ErrorKind::Denied,
        service: "s3",
        operation: "GetObject",
        code: "AccessDenied".into(),
        message: "no".into(),
    })
}

#[rstest]
#[case::at_first(0, 0, vec![15], 0)]
#[case::the_fourth_time(3, 3, vec![15 * 64], 0)]
#[case::for_the_last_time(4, 4, vec![], 1)]
#[case::after_an_outage_that_took_many_receives(400, 0, vec![15], 0)]
#[tokio::test]
async fn what_may_work_later_is_tried_later_and_given_up_in_the_end(
    #[case] receives: u32,
    #[case] attempts: u32,
    #[case] hidden: Vec<u64>,
    #[case] letters: usize,
) {
    let mut world = IngestWorld::new().await;
    let refused = key(ACCOUNT, "refused");
    world
        .ingest
        .objects
        .objects
        .insert(refused.clone(), Err(denied()));
    let message = world.ingest.queue.send(&notification(&[refused]), receives);
    for _ in 0..attempts {
        world.ingest.attempts.count(&message);
    }
    world.deliver("good", &log(&["i-1 on 10:00"]));
    let world = world.run().await;
    assert_eq!(world.runs().await, ["i-1 10:00-"]);
    assert_eq!(
        world.hidden(),
        hidden
            .into_iter()
            .map(Duration::from_secs)
            .collect::<Vec<_>>()
    );
    assert_eq!(world.letters().await.len(), letters);
}

#[tokio::test]
async fn a_message_comes_back_as_long_as_one_of_its_files_may_work() {
    let mut world = IngestWorld::new().await;
    let (gone, refused) = (key(ACCOUNT, "gone"), key(ACCOUNT, "refused"));
    world
        .ingest
        .objects
        .objects
        .insert(refused.clone(), Err(denied()));
    let good = world.put("good", gzip(&log(&["i-1 on 10:00"])));
    world
        .ingest
        .queue
        .send(&notification(&[gone, refused, good]), 0);
    let world = world.run().await;
    assert_eq!(world.runs().await, ["i-1 10:00-"]);
    assert_eq!((world.hidden().len(), world.letters().await.len()), (1, 0));
}

#[tokio::test]
async fn a_file_that_the_database_refuses_leaves_nothing() {
    let mut world = IngestWorld::new().await;
    sqlx::query("alter table run add check (started_at < '2026-03-01T12:00:00Z')")
        .execute(&*world.db)
        .await
        .unwrap();
    world.deliver("refused", &log(&["i-1 on 10:00", "i-2 on 13:00"]));
    let good = world.deliver("good", &log(&["i-3 on 10:00"]));
    let world = world.run().await;
    assert_eq!(world.runs().await, ["i-3 10:00-"]);
    assert_eq!(world.files().await, [good]);
    assert_eq!(world.all("select instance_id from instance").await, ["i-3"]);
    let letters = world.letters().await;
    assert!(
        letters.len() == 1 && letters[0].contains("writing runs"),
        "{letters:?}"
    );
}

#[tokio::test]
async fn a_database_that_does_not_do_its_work_costs_no_message() {
    let mut world = IngestWorld::new().await;
    sqlx::query("alter table run rename to elsewhere")
        .execute(&*world.db)
        .await
        .unwrap();
    world.deliver("file", &log(&["i-1 on 10:00"]));
    world.ingest.queue.visible.lock().unwrap()[0].receives = 8;
    let world = world.run().await;
    assert_eq!(
        (
            world.hidden().len(),
            world.letters().await.len(),
            world.files().await.len()
        ),
        (1, 0, 0)
    );
    assert_eq!(
        world.all("select event_id from instance_event").await,
        [] as [&str; 0]
    );
}

#[tokio::test]
async fn nothing_is_taken_while_the_database_is_away() {
    let mut world = IngestWorld::new().await;
    world.deliver("file", &log(&["i-1 on 10:00"]));
    world.ingest.pool = cloudigrade_store::connect("postgres:///?host=/nowhere", 1).unwrap();
    world.ingest.health.ready(READINESS);
    let ingest = &world.ingest;
    let why = ingest.receive(Duration::ZERO).await.unwrap_err();
    assert!(why.starts_with("waiting for the database: "), "{why}");
    assert_eq!(ingest.queue.visible.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn nothing_is_taken_while_the_database_can_only_be_read() {
    let mut world = IngestWorld::new().await;
    world.deliver("file", &log(&["i-1 on 10:00"]));
    world.db.read_only(true).await;
    let ingest = &world.ingest;
    let why = ingest.receive(Duration::ZERO).await.unwrap_err();
    assert!(why.contains("read-only transaction"), "{why}");
    assert_eq!(ingest.queue.visible.lock().unwrap().len(), 1);
    world.db.read_only(false).await;
    let world = world.run().await;
    assert_eq!(world.messages("recorded"), 1);
}

#[tokio::test]
async fn a_message_that_cannot_be_deleted_is_recorded_once() {
    let mut world = IngestWorld::new().await;
    world.deliver("file", &log(&["i-1 on 10:00"]));
    *world.ingest.queue.deletes_to_fail.lock().unwrap() = 1;
    let world = world.run().await;
    assert_eq!(
        (world.messages("recorded"), world.messages("duplicate")),
        (1, 1)
    );
    assert_eq!(world.files().await.len(), 1);
}

#[tokio::test]
async fn a_missing_queue_is_explained() {
    let world = IngestWorld::new().await;
    let missing = CloudError {
        kind: ErrorKind::NotFound,
        service: "sqs",
        operation: "ReceiveMessage",
        code: "AWS.SimpleQueueService.NonExistentQueue".into(),
        message: "gone".into(),
    };
    let expected = "queue https://sqs/queue does not exist: make it or set CLOUDIGRADE_QUEUE_URL to one that does";
    assert_eq!(world.ingest.explain(&missing), expected);
}

#[test]
fn waits_grow_and_end() {
    assert_eq!([1, 2, 7, 99].map(|n| backoff(n).as_secs()), [1, 2, 60, 60]);
}

#[tokio::test]
async fn a_message_stays_invisible_to_others_while_its_files_take_long() {
    let mut world = IngestWorld::new().await;
    world.deliver("file", &log(&["i-1 on 10:00"]));
    world.ingest.objects.delay = Some(HEARTBEAT * 2 + Duration::from_secs(1));
    let world = world.run().await;
    let heartbeats = world.ingest.queue.heartbeats.lock().unwrap().len();
    assert_eq!((heartbeats, world.messages("recorded")), (2, 1));
}
