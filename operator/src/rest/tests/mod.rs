//! Requests over real connections, rows in a real database.

mod server;
mod usage;

use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use self::server::{ACME, TestServer, identity};
use super::*;

#[tokio::test]
async fn accounts_instances_and_images_look_as_clients_know_them() {
    let server = TestServer::new().await;
    let (status, accounts) = server.get(ACME, "/accounts/").await;
    assert_eq!((status, &accounts["meta"]["count"]), (200, &json!(1)));
    let account = &accounts["data"][0];
    assert_eq!(account["aws_account_id"], "210987654321");
    assert_eq!(account["content_object"]["aws_account_id"], "210987654321");
    assert_eq!(
        (&account["cloud_type"], &account["is_enabled"]),
        (&json!("aws"), &json!(true))
    );
    let id = account["account_id"].as_i64().unwrap();
    assert_eq!(
        server.get(ACME, &format!("/accounts/{id}/")).await.1,
        *account
    );

    let (_, instances) = server.get(ACME, "/instances/?limit=1").await;
    assert_eq!(instances["meta"]["count"], 2);
    assert_eq!(
        instances["links"]["next"],
        "/api/cloudigrade/v2/instances/?limit=1&offset=1"
    );
    assert_eq!(
        instances["data"][0]["content_object"]["ec2_instance_id"],
        "i-1"
    );
    let image = instances["data"][0]["machine_image_id"].as_i64().unwrap();

    let (_, found) = server.get(ACME, &format!("/images/{image}/")).await;
    assert_eq!(found["content_object"]["ec2_ami_id"], "ami-1");
    assert_eq!(
        (&found["rhel"], &found["status"], &found["rhel_version"]),
        (&json!(true), &json!("inspected"), &json!("9.4"))
    );
    assert_eq!(found["syspurpose"]["role"], "server");
    assert!(
        !found["inspection_json"]
            .as_str()
            .unwrap()
            .contains("secret")
    );
}

#[tokio::test]
async fn lists_can_be_filtered() {
    let server = TestServer::new().await;
    let count = async |path: &str| server.get(ACME, path).await.1["meta"]["count"].clone();
    assert_eq!(
        count("/instances/?running_since=2026-03-01T10:00:00Z").await,
        1
    );
    assert_eq!(count("/instances/?running_since=2026-03-01").await, 0);
    assert_eq!(
        count("/images/?architecture=x86_64&status=inspected").await,
        1
    );
    assert_eq!(count("/images/?architecture=arm64").await, 0);
    assert_eq!(count("/images/?status=pending").await, 0);
    let (status, body) = server.get(ACME, "/images/?status=great").await;
    assert_eq!(
        (status, body),
        (
            400,
            json!({"status": ["Select a valid choice. great is not one of the available choices."]})
        )
    );
    let (status, body) = server.get(ACME, "/instances/?running_since=x").await;
    assert_eq!(
        (status, body),
        (400, json!({"running_since": ["Enter a valid date/time."]}))
    );
}

#[tokio::test]
async fn what_belongs_to_others_does_not_exist() {
    let server = TestServer::new().await;
    let (_, ours) = server.get(ACME, "/instances/").await;
    let id = ours["data"][0]["instance_id"].as_i64().unwrap();
    let image = ours["data"][0]["machine_image_id"].as_i64().unwrap();
    for path in [
        format!("/instances/{id}/"),
        format!("/images/{image}/"),
        "/accounts/1/".into(),
        "/accounts/x/".into(),
        "/instances/99999999999999999999/".into(),
    ] {
        let (status, body) = server.get("22222222", &path).await;
        assert_eq!(
            (status, body),
            (404, json!({"detail": "Not found."})),
            "{path}"
        );
    }
    let (status, body) = server.get("33333333", "/accounts/").await;
    assert_eq!(
        (status, body),
        (
            401,
            json!({"detail": "Incorrect authentication credentials."})
        )
    );
}

#[tokio::test]
async fn only_administrators_and_services_may_look() {
    let server = TestServer::new().await;
    let member = identity(&json!({"identity": {"org_id": ACME, "user": {"is_org_admin": false}}}));
    let accounts = format!("{BASE}/accounts/");
    assert_eq!(
        server.ask(&accounts, &[("x-rh-identity", &member)]).await.0,
        403
    );
    assert_eq!(server.ask(&accounts, &[]).await.0, 401);
    let service = [
        ("x-rh-cloudigrade-psk", "a-long-key-of-swatch"),
        ("x-rh-cloudigrade-org-id", ACME),
    ];
    assert_eq!(server.ask(&accounts, &service).await.0, 200);
    // A customer who is to set up the first account is not known yet.
    let stranger = identity(&json!({"identity": {"org_id": "33333333"}}));
    let (status, _, body) = server
        .ask(
            &format!("{BASE}/sysconfig/"),
            &[("x-rh-identity", &stranger)],
        )
        .await;
    assert_eq!(
        (status, &body["aws_account_id"]),
        (200, &json!("123456789012"))
    );
    assert_eq!(server.ask(&format!("{BASE}/sysconfig/"), &[]).await.0, 401);
}

