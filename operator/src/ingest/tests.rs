//! Messages in, rows out: a queue and a bucket in memory, a real database.

use std::collections::{BTreeMap, VecDeque};
use std::future::pending;
use std::io::Write;
use std::sync::Mutex;

use flate2::Compression;
use flate2::write::GzEncoder;
use rstest::rstest;
use serde_json::{Value, json};

use super::settle::{AT_ONCE, retry_after};
use super::*;
use crate::cloud::{Kind, Object, ObjectError};
use crate::observe::Outcome;
use crate::store;
use crate::store::testing::TestDatabase;

const ACCOUNT: &str = "210987654321";

/// Stops the taker once every message is deleted or hidden.
#[derive(Default)]
struct FakeQueue {
    visible: Mutex<VecDeque<Message>>,
    in_flight: Mutex<BTreeMap<String, Message>>,
    hidden: Mutex<Vec<Duration>>,
    deletes_to_fail: Mutex<u32>,
    settled: CancellationToken,
}

impl FakeQueue {
    fn send(&self, body: &Value, receives: u32) {
        let mut visible = self.visible.lock().unwrap();
        let id = format!("message-{}", visible.len());
        let body = body
            .as_str()
            .map_or_else(|| body.to_string(), ToOwned::to_owned);
        visible.push_back(Message {
            receipt: id.clone(),
            id,
            body,
            receives,
        });
    }
}

impl FakeQueue {
    fn hand_out(&self) -> Vec<Message> {
        let mut visible = self.visible.lock().unwrap();
        let mut in_flight = self.in_flight.lock().unwrap();
        let count = visible.len().min(10);
        let received: Vec<Message> = visible
            .drain(..count)
            .map(|message| Message {
                receives: message.receives + 1,
                ..message
            })
            .collect();
        in_flight.extend(received.iter().map(|m| (m.receipt.clone(), m.clone())));
        if in_flight.is_empty() {
            self.settled.cancel();
        }
        received
    }
}

impl Queue for FakeQueue {
    async fn receive(&self, _: Duration) -> Result<Vec<Message>, CloudError> {
        let received = self.hand_out();
        if received.is_empty() {
            pending().await
        } else {
            Ok(received)
        }
    }

    async fn delete(&self, receipts: &[String]) -> Result<Vec<String>, CloudError> {
        let mut to_fail = self.deletes_to_fail.lock().unwrap();
        let mut in_flight = self.in_flight.lock().unwrap();
        let mut failed = Vec::new();
        for receipt in receipts {
            let Some(message) = in_flight.remove(receipt) else {
                continue;
            };
            if *to_fail > 0 {
                *to_fail -= 1;
                self.visible.lock().unwrap().push_back(message);
                failed.push(receipt.clone());
            }
        }
        Ok(failed)
    }

    async fn hide(&self, receipt: &str, time: Duration) -> Result<(), CloudError> {
        self.in_flight.lock().unwrap().remove(receipt);
        self.hidden.lock().unwrap().push(time);
        Ok(())
    }
}

#[derive(Default)]
struct FakeObjects {
    objects: BTreeMap<String, Result<Vec<u8>, ObjectError>>,
    read: Mutex<Vec<String>>,
    /// Asked to stop with the first read.
    stop: Option<CancellationToken>,
}

impl Objects for FakeObjects {
    async fn get(&self, _: &str, key: &str, _: usize) -> Result<Object, ObjectError> {
        self.read.lock().unwrap().push(key.to_owned());
        if let Some(stop) = &self.stop {
            stop.cancel();
        }
        let bytes = self
            .objects
            .get(key)
            .cloned()
            .unwrap_or(Err(ObjectError::Missing))?;
        Ok(Object {
            etag: format!("{}-bytes", bytes.len()),
            bytes,
        })
    }
}

fn key(account: &str, name: &str) -> String {
    format!("AWSLogs/{account}/CloudTrail/us-east-1/2026/03/01/{name}.json.gz")
}

fn told(keys: &[String]) -> Value {
    let records: Vec<Value> = keys
        .iter()
        .map(|key| json!({"eventName": "ObjectCreated:Put", "s3": {"bucket": {"name": "trails"}, "object": {"key": key}}}))
        .collect();
    json!({"Records": records})
}

fn gzip(value: &Value) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(value.to_string().as_bytes()).unwrap();
    encoder.finish().unwrap()
}

