//! Messages of the queue that are not plain notices of log files.

use std::io::Write;

use aws_config::BehaviorVersion;
use aws_sdk_s3::primitives::ByteStream;
use e2e::{Customer, Environment, Failure, until};
use flate2::{Compression, write::GzEncoder};
use serde_json::{Value, json};

/// The own account's bucket and queue, as AWS would fill them.
struct Own {
    s3: aws_sdk_s3::Client,
    sqs: aws_sdk_sqs::Client,
    queue: String,
}

const BUCKET: &str = "cloudigrade-trails";

impl Own {
    async fn administrator(environment: &Environment) -> Result<Self, Failure> {
        let keys = std::fs::read_to_string(environment.aws_state.join("admin.env"))?;
        let key = |wanted: &str| {
            keys.lines()
                .filter_map(|line| line.split_once('='))
                .find(|(name, _)| *name == wanted)
                .map(|(_, value)| value.to_owned())
        };
        let credentials = aws_sdk_s3::config::Credentials::new(
            key("AWS_ACCESS_KEY_ID").ok_or("no key")?,
            key("AWS_SECRET_ACCESS_KEY").ok_or("no secret")?,
            None,
            None,
            "e2e",
        );
        let config = aws_config::defaults(BehaviorVersion::latest())
            .credentials_provider(credentials)
            .load()
            .await;
        let s3 = aws_sdk_s3::Client::from_conf(
            aws_sdk_s3::config::Builder::from(&config)
                .force_path_style(true)
                .build(),
        );
        let sqs = aws_sdk_sqs::Client::new(&config);
        let queue = sqs
            .get_queue_url()
            .queue_name("cloudigrade-cloudtrail-s3")
            .send()
            .await?
            .queue_url
            .ok_or("no queue")?;
        Ok(Self { s3, sqs, queue })
    }

    /// Puts a log file, as CloudTrail would; returns its key. The bucket notifies the queue.
    async fn put(&self, customer: &Customer, name: &str, body: Vec<u8>) -> Result<String, Failure> {
        let key = format!(
            "AWSLogs/{}/CloudTrail/us-east-1/2026/01/01/{name}.json.gz",
            customer.account
        );
        self.s3
            .put_object()
            .bucket(BUCKET)
            .key(&key)
            .body(ByteStream::from(body))
            .send()
            .await?;
        Ok(key)
    }

    /// Tells the queue of an object, as S3 does when it repeats itself.
    async fn tell(&self, key: &str) -> Result<(), Failure> {
        let body = json!({"Records": [{"eventName": "ObjectCreated:Put", "s3": {"bucket": {"name": BUCKET}, "object": {"key": key}}}]});
        self.sqs
            .send_message()
            .queue_url(&self.queue)
            .message_body(body.to_string())
            .send()
            .await?;
        Ok(())
    }
}

fn gzip(value: &Value) -> Result<Vec<u8>, Failure> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(value.to_string().as_bytes())?;
    Ok(encoder.finish()?)
}

/// A log file with one launch in it, at this very moment.
fn launch(customer: &Customer, instance: &str) -> Value {
    let now = jiff::Timestamp::now()
        .strftime("%Y-%m-%dT%H:%M:%SZ")
        .to_string();
    json!({"Records": [{
        "eventVersion": "1.08",
        "eventID": format!("launch-of-{instance}"),
        "eventTime": now,
        "eventSource": "ec2.amazonaws.com",
        "eventName": "RunInstances",
        "awsRegion": "us-east-1",
        "readOnly": false,
        "recipientAccountId": customer.account,
        "userIdentity": {"type": "IAMUser", "accountId": customer.account},
        "requestParameters": {"instanceType": "t3.medium"},
        "responseElements": {"instancesSet": {"items": [{"instanceId": instance, "imageId": "ami-0123456789abcdef0", "instanceType": "t3.medium"}]}}
    }]})
}

#[tokio::test]
async fn damage_and_repetition_cost_nothing_else() -> Result<(), Failure> {
    let environment = Environment::enter().await?;
    let own = Own::administrator(&environment).await?;
    let customer = environment.customer("queue").await?;
    let resources = environment.resources("queue").await?;
    resources.apply("queue", &customer).await?;
    resources.condition("queue", "Ready", "True", None).await?;
    let instance = |number: u8| format!("i-0{}{number:08}", customer.org);
    own.put(&customer, "not-gzip", b"this is not gzip".to_vec())
        .await?;
    own.put(&customer, "not-json", gzip(&json!("no records"))?)
        .await?;
    own.tell(&format!(
        "AWSLogs/{}/CloudTrail/us-east-1/2026/01/01/gone.json.gz",
        customer.account
    ))
    .await?;
    own.sqs
        .send_message()
        .queue_url(&own.queue)
        .message_body(format!("not even JSON, for {}", customer.account))
        .send()
        .await?;
    own.sqs
        .send_message()
        .queue_url(&own.queue)
        .message_body(json!({"Service": "Amazon S3", "Event": "s3:TestEvent"}).to_string())
        .send()
        .await?;
    let good = own
        .put(&customer, "good", gzip(&launch(&customer, &instance(1)))?)
        .await?;
    for _ in 0..3 {
        own.tell(&good).await?;
    }
    own.put(&customer, "last", gzip(&launch(&customer, &instance(2)))?)
        .await?;

    until("the good files to be recorded", || async {
        let runs = environment.runs(&customer.account).await?;
        if runs.len() == 2 {
            Ok(())
        } else {
            Err(format!("{runs:?}").into())
        }
    })
    .await?;
    until("the queue to be empty", || async {
        let names = [aws_sdk_sqs::types::QueueAttributeName::All];
        let all = own
            .sqs
            .get_queue_attributes()
            .queue_url(&own.queue)
            .set_attribute_names(Some(names.to_vec()))
            .send()
            .await?;
        let left: Vec<_> = all
            .attributes()
            .into_iter()
            .flatten()
            .filter(|(name, count)| {
                name.as_str().starts_with("ApproximateNumberOfMessages") && count.as_str() != "0"
            })
            .collect();
        if left.is_empty() {
            Ok(())
        } else {
            Err(format!("{left:?}").into())
        }
    })
    .await?;
    let events: i64 =
        sqlx::query_scalar("select count(*) from instance_event where event_id like $1")
            .bind(format!("launch-of-i-0{}%", customer.org))
            .fetch_one(&environment.database)
            .await?;
    assert_eq!(events, 2, "told four times, counted once");
    let reasons: Vec<String> =
        sqlx::query_scalar("select reason from dead_letter where body like '%' || $1 || '%'")
            .bind(&customer.account)
            .fetch_all(&environment.database)
            .await?;
    assert_eq!(
        reasons.len(),
        4,
        "what could not be read is kept with its reason: {reasons:?}"
    );
    resources.delete("queue").await?;
    resources.done().await
}