#[tokio::test]
async fn the_internal_routes_are_for_whom_kubernetes_lets_in() {
    let server = TestServer::new().await;
    let fake = identity(&json!({"identity": {"org_id": ACME}}));
    let concurrent = format!("{INTERNAL}/concurrent/");
    let given = |token: &'static str| {
        [
            ("authorization", token),
            ("x-rh-internal-fake-identity", fake.as_str()),
        ]
    };
    assert_eq!(
        server.ask(&concurrent, &given("Bearer let-me-in")).await.0,
        200
    );
    assert_eq!(server.ask(&concurrent, &given("Bearer wrong")).await.0, 403);
    assert_eq!(
        server
            .ask(&concurrent, &[("x-rh-internal-fake-identity", &fake)])
            .await
            .0,
        401
    );
    let runs = format!("{INTERNAL}/runs/?org_id={ACME}&start_date=2026-03-01&end_date=2026-03-02");
    let (status, _, body) = server.ask(&runs, &given("Bearer let-me-in")).await;
    assert_eq!((status, &body["meta"]["count"]), (200, &json!(2)));
    assert_eq!(body["data"][1]["instance_id"], "i-2");
    let (_, _, accounts) = server
        .ask(&format!("{INTERNAL}/accounts/"), &given("Bearer let-me-in"))
        .await;
    assert_eq!(accounts["meta"]["count"], 2);
}

#[tokio::test]
async fn paths_without_a_slash_lead_to_those_with_one_and_others_nowhere() {
    let server = TestServer::new().await;
    let (status, head, _) = server.ask(&format!("{BASE}/accounts?limit=3"), &[]).await;
    assert_eq!(status, 308);
    assert!(
        head.contains("location: /api/cloudigrade/v2/accounts/?limit=3"),
        "{head}"
    );
    assert_eq!(
        server.ask("/api/cloudigrade/v3/accounts/", &[]).await.0,
        404
    );
    let (status, head, document) = server.ask(&format!("{BASE}/openapi.json"), &[]).await;
    assert_eq!((status, &document["openapi"]), (200, &json!("3.0.2")));
    assert!(
        head.contains("x-cloudigrade-request-id: ") && head.contains("nosniff"),
        "{head}"
    );
}

#[tokio::test]
async fn an_absent_database_is_told_and_comes_back() {
    let server = TestServer::new().await;
    server.db.cut_off().await;
    let (status, body) = server.get(ACME, "/accounts/").await;
    assert_eq!(
        (status, body),
        (
            503,
            json!({"detail": "The database does not answer; try again later."})
        )
    );
    server.db.reconnect().await;
    assert_eq!(server.get(ACME, "/accounts/").await.0, 200);
}

#[tokio::test]
async fn slow_clients_lose_their_places() {
    let limits = serve::ConnectionLimits {
        connections: 4,
        head: Duration::from_millis(200),
        ..serve::ConnectionLimits::default()
    };
    let server = TestServer::with_limits(limits).await;
    let mut slow = Vec::new();
    for _ in 0..limits.connections {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream
            .write_all(b"GET /api/cloudigrade/v2/acc")
            .await
            .unwrap();
        slow.push(stream);
    }
    // Every place is taken: without a limit for the head of a request this one would wait for ever.
    let quick = tokio::time::timeout(Duration::from_secs(5), server.get(ACME, "/accounts/")).await;
    assert_eq!(quick.unwrap().0, 200);
}

/// Parts of the original's document that ours leaves out, and why.
const LEFT_OUT: [(&str, &str); 3] = [
    ("/azure-offer-template/", "Azure is not metered yet"),
    ("CloudAccount.subscription_id", "Azure's"),
    ("/sysconfig/ azure_offer_template_path", "Azure's"),
];

#[test]
fn the_document_has_what_that_of_the_original_has() {
    let Some(folder) = skip::reference_data("spec") else {
        return;
    };
    let text = std::fs::read_to_string(folder.join("openapi.json")).unwrap();
    let (theirs, ours): (Value, Value) = (serde_json::from_str(&text).unwrap(), document());
    let left_out = |what: &str| LEFT_OUT.iter().any(|(name, _)| *name == what);
    for (path, route) in theirs["paths"].as_object().unwrap() {
        if left_out(path) {
            continue;
        }
        let (theirs, ours) = (&route["get"], &ours["paths"][path]["get"]);
        assert_eq!(theirs["operationId"], ours["operationId"], "{path}");
        let parameters = |route: &Value| -> Vec<(Value, Value, Value)> {
            let list = route["parameters"].as_array().cloned().unwrap_or_default();
            list.iter()
                .map(|p| (p["name"].clone(), p["in"].clone(), p["schema"].clone()))
                .collect()
        };
        assert_eq!(parameters(theirs), parameters(ours), "{path}");
    }
    for name in ["CloudAccount", "Instance", "MachineImage"] {
        let properties = |document: &Value| {
            document["components"]["schemas"][name]["properties"]
                .as_object()
                .cloned()
                .unwrap_or_default()
        };
        let ours = properties(&ours);
        for property in properties(&theirs).keys() {
            assert!(
                ours.contains_key(property) || left_out(&format!("{name}.{property}")),
                "{name}.{property}"
            );
        }
    }
}
