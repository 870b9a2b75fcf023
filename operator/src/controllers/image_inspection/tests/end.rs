//! The end of a Job: a result, a reason, and nothing left to clear away.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::{Value, json};

use super::*;

#[tokio::test]
async fn what_was_found_is_kept_and_then_nothing_is_left() {
    let mut world = World::new(inspecting(), &[cloudigrade_api::FINALIZER]).await;
    let entry = json!({"verdict": "rhel", "rhel_found": true, "rhel_product_certs_found": true, "errors": [],
        "distribution": {"id": "rhel", "version": "9.4", "name": null, "path": "/etc/os-release"},
        "evidence": [{"fact": "rhel_product_certs", "path": "/etc/pki/product/479.pem", "detail": "RHEL"}]});
    world.cloud.result = Some(json!({"cloud": "aws", "errors": [], "images": {IMAGE: entry}}));
    let read = call("GET", &format!("{JOBS}/{JOB}"));
    let (status, event) = (
        call("PATCH", &format!("{INSPECTION}/status")),
        call("POST", EVENTS),
    );
    world
        .pass(&[
            (&read, 200, job_with(false, Some(("Complete", "")))),
            (&status, 200, Value::Null),
            (&event, 201, Value::Null),
        ])
        .await;
    assert_eq!(
        (world.phase(), world.reason(RELEASED)),
        (Phase::Inspected, "False Releasing".into())
    );
    assert_eq!(world.reason(READY), "True Inspected");
    let verdict = world.inspection.status.clone().unwrap().verdict.unwrap();
    assert_eq!(
        (verdict.rhel, verdict.version.as_deref()),
        (true, Some("9.4"))
    );
    let known = cloudigrade_store::inspections::known(&world.database, IMAGE)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(known.facts, Some(entry));

    let (secret, finalizer) = (
        call("DELETE", &format!("{SECRETS}/{JOB}")),
        call("PATCH", INSPECTION),
    );
    world
        .pass(&[
            (&read, 200, job_with(false, Some(("Complete", "")))),
            (&secret, 404, not_there()),
            (&finalizer, 200, Value::Null),
            (&status, 200, Value::Null),
        ])
        .await;
    assert_eq!(
        world.asked(),
        [format!("delete InspectionResults/{UID}/1.json")]
    );
    assert_eq!(world.reason(RELEASED), "True Released");
    world.pass(&[]).await;
    assert_eq!(world.asked(), [""; 0]);

    let mut again = World::new(json!({}), &[]).await;
    std::mem::swap(&mut again.database, &mut world.database);
    again
        .pass(&[(&status, 200, Value::Null), (&event, 201, Value::Null)])
        .await;
    assert_eq!(
        (again.phase(), again.reason(INSPECTED)),
        (Phase::Inspected, "True AlreadyKnown".into())
    );
    assert_eq!(
        again.inspection.status.clone().unwrap().verdict,
        Some(verdict)
    );
    assert_eq!(again.reason(RELEASED), "True NothingMade");
    again.pass(&[]).await;
}

#[tokio::test]
async fn a_failed_attempt_is_cleared_away_before_the_next() {
    let mut world = World::new(inspecting(), &[cloudigrade_api::FINALIZER]).await;
    let read = call("GET", &format!("{JOBS}/{JOB}"));
    let (status, event) = (
        call("PATCH", &format!("{INSPECTION}/status")),
        call("POST", EVENTS),
    );
    let failed = job_with(false, Some(("Failed", "DeadlineExceeded")));
    let bodies = world
        .pass(&[
            (&read, 200, failed.clone()),
            (&status, 200, Value::Null),
            (&event, 201, Value::Null),
        ])
        .await;
    assert_eq!(
        (world.phase(), world.reason(INSPECTED)),
        (Phase::Pending, "Unknown JobFailed".into())
    );
    assert_eq!(
        (&bodies[2]["type"], &bodies[2]["reason"]),
        (&json!("Warning"), &json!("JobFailed"))
    );

    let secret = call("DELETE", &format!("{SECRETS}/{JOB}"));
    world
        .pass(&[
            (&read, 200, failed),
            (&secret, 404, not_there()),
            (&status, 200, Value::Null),
        ])
        .await;
    assert_eq!(world.reason(RELEASED), "True Released");
    world.pass(&[]).await;
    assert_eq!(
        world.inspection.metadata.finalizers,
        Some(vec![cloudigrade_api::FINALIZER.to_owned()])
    );
}

#[tokio::test]
async fn deletion_waits_for_the_job_and_leaves_no_result() {
    let mut world = World::new(
        inspecting(),
        &[cloudigrade_api::FINALIZER, "somebody.else/theirs"],
    )
    .await;
    world.inspection.metadata.deletion_timestamp = Some(Time(now()));
    let read = call("GET", &format!("{JOBS}/{JOB}"));
    let delete = call("DELETE", &format!("{JOBS}/{JOB}"));
    let bodies = world
        .pass(&[
            (&read, 200, job_with(false, None)),
            (&delete, 200, job_with(false, None)),
        ])
        .await;
    assert_eq!(bodies[1]["propagationPolicy"], json!("Foreground"));
    assert_eq!(world.asked(), [""; 0], "a pod could still deliver");

    let mut leaving = job_with(false, None);
    leaving["metadata"]["deletionTimestamp"] = json!(now());
    world.pass(&[(&read, 200, leaving)]).await;

    let finalizer = call("PATCH", INSPECTION);
    world
        .pass(&[(&read, 404, not_there()), (&finalizer, 200, Value::Null)])
        .await;
    assert_eq!(
        world.asked(),
        [format!("delete InspectionResults/{UID}/1.json")]
    );
    assert_eq!(
        world.inspection.metadata.finalizers,
        Some(vec!["somebody.else/theirs".to_owned()])
    );
    world.pass(&[]).await;
}
