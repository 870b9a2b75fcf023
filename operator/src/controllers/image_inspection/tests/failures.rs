//! Errors on the way: each is in a condition, is repeated later, counts as no attempt, and is forgotten once it is over.

use serde_json::{Value, json};

use super::*;
use cloudigrade_cloud::{CloudError, ErrorKind};

fn denied(operation: &'static str) -> CloudError {
    CloudError {
        kind: ErrorKind::Denied,
        service: "s3",
        operation,
        code: "AccessDenied".into(),
        message: "Access Denied".into(),
    }
}

#[tokio::test]
async fn a_cloud_that_refuses_is_said_and_asked_again_later() {
    let mut world = World::new(preparing(), &[cloudigrade_api::FINALIZER]).await;
    world.cloud.image = Err(CloudError {
        kind: ErrorKind::Throttled,
        service: "ec2",
        operation: "DescribeImages",
        code: "RequestLimitExceeded".into(),
        message: "Request limit exceeded.".into(),
    });
    let (status, event) = (
        call("PATCH", &format!("{INSPECTION}/status")),
        call("POST", EVENTS),
    );
    world
        .pass(&[(&status, 200, Value::Null), (&event, 201, Value::Null)])
        .await;
    let after = world.inspection.status.clone().unwrap();
    assert_eq!(
        (after.phase, after.attempts, world.reason(INSPECTED)),
        (Phase::Pending, 0, "Unknown Throttled".into())
    );
    assert!(after.next_attempt_time.is_some_and(|at| at.0 > now()));
}

#[tokio::test]
async fn a_database_that_is_away_is_said_before_an_attempt() {
    let mut world = World::new(json!({}), &[]).await;
    world.database.cut_off().await;
    let status = call("PATCH", &format!("{INSPECTION}/status"));
    let event = call("POST", EVENTS);
    world
        .pass(&[(&status, 200, Value::Null), (&event, 201, Value::Null)])
        .await;
    let after = world.inspection.status.clone().unwrap();
    assert_eq!(
        (after.phase, after.attempts, world.reason(INSPECTED)),
        (Phase::Pending, 0, "Unknown DatabaseFailed".into())
    );
    assert_eq!(world.reason(READY), "False DatabaseFailed");
    assert!(after.next_attempt_time.is_some_and(|at| at.0 > now()));
}

#[tokio::test]
async fn an_api_server_that_fails_interrupts_no_attempt() {
    let mut world = World::new(inspecting(), &[cloudigrade_api::FINALIZER]).await;
    let read = call("GET", &format!("{JOBS}/{JOB}"));
    let (status, event) = (
        call("PATCH", &format!("{INSPECTION}/status")),
        call("POST", EVENTS),
    );
    let bodies = world
        .pass(&[
            (&read, 500, unavailable()),
            (&status, 200, Value::Null),
            (&event, 201, Value::Null),
        ])
        .await;
    assert_eq!(
        (world.phase(), world.reason(INSPECTED)),
        (Phase::Inspecting, "Unknown KubernetesFailed".into())
    );
    assert_eq!(
        (&bodies[2]["type"], &bodies[2]["reason"]),
        (&json!("Warning"), &json!("KubernetesFailed"))
    );

    world
        .pass(&[
            (&read, 200, job_with(false, None)),
            (&status, 200, Value::Null),
        ])
        .await;
    assert_eq!(world.reason(INSPECTED), "Unknown Inspecting");
    assert_eq!(world.inspection.status.clone().unwrap().attempts, 1);
    world.pass(&[(&read, 200, job_with(false, None))]).await;
}

#[tokio::test]
async fn a_result_waits_for_a_database_that_is_away() {
    let mut world = World::new(inspecting(), &[cloudigrade_api::FINALIZER]).await;
    let entry = json!({"verdict": "not_rhel", "errors": []});
    world.cloud.result = Some(json!({"cloud": "aws", "errors": [], "images": {IMAGE: entry}}));
    world.database.cut_off().await;
    let read = call("GET", &format!("{JOBS}/{JOB}"));
    let (status, event) = (
        call("PATCH", &format!("{INSPECTION}/status")),
        call("POST", EVENTS),
    );
    let over = job_with(false, Some(("Complete", "")));
    let script = [
        (read.as_str(), 200, over),
        (&status, 200, Value::Null),
        (&event, 201, Value::Null),
    ];
    world.pass(&script).await;
    assert_eq!(
        (world.phase(), world.reason(INSPECTED)),
        (Phase::Inspecting, "Unknown DatabaseFailed".into())
    );

    world.database.reconnect().await;
    world.pass(&script).await;
    assert_eq!(
        (world.phase(), world.reason(INSPECTED)),
        (Phase::Inspected, "True Inspected".into())
    );
}

#[tokio::test]
async fn a_release_that_is_refused_is_said_and_repeated() {
    let mut over = inspecting();
    over["phase"] = json!("Inspected");
    let mut world = World::new(over, &[cloudigrade_api::FINALIZER]).await;
    world.cloud.deletion = Err(denied("DeleteObject"));
    let read = call("GET", &format!("{JOBS}/{JOB}"));
    let (status, event) = (
        call("PATCH", &format!("{INSPECTION}/status")),
        call("POST", EVENTS),
    );
    let bodies = world
        .pass(&[
            (&read, 404, not_there()),
            (&status, 200, Value::Null),
            (&event, 201, Value::Null),
        ])
        .await;
    assert_eq!(
        (world.phase(), world.reason(RELEASED)),
        (Phase::Inspected, "False AccessDenied".into())
    );
    assert_eq!(bodies[2]["reason"], json!("AccessDenied"));

    world.cloud.deletion = Ok(());
    let finalizer = call("PATCH", INSPECTION);
    world
        .pass(&[
            (&read, 404, not_there()),
            (&finalizer, 200, Value::Null),
            (&status, 200, Value::Null),
        ])
        .await;
    assert_eq!(world.reason(RELEASED), "True Released");
}

#[tokio::test]
async fn a_change_meanwhile_is_no_error() {
    let mut world = World::new(json!({}), &[]).await;
    let finalizer = call("PATCH", INSPECTION);
    world.pass(&[(&finalizer, 409, taken())]).await;
    assert_eq!(
        world.phase(),
        Phase::Pending,
        "the change triggers the next step"
    );
}