/// `"i-1 on 10:05"` or `"i-1 off 10:09"`, as a call to EC2 on the first of March.
fn record(account: &str, text: &str) -> Value {
    let words: Vec<&str> = text.split(' ').collect();
    let item = match words[1] {
        "on" => json!({"instanceId": words[0], "imageId": "ami-1", "instanceType": "t3.micro"}),
        _ => json!({"instanceId": words[0], "currentState": {"name": "stopping"}}),
    };
    json!({
        "eventVersion": "1.08", "eventID": text, "eventTime": format!("2026-03-01T{}:00Z", words[2]),
        "eventSource": "ec2.amazonaws.com", "awsRegion": "us-east-1", "readOnly": false,
        "eventName": if words[1] == "on" { "RunInstances" } else { "StopInstances" },
        "recipientAccountId": account, "userIdentity": {"type": "IAMUser", "accountId": account},
        "requestParameters": {"instanceType": "t3.micro"},
        "responseElements": {"instancesSet": {"items": [item]}},
    })
}

fn log(texts: &[&str]) -> Value {
    json!({"Records": texts.iter().map(|text| record(ACCOUNT, text)).collect::<Vec<_>>()})
}

struct World {
    db: TestDatabase,
    ingest: Ingest<FakeQueue, FakeObjects>,
}

impl World {
    async fn new() -> Self {
        let db = TestDatabase::new().await;
        db.enrol(ACCOUNT, "org").await;
        let ingest = Self::ingest(&db);
        Self { db, ingest }
    }

    fn ingest(db: &TestDatabase) -> Ingest<FakeQueue, FakeObjects> {
        Ingest {
            queue: FakeQueue::default(),
            queue_url: "https://sqs/queue".into(),
            objects: FakeObjects::default(),
            pool: (**db).clone(),
            trail_bucket: "trails".into(),
            metrics: Metrics::default(),
            health: Health::default(),
        }
    }

    fn put(&mut self, name: &str, bytes: Vec<u8>) -> String {
        let key = key(ACCOUNT, name);
        self.ingest.objects.objects.insert(key.clone(), Ok(bytes));
        key
    }

    /// Puts a log file and tells of it.
    fn deliver(&mut self, name: &str, log: &Value) -> String {
        let key = self.put(name, gzip(log));
        self.ingest.queue.send(&told(std::slice::from_ref(&key)), 0);
        key
    }

    async fn run(self) -> Self {
        let settled = self.ingest.queue.settled.clone();
        self.ingest.take(&settled).await;
        self
    }

    async fn all(&self, sql: &'static str) -> Vec<String> {
        sqlx::query_scalar(sql).fetch_all(&*self.db).await.unwrap()
    }

    async fn runs(&self) -> Vec<String> {
        self.all(
            "select instance_id || ' ' || to_char(started_at at time zone 'UTC', 'HH24:MI') || '-'
                    || coalesce(to_char(ended_at at time zone 'UTC', 'HH24:MI'), '')
               from run join instance on instance.id = run.instance order by instance_id, started_at",
        )
        .await
    }

    async fn letters(&self) -> Vec<String> {
        self.all("select reason from dead_letter order by reason")
            .await
    }

    async fn files(&self) -> Vec<String> {
        self.all("select key from log_file order by key").await
    }

    fn messages(&self, outcome: &'static str) -> u64 {
        self.ingest
            .metrics
            .queue_messages
            .get_or_create(&Outcome { outcome })
            .get()
    }

    fn records(&self, outcome: &'static str) -> u64 {
        self.ingest
            .metrics
            .log_records
            .get_or_create(&Outcome { outcome })
            .get()
    }

    fn hidden(&self) -> Vec<Duration> {
        self.ingest.queue.hidden.lock().unwrap().clone()
    }
}

#[tokio::test]
async fn files_become_runs_in_whatever_order_and_however_often_they_are_told_of() {
    let mut world = World::new().await;
    let late = world.deliver("late", &log(&["i-1 off 10:30", "i-2 on 11:00"]));
    let early = world.deliver("early", &log(&["i-1 on 10:00"]));
    world
        .ingest
        .queue
        .send(&told(&[early.clone(), late.clone()]), 0);
    let world = world.run().await;
    assert_eq!(world.runs().await, ["i-1 10:00-10:30", "i-2 11:00-"]);
    assert_eq!(world.files().await, [early, late]);
    assert_eq!(
        (world.messages("recorded"), world.messages("duplicate")),
        (2, 1)
    );
    assert!(world.ingest.health.is_ready(PART));
}

