//! Notifications of S3 about new objects.

use percent_encoding::percent_decode_str;
use serde::Deserialize;

use super::file::ObjectLocation;

/// A message is no notification of S3, and why.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum NotificationError {
    #[error("the message is not JSON of an S3 notification: {0}")]
    Json(#[from] serde_json::Error),
    #[error("the message is JSON but no S3 notification: it has no list `Records`")]
    NoRecords,
    #[error("the object key is not UTF-8 when decoded: {0}")]
    Key(String),
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Body {
    records: Option<Vec<Record>>,
    event: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    event_name: Option<String>,
    s3: S3,
}

#[derive(Deserialize)]
struct S3 {
    bucket: Bucket,
    object: Object,
}

#[derive(Deserialize)]
struct Bucket {
    name: String,
}

#[derive(Deserialize)]
struct Object {
    key: String,
}

/// Returns the objects that a message names: none for the test event that S3 sends when notifications are set up, nor
/// for events other than the creation of an object.
pub(super) fn parse(body: &str) -> Result<Vec<ObjectLocation>, NotificationError> {
    let body: Body = serde_json::from_str(body)?;
    match (body.records, body.event.as_deref()) {
        (Some(records), _) => records
            .into_iter()
            .filter(made_an_object)
            .map(put)
            .collect(),
        (None, Some("s3:TestEvent")) => Ok(Vec::new()),
        (None, _) => Err(NotificationError::NoRecords),
    }
}

fn made_an_object(record: &Record) -> bool {
    record
        .event_name
        .as_deref()
        .is_none_or(|name| name.trim_start_matches("s3:").starts_with("ObjectCreated:"))
}

/// S3 encodes keys as HTML forms do: a space is a plus.
fn put(record: Record) -> Result<ObjectLocation, NotificationError> {
    let encoded = record.s3.object.key.replace('+', " ");
    let key = percent_decode_str(&encoded).decode_utf8();
    let key = key
        .map_err(|_| NotificationError::Key(record.s3.object.key))?
        .into_owned();
    Ok(ObjectLocation {
        bucket: record.s3.bucket.name,
        key,
    })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    fn record(event: &str, key: &str) -> serde_json::Value {
        json!({"eventName": event, "s3": {"bucket": {"name": "trails"}, "object": {"key": key, "size": 3}}})
    }

    #[test]
    fn keys_are_decoded_and_every_record_counts() {
        let body = json!({"Records": [
            record("ObjectCreated:Put", "AWSLogs/1/a%3Db+c%2Bd.json.gz"),
            record("ObjectRemoved:Delete", "gone"),
            record("ObjectCreated:CompleteMultipartUpload", "plain"),
        ]});
        let keys: Vec<_> = parse(&body.to_string())
            .unwrap()
            .into_iter()
            .map(|put| put.key)
            .collect();
        assert_eq!(keys, ["AWSLogs/1/a=b c+d.json.gz", "plain"]);
    }

    #[test]
    fn the_test_event_names_no_object() {
        let body = r#"{"Service":"Amazon S3","Event":"s3:TestEvent","Bucket":"trails"}"#;
        assert_eq!(parse(body).unwrap(), []);
    }

    #[rstest]
    #[case::not_json("hello", "not JSON")]
    #[case::other_json("{}", "no list `Records`")]
    #[case::a_list("[]", "not JSON of an S3 notification")]
    #[case::no_key(r#"{"Records": [{"s3": {}}]}"#, "missing field")]
    #[case::no_utf8(
        r#"{"Records": [{"s3": {"bucket": {"name": "b"}, "object": {"key": "%ff"}}}]}"#,
        "%ff"
    )]
    fn anything_else_is_refused(#[case] body: &str, #[case] message: &str) {
        let error = parse(body).unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
    }
}
