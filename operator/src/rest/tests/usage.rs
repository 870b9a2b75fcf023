//! Concurrent usage, asked for once and again.

use metering::cloudtrail::EventKind;
use serde_json::{Value, json};

use super::server::{ACME, TestServer};

const THREE_DAYS: &str = "/concurrent/?start_date=2026-02-28&end_date=2026-03-03";

/// The highest number of each day, whatever the dimensions.
fn most(body: &Value) -> Vec<i64> {
    let any = |count: &&Value| {
        ["arch", "role", "sla", "usage", "service_type"]
            .iter()
            .all(|key| count[*key] == "_ANY")
    };
    let most = |day: &Value| {
        let counts = day["maximum_counts"].as_array().unwrap();
        let any = counts.iter().find(any);
        any.map_or(0, |count| count["instances_count"].as_i64().unwrap())
    };
    body["data"].as_array().unwrap().iter().map(most).collect()
}

#[tokio::test]
async fn usage_of_any_day_is_there_at_once() {
    let server = TestServer::new().await;
    let (status, body) = server.get(ACME, THREE_DAYS).await;
    assert_eq!((status, &body["meta"]["count"]), (200, &json!(3)));
    assert_eq!(most(&body), [0, 2, 1]);
    assert_eq!(body["data"][1]["date"], "2026-03-01");
    let (_, page) = server
        .get(ACME, &format!("{THREE_DAYS}&limit=1&offset=1"))
        .await;
    assert_eq!(page["data"], json!([body["data"][1]]));
}

#[tokio::test]
async fn usage_that_was_asked_for_before_is_as_it_is_now() {
    let server = TestServer::new().await;
    let (_, first) = server.get(ACME, THREE_DAYS).await;
    let (_, again) = server.get(ACME, THREE_DAYS).await;
    assert_eq!((most(&first), &first), (vec![0, 2, 1], &again));

    let stopped = server.event("i-1", EventKind::PowerOff, "2026-03-01T10:30:00Z");
    server.record(&[stopped]).await;
    assert_eq!(most(&server.get(ACME, THREE_DAYS).await.1), [0, 1, 0]);

    let image: i64 = sqlx::query_scalar("update image set rhel_found = false returning id")
        .fetch_one(&*server.db)
        .await
        .unwrap();
    server.db.image_changed(image).await;
    assert_eq!(most(&server.get(ACME, THREE_DAYS).await.1), [0, 0, 0]);
}
