//! From a new inspection to a Job that runs.

use serde_json::{Value, json};

use super::*;

#[tokio::test]
async fn it_says_what_it_waits_for_once() {
    let mut world = World::new(json!({}), &[]).await;
    world.account_ready = false;
    let status = call("PATCH", &format!("{INSPECTION}/status"));
    let event = call("POST", EVENTS);
    let bodies = world
        .pass(&[(&status, 200, Value::Null), (&event, 201, Value::Null)])
        .await;
    assert_eq!(
        (world.phase(), world.reason(INSPECTED)),
        (Phase::Pending, "Unknown CloudAccountNotReady".into())
    );
    assert_eq!(world.reason(READY), "False CloudAccountNotReady");
    assert_eq!(
        (&bodies[1]["reason"], &bodies[1]["type"]),
        (&json!("CloudAccountNotReady"), &json!("Normal"))
    );
    world.pass(&[]).await;
}

#[tokio::test]
async fn it_has_a_finalizer_before_anything_is_made() {
    let mut world = World::new(json!({}), &["somebody.else/theirs"]).await;
    let (finalizer, status) = (
        call("PATCH", INSPECTION),
        call("PATCH", &format!("{INSPECTION}/status")),
    );
    let bodies = world
        .pass(&[(&finalizer, 200, Value::Null), (&status, 200, Value::Null)])
        .await;
    assert_eq!(
        bodies[0]["metadata"],
        json!({"finalizers": ["somebody.else/theirs", "cloudigrade.io/cleanup"], "resourceVersion": "7"})
    );
    assert_eq!(
        (world.phase(), world.reason(RELEASED)),
        (Phase::Preparing, "False InUse".into())
    );
    assert_eq!(
        world
            .inspection
            .status
            .as_ref()
            .unwrap()
            .runner
            .as_ref()
            .unwrap()
            .name,
        JOB
    );
    assert_eq!(
        world.asked(),
        [""; 0],
        "AWS is not asked before it is written down that it will be"
    );
}

#[tokio::test]
async fn the_job_sleeps_until_its_secret_is_there() {
    let mut world = World::new(preparing(), &[cloudigrade_api::FINALIZER]).await;
    let create = call("POST", JOBS);
    let secret = call("PATCH", &format!("{SECRETS}/{JOB}"));
    let start = call("PATCH", &format!("{JOBS}/{JOB}"));
    let (status, event) = (
        call("PATCH", &format!("{INSPECTION}/status")),
        call("POST", EVENTS),
    );
    let bodies = world
        .pass(&[
            (&create, 201, job_with(true, None)),
            (&secret, 200, Value::Null),
            (&start, 200, job_with(false, None)),
            (&status, 200, Value::Null),
            (&event, 201, Value::Null),
        ])
        .await;
    assert_eq!(
        world.asked(),
        [
            format!("describe {IMAGE} in us-east-1 of 210987654321"),
            "credentials for snap-1 in us-east-1, 900 s".into(),
            format!("url for InspectionResults/{UID}/1.json, 900 s"),
        ]
    );
    assert_eq!(bodies[0]["spec"]["suspend"], json!(true));
    assert_eq!(
        bodies[1]["stringData"],
        json!({
            "AWS_ACCESS_KEY_ID": "the-key-id",
            "AWS_SECRET_ACCESS_KEY": "the-secret-key",
            "AWS_SESSION_TOKEN": "the-token",
            "HOUNDIGRADE_RESULT_URL": "https://the-url",
        })
    );
    assert_eq!(
        bodies[1]["metadata"]["ownerReferences"][0]["uid"],
        json!("job-uid")
    );
    assert_eq!(bodies[2], json!({"spec": {"suspend": false}}));
    for body in [&bodies[0], &bodies[2], &bodies[3], &bodies[4]] {
        assert!(
            !body.to_string().contains("the-"),
            "a secret went somewhere else: {body}"
        );
    }
    let status = world.inspection.status.clone().unwrap();
    assert_eq!(
        (status.phase, status.attempts, world.reason(INSPECTED)),
        (Phase::Inspecting, 1, "Unknown Inspecting".into())
    );

    let read = call("GET", &format!("{JOBS}/{JOB}"));
    world.pass(&[(&read, 200, job_with(false, None))]).await;
}

#[tokio::test]
async fn a_pass_that_was_cut_off_finds_its_own_work() {
    let create = call("POST", JOBS);
    let read = call("GET", &format!("{JOBS}/{JOB}"));
    let secret = call("PATCH", &format!("{SECRETS}/{JOB}"));
    let start = call("PATCH", &format!("{JOBS}/{JOB}"));
    let (status, event) = (
        call("PATCH", &format!("{INSPECTION}/status")),
        call("POST", EVENTS),
    );

    let mut asleep = World::new(preparing(), &[cloudigrade_api::FINALIZER]).await;
    let stored = asleep.stored_job(true);
    asleep
        .pass(&[
            (&create, 409, taken()),
            (&read, 200, stored),
            (&secret, 200, Value::Null),
            (&start, 200, job_with(false, None)),
            (&status, 200, Value::Null),
            (&event, 201, Value::Null),
        ])
        .await;
    assert_eq!(asleep.phase(), Phase::Inspecting);

    let mut started = World::new(preparing(), &[cloudigrade_api::FINALIZER]).await;
    let stored = started.stored_job(false);
    started
        .pass(&[
            (&create, 409, taken()),
            (&read, 200, stored),
            (&status, 200, Value::Null),
            (&event, 201, Value::Null),
        ])
        .await;
    assert_eq!(started.phase(), Phase::Inspecting);
    assert_eq!(
        started.asked().len(),
        1,
        "no second set of credentials: {:?}",
        started.asked()
    );
}

#[tokio::test]
async fn a_job_of_somebody_else_is_not_adopted() {
    let mut world = World::new(preparing(), &[cloudigrade_api::FINALIZER]).await;
    let (create, read) = (call("POST", JOBS), call("GET", &format!("{JOBS}/{JOB}")));
    let (status, event) = (
        call("PATCH", &format!("{INSPECTION}/status")),
        call("POST", EVENTS),
    );
    let mut foreign = job_with(true, None);
    foreign["metadata"]["labels"] = json!({});
    world
        .pass(&[
            (&create, 409, taken()),
            (&read, 200, foreign),
            (&status, 200, Value::Null),
            (&event, 201, Value::Null),
        ])
        .await;
    assert_eq!(
        (world.phase(), world.reason(INSPECTED)),
        (Phase::Pending, "Unknown ForeignJob".into())
    );
}

#[tokio::test]
async fn a_job_with_another_image_is_deleted_and_given_no_credentials() {
    let mut world = World::new(preparing(), &[cloudigrade_api::FINALIZER]).await;
    let (create, read) = (call("POST", JOBS), call("GET", &format!("{JOBS}/{JOB}")));
    let delete = call("DELETE", &format!("{JOBS}/{JOB}"));
    let (status, event) = (
        call("PATCH", &format!("{INSPECTION}/status")),
        call("POST", EVENTS),
    );
    let mut forged = world.stored_job(true);
    forged["spec"]["template"]["spec"]["containers"][0]["image"] = json!("attacker");
    world
        .pass(&[
            (&create, 409, taken()),
            (&read, 200, forged.clone()),
            (&delete, 200, forged),
            (&status, 200, Value::Null),
            (&event, 201, Value::Null),
        ])
        .await;
    assert_eq!(world.reason(INSPECTED), "Unknown JobLeaving");
    assert!(
        !world
            .asked()
            .iter()
            .any(|call| call.starts_with("credentials"))
    );
}