#[tokio::test]
async fn two_pods_that_get_the_same_messages_count_them_once() {
    let mut world = World::new().await;
    let mut other = World::ingest(&world.db);
    for n in 0..12 {
        let (on, off) = (
            format!("i-{} on 10:{n:02}", n % 3),
            format!("i-{} off 10:{n:02}", n % 5),
        );
        let key = world.deliver(&format!("file-{n}"), &log(&[&on, &off]));
        other.queue.send(&told(&[key]), 0);
    }
    other.objects.objects = world.ingest.objects.objects.clone();
    let stop = other.queue.settled.clone();
    let (world, ()) = tokio::join!(world.run(), other.take(&stop));
    assert_eq!(world.files().await.len(), 12);
    assert_eq!(
        world.all("select count(*)::text from instance_event").await,
        ["24"]
    );
}

#[tokio::test]
async fn what_cannot_be_read_is_kept_with_its_reason_and_stops_nothing() {
    let mut world = World::new().await;
    let damaged = world.put("damaged", b"this is not gzip".to_vec());
    let mut cut = gzip(&log(&["i-9 on 10:00"]));
    cut.truncate(40);
    let cut = world.put("cut", cut);
    let digest = world.put("digest", gzip(&json!({"digestStartTime": "x"})));
    for key in [damaged, cut, digest, key(ACCOUNT, "gone")] {
        world.ingest.queue.send(&told(&[key]), 0);
    }
    let elsewhere = told(&[key(ACCOUNT, "good")])
        .to_string()
        .replace("\"trails\"", "\"other\"");
    world.ingest.queue.send(&json!(elsewhere), 0);
    world.ingest.queue.send(&json!("not even JSON"), 0);
    world.deliver("good", &log(&["i-1 on 10:00"]));
    let world = world.run().await;
    assert_eq!(world.runs().await, ["i-1 10:00-"]);
    let letters = world.letters().await;
    let tells = |text: &str| letters.iter().any(|letter| letter.contains(text));
    assert_eq!(letters.len(), 6, "{letters:#?}");
    assert!(
        tells("damaged.json.gz: the object is not readable as gzip") && tells("cut.json.gz"),
        "{letters:#?}"
    );
    assert!(
        tells("digest.json.gz") && tells("gone.json.gz: there is no such object"),
        "{letters:#?}"
    );
    assert!(
        tells("bucket other is not the trail bucket") && tells("not JSON of an S3"),
        "{letters:#?}"
    );
    assert_eq!((world.messages("dead_letter"), world.hidden()), (6, vec![]));
}

#[tokio::test]
async fn a_bad_record_is_skipped_and_the_rest_of_its_file_counts() {
    let mut world = World::new().await;
    let mut file = log(&["i-1 on 10:00", "i-2 on 10:00", "i-3 on 10:00"]);
    file["Records"][1]["eventTime"] = json!("yesterday");
    world.deliver("file", &file);
    let world = world.run().await;
    assert_eq!(world.runs().await, ["i-1 10:00-", "i-3 10:00-"]);
    assert_eq!((world.records("event"), world.records("malformed")), (2, 1));
}

