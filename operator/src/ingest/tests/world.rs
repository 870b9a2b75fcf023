//! A queue and a bucket in memory, a real database, and log files to put there.

use std::collections::{BTreeMap, VecDeque};
use std::future::pending;
use std::io::Write;
use std::sync::Mutex;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use super::*;
use crate::telemetry::OutcomeLabel;
use cloudigrade_cloud::{CloudError, Message, Object, ObjectError, VISIBILITY_TIMEOUT};
use cloudigrade_store::testing::TestDatabase;

pub(super) const ACCOUNT: &str = "210987654321";

/// Stops the consumer once every message is deleted or hidden.
#[derive(Default)]
pub(super) struct FakeQueue {
    pub(super) visible: Mutex<VecDeque<Message>>,
    pub(super) in_flight: Mutex<BTreeMap<String, Message>>,
    pub(super) hidden: Mutex<Vec<Duration>>,
    /// Receipts of messages kept in flight
    pub(super) heartbeats: Mutex<Vec<String>>,
    pub(super) deletes_to_fail: Mutex<u32>,
    pub(super) settled: CancellationToken,
}

impl FakeQueue {
    /// Sends a message that was received so often before; returns its id.
    pub(super) fn send(&self, body: &Value, receives: u32) -> String {
        let mut visible = self.visible.lock().unwrap();
        let id = format!("message-{}", visible.len());
        let body = body
            .as_str()
            .map_or_else(|| body.to_string(), ToOwned::to_owned);
        visible.push_back(Message {
            receipt: id.clone(),
            id: id.clone(),
            body,
            receives,
        });
        id
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

    async fn change_visibility(&self, receipt: &str, time: Duration) -> Result<(), CloudError> {
        if time == VISIBILITY_TIMEOUT {
            self.heartbeats.lock().unwrap().push(receipt.to_owned());
            return Ok(());
        }
        self.in_flight.lock().unwrap().remove(receipt);
        self.hidden.lock().unwrap().push(time);
        Ok(())
    }
}

#[derive(Default)]
pub(super) struct FakeObjects {
    pub(super) objects: BTreeMap<String, Result<Vec<u8>, ObjectError>>,
    pub(super) read: Mutex<Vec<String>>,
    /// Cancelled by the first read.
    pub(super) stop: Option<CancellationToken>,
    /// Time that a read takes. The clock is paused for it, and for it alone: the database needs a real one.
    pub(super) delay: Option<Duration>,
}

impl Objects for FakeObjects {
    async fn get(&self, _: &str, key: &str, _: usize) -> Result<Object, ObjectError> {
        self.read.lock().unwrap().push(key.to_owned());
        if let Some(stop) = &self.stop {
            stop.cancel();
        }
        if let Some(delay) = self.delay {
            tokio::time::pause();
            tokio::time::sleep(delay).await;
            tokio::time::resume();
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

pub(super) fn key(account: &str, name: &str) -> String {
    format!("AWSLogs/{account}/CloudTrail/us-east-1/2026/03/01/{name}.json.gz")
}

pub(super) fn notification(keys: &[String]) -> Value {
    let records: Vec<Value> = keys
        .iter()
        .map(|key| json!({"eventName": "ObjectCreated:Put", "s3": {"bucket": {"name": "trails"}, "object": {"key": key}}}))
        .collect();
    json!({"Records": records})
}

pub(super) fn gzip(value: &Value) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(value.to_string().as_bytes()).unwrap();
    encoder.finish().unwrap()
}

/// `"i-1 on 10:05"` or `"i-1 off 10:09"`, as a call to EC2 on the first of March.
pub(super) fn record(account: &str, text: &str) -> Value {
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

pub(super) fn log(texts: &[&str]) -> Value {
    json!({"Records": texts.iter().map(|text| record(ACCOUNT, text)).collect::<Vec<_>>()})
}

pub(super) struct IngestWorld {
    pub(super) db: TestDatabase,
    pub(super) ingest: Ingest<FakeQueue, FakeObjects>,
}

impl IngestWorld {
    pub(super) async fn new() -> Self {
        let db = TestDatabase::new().await;
        db.enrol(ACCOUNT, "org").await;
        let ingest = Self::ingest(&db);
        Self { db, ingest }
    }

    pub(super) fn ingest(db: &TestDatabase) -> Ingest<FakeQueue, FakeObjects> {
        Ingest {
            queue: FakeQueue::default(),
            queue_url: "https://sqs/queue".into(),
            objects: FakeObjects::default(),
            pool: (**db).clone(),
            trail_bucket: "trails".into(),
            metrics: Metrics::default(),
            health: Health::default(),
            attempts: FailedAttempts::default(),
        }
    }

    pub(super) fn put(&mut self, name: &str, bytes: Vec<u8>) -> String {
        let key = key(ACCOUNT, name);
        self.ingest.objects.objects.insert(key.clone(), Ok(bytes));
        key
    }

    /// Puts a log file and sends its notification.
    pub(super) fn deliver(&mut self, name: &str, log: &Value) -> String {
        let key = self.put(name, gzip(log));
        self.ingest
            .queue
            .send(&notification(std::slice::from_ref(&key)), 0);
        key
    }

    pub(super) async fn run(self) -> Self {
        let settled = self.ingest.queue.settled.clone();
        self.ingest.consume(&settled).await;
        self
    }

    pub(super) async fn all(&self, sql: &'static str) -> Vec<String> {
        sqlx::query_scalar(sql).fetch_all(&*self.db).await.unwrap()
    }

    pub(super) async fn runs(&self) -> Vec<String> {
        self.all(
            "select instance_id || ' ' || to_char(started_at at time zone 'UTC', 'HH24:MI') || '-'
                    || coalesce(to_char(ended_at at time zone 'UTC', 'HH24:MI'), '')
               from clipped_run as run join instance on instance.id = run.instance order by instance_id, started_at",
        )
        .await
    }

    pub(super) async fn letters(&self) -> Vec<String> {
        self.all("select reason from dead_letter order by reason")
            .await
    }

    pub(super) async fn files(&self) -> Vec<String> {
        self.all("select key from log_file order by key").await
    }

    pub(super) fn messages(&self, outcome: &'static str) -> u64 {
        self.ingest
            .metrics
            .queue_messages
            .get_or_create(&OutcomeLabel { outcome })
            .get()
    }

    pub(super) fn records(&self, outcome: &'static str) -> u64 {
        self.ingest
            .metrics
            .log_records
            .get_or_create(&OutcomeLabel { outcome })
            .get()
    }

    pub(super) fn hidden(&self) -> Vec<Duration> {
        self.ingest.queue.hidden.lock().unwrap().clone()
    }
}
