//! A folder of log files in, rows out: a real database.

use std::io::Write;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;

use super::*;
use cloudigrade_store::testing::TestDatabase;

const ACME: &str = "210987654321";
const MANIFESTS: &str = r#"
apiVersion: v1
kind: Secret
metadata: {name: other}
---
apiVersion: cloudigrade.io/v1alpha1
kind: CloudAccount
metadata: {name: acme, namespace: customers}
spec:
  owner: {orgId: "11111111"}
  aws: {roleArn: "arn:aws:iam::210987654321:role/metering", externalId: x}
"#;

fn write(folder: &Path, account: &str, name: &str, contents: &[u8]) {
    let folder = folder.join(format!(
        "deep/AWSLogs/{account}/CloudTrail/us-east-1/2026/03/01"
    ));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join(name), contents).unwrap();
}

fn log(account: &str, instance: &str, hour: u8) -> Vec<u8> {
    let log = json!({"Records": [{
        "eventVersion": "1.08", "eventID": format!("{instance}-{hour}"), "eventTime": format!("2026-03-01T{hour:02}:00:00Z"),
        "eventSource": "ec2.amazonaws.com", "awsRegion": "us-east-1", "readOnly": false, "eventName": "RunInstances",
        "recipientAccountId": account, "userIdentity": {"type": "IAMUser", "accountId": account},
        "responseElements": {"instancesSet": {"items": [{"instanceId": instance, "imageId": "ami-1", "instanceType": "t3.micro"}]}},
    }]});
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(log.to_string().as_bytes()).unwrap();
    encoder.finish().unwrap()
}

async fn replay_folder(db: &TestDatabase, folder: &Path) -> ReplaySummary {
    let accounts = read_accounts(MANIFESTS).unwrap();
    let accounts = enrol(db, &accounts, jiff::Timestamp::UNIX_EPOCH, false)
        .await
        .unwrap();
    let sources = LogObjects { s3: None };
    let locations = [LogLocation::Folder(folder.to_owned())];
    let files = sources.files(&locations);
    let metrics = Metrics::default();
    replay(db, &metrics, &sources, files, &accounts, 4, |_| {})
        .await
        .unwrap()
}

async fn instances(db: &TestDatabase) -> Vec<String> {
    sqlx::query_scalar("select instance_id || ' ' || org_id from visible_instance join organization on organization.id = organization order by 1")
        .fetch_all(&**db)
        .await
        .unwrap()
}

#[tokio::test]
async fn a_folder_is_recorded_once_and_what_is_damaged_stops_nothing() {
    let db = TestDatabase::new().await;
    let folder = tempfile::tempdir().unwrap();
    for n in 0..20 {
        write(
            folder.path(),
            ACME,
            &format!("{n}.json.gz"),
            &log(ACME, &format!("i-{n}"), 10),
        );
    }
    write(folder.path(), ACME, "damaged.json.gz", b"not gzip");
    write(
        folder.path(),
        "310987654321",
        "foreign.json.gz",
        &log("310987654321", "i-99", 10),
    );
    std::fs::write(folder.path().join("README"), "no log file").unwrap();

    let first = replay_folder(&db, folder.path()).await;
    assert_eq!(
        (
            first.files,
            first.recorded,
            first.ignored,
            first.failed,
            first.records,
            first.events
        ),
        (23, 20, 2, 1, 20, 20)
    );
    assert!(
        first.failures[0].contains("damaged.json.gz: the object is not readable as gzip"),
        "{first:?}"
    );
    assert_eq!(instances(&db).await.len(), 20);

    let second = replay_folder(&db, folder.path()).await;
    assert_eq!(
        (second.recorded, second.duplicate, second.events),
        (0, 20, 0)
    );
}

#[tokio::test]
async fn an_account_of_another_organization_is_not_taken() {
    let db = TestDatabase::new().await;
    db.enrol(ACME, "22222222").await;
    let accounts = read_accounts(MANIFESTS).unwrap();
    let error = enrol(&db, &accounts, jiff::Timestamp::UNIX_EPOCH, false)
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "CloudAccount customers/acme: account 210987654321 is metered by customers/210987654321 for organization 22222222 already, not for 11111111"
    );
}

#[tokio::test]
async fn events_before_an_account_was_enabled_count_only_by_backfill() {
    let db = TestDatabase::new().await;
    db.enrol(ACME, "11111111").await;
    sqlx::query("update metered_period set span = '[2026-03-01T12:00Z,)'")
        .execute(&*db)
        .await
        .unwrap();
    let accounts = read_accounts(MANIFESTS).unwrap();
    let since: jiff::Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    let plain = enrol(&db, &accounts, since, false).await.unwrap();
    assert_eq!(
        plain[ACME].periods[0].start,
        "2026-03-01T12:00:00Z".parse().unwrap()
    );
    let backfilled = enrol(&db, &accounts, since, true).await.unwrap();
    assert_eq!(backfilled[ACME].periods[0].start, since);
}

#[tokio::test]
async fn a_missing_folder_is_a_failure() {
    let db = TestDatabase::new().await;
    let summary = replay_folder(&db, Path::new("/does/not/exist")).await;
    assert_eq!(
        summary.failures,
        ["listing /does/not/exist: No such file or directory (os error 2)"]
    );
}

#[rstest::rstest]
#[case::none("kind: Secret", "there is no CloudAccount")]
#[case::role(
    "kind: CloudAccount\nmetadata: {name: a}\nspec: {owner: {orgId: '1'}, aws: {roleArn: x}}",
    "CloudAccount default/a: spec.aws.roleArn: \"x\" is not the ARN of a role"
)]
#[case::spec(
    "kind: CloudAccount\nmetadata: {name: a}\nspec: {}",
    "CloudAccount default/a: spec: missing field `owner`"
)]
#[case::yaml("{", "not valid YAML")]
fn wrong_manifests_say_what_is_wrong(#[case] yaml: &str, #[case] expected: &str) {
    let error = read_accounts(yaml).unwrap_err().to_string();
    assert!(error.contains(expected), "{error}");
}

#[rstest::rstest]
#[case("logs/2026", LogLocation::Folder("logs/2026".into()))]
#[case("s3://trails", LogLocation::Bucket { bucket: "trails".into(), prefix: String::new() })]
#[case("s3://trails/AWSLogs/1", LogLocation::Bucket { bucket: "trails".into(), prefix: "AWSLogs/1".into() })]
fn locations(#[case] text: &str, #[case] expected: LogLocation) {
    assert_eq!(text.parse(), Ok(expected));
    assert!("http://trails".parse::<LogLocation>().is_err());
}