#[rstest]
#[case::suspended("update enrolment set suspended = true")]
#[case::not_enabled_yet("update enrolment set enabled_at = null")]
#[case::released("update enrolment set released_at = now()")]
#[case::unknown("delete from enrolment")]
#[tokio::test]
async fn nothing_is_read_for_an_account_that_nobody_meters(#[case] change: &'static str) {
    let mut world = World::new().await;
    sqlx::query(change).execute(&*world.db).await.unwrap();
    world.deliver("file", &log(&["i-1 on 10:00"]));
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
async fn test_events_and_other_files_are_passed_over() {
    let world = World::new().await;
    world
        .ingest
        .queue
        .send(&json!({"Service": "Amazon S3", "Event": "s3:TestEvent"}), 0);
    world.ingest.queue.send(
        &told(&[format!("AWSLogs/{ACCOUNT}/CloudTrail-Digest/x.json.gz")]),
        0,
    );
    let world = world.run().await;
    assert_eq!(
        (world.messages("ignored"), world.letters().await.len()),
        (2, 0)
    );
}

#[tokio::test]
async fn what_is_of_another_account_or_too_early_does_not_count() {
    let mut world = World::new().await;
    sqlx::query("update enrolment set enabled_at = '2026-03-01T10:00:00Z'")
        .execute(&*world.db)
        .await
        .unwrap();
    let mut file = log(&["i-1 on 09:59", "i-2 on 10:00"]);
    let foreign = record("310987654321", "i-3 on 10:30");
    file["Records"].as_array_mut().unwrap().push(foreign);
    world.deliver("file", &file);
    let world = world.run().await;
    assert_eq!(world.runs().await, ["i-2 10:00-"]);
    assert_eq!(
        (
            world.records("other_account"),
            world.records("before_enabled")
        ),
        (1, 1)
    );
}

#[tokio::test]
async fn tags_of_images_are_recorded() {
    let mut world = World::new().await;
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

fn denied() -> ObjectError {
    ObjectError::Cloud(CloudError {
        kind: Kind::Denied,
        service: "s3",
        operation: "GetObject",
        code: "AccessDenied".into(),
        message: "no".into(),
    })
}

#[rstest]
#[case::at_first(0, vec![15], 0)]
#[case::the_fourth_time(3, vec![15 * 64], 0)]
#[case::for_the_last_time(4, vec![], 1)]
#[tokio::test]
async fn what_may_work_later_is_tried_later_and_given_up_in_the_end(
    #[case] receives: u32,
    #[case] hidden: Vec<u64>,
    #[case] letters: usize,
) {
    let mut world = World::new().await;
    let refused = key(ACCOUNT, "refused");
    world
        .ingest
        .objects
        .objects
        .insert(refused.clone(), Err(denied()));
    world.ingest.queue.send(&told(&[refused]), receives);
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
    let mut world = World::new().await;
    let (gone, refused) = (key(ACCOUNT, "gone"), key(ACCOUNT, "refused"));
    world
        .ingest
        .objects
        .objects
        .insert(refused.clone(), Err(denied()));
    let good = world.put("good", gzip(&log(&["i-1 on 10:00"])));
    world.ingest.queue.send(&told(&[gone, refused, good]), 0);
    let world = world.run().await;
    assert_eq!(world.runs().await, ["i-1 10:00-"]);
    assert_eq!((world.hidden().len(), world.letters().await.len()), (1, 0));
}

#[tokio::test]
async fn a_file_that_the_database_refuses_leaves_nothing() {
    let mut world = World::new().await;
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
    let mut world = World::new().await;
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
    let mut world = World::new().await;
    world.deliver("file", &log(&["i-1 on 10:00"]));
    world.ingest.pool = store::connect("postgres:///?host=/nowhere", 1).unwrap();
    world.ingest.health.ready(PART);
    let ingest = &world.ingest;
    let why = ingest.receive(Duration::ZERO).await.unwrap_err();
    assert!(why.starts_with("waiting for the database: "), "{why}");
    assert_eq!(ingest.queue.visible.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_message_that_cannot_be_deleted_is_recorded_once() {
    let mut world = World::new().await;
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
async fn when_stopped_it_finishes_what_it_began_and_gives_back_the_rest() {
    let mut world = World::new().await;
    for n in 0..6 {
        world.deliver(&format!("file-{n}"), &log(&[&format!("i-{n} on 10:00")]));
    }
    world.ingest.objects.stop = Some(world.ingest.queue.settled.clone());
    let world = world.run().await;
    let recorded = world.messages("recorded");
    assert!((1..=AT_ONCE as u64).contains(&recorded), "{recorded}");
    assert_eq!(world.files().await.len() as u64, recorded);
    assert_eq!(world.hidden(), vec![Duration::ZERO; 6 - recorded as usize]);
    assert!(world.ingest.queue.in_flight.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_missing_queue_is_told_of_plainly() {
    let world = World::new().await;
    let missing = CloudError {
        kind: Kind::Other,
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
    assert_eq!(
        [1, 2, 3, 4].map(|n| retry_after(n).as_secs()),
        [15, 60, 240, 960]
    );
    assert_eq!([1, 2, 7, 99].map(|n| pause(n).as_secs()), [1, 2, 60, 60]);
}
