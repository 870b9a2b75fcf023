//! The REST API on the cluster: Kubernetes itself says who may use the internal routes.

use e2e::Failure;
use serde_json::{Value, json};
use tokio::process::Command;

/// Base64 of `{"identity": {"org_id": "99999999"}}`: an organization that nobody has enrolled.
const STRANGER: &str = "eyJpZGVudGl0eSI6IHsib3JnX2lkIjogIjk5OTk5OTk5In19";
const NAMESPACE: &str = "cloudigrade-system";

async fn output(program: &str, arguments: &[&str]) -> Result<String, Failure> {
    let output = Command::new(program).args(arguments).output().await?;
    if !output.status.success() {
        let error = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{program} {}: {error}", arguments.join(" ")).into());
    }
    Ok(String::from_utf8(output.stdout)?)
}

async fn kubectl(arguments: &str) -> Result<String, Failure> {
    output("kubectl", &arguments.split(' ').collect::<Vec<_>>()).await
}

/// Status and body of an answer of the Service.
async fn get(path: &str, headers: &[String]) -> Result<(u16, Value), Failure> {
    let address = kubectl(&format!(
        "--namespace {NAMESPACE} get service cloudigrade-api -o jsonpath={{.spec.clusterIP}}"
    ))
    .await?;
    let url = format!("http://{address}:8000{path}");
    let mut arguments = vec![
        "--silent",
        "--show-error",
        "--max-time",
        "20",
        "--write-out",
        "\n%{http_code}",
        &url,
    ];
    for header in headers {
        arguments.extend(["--header", header]);
    }
    let answer = output("curl", &arguments).await?;
    let (body, status) = answer.rsplit_once('\n').ok_or("no status")?;
    Ok((
        status.parse()?,
        serde_json::from_str(body).unwrap_or_default(),
    ))
}

#[tokio::test]
async fn the_rest_api_answers_whom_it_should() -> Result<(), Failure> {
    let (status, document) = get("/api/cloudigrade/v2/openapi.json", &[]).await?;
    assert_eq!((status, &document["openapi"]), (200, &json!("3.0.2")));

    let stranger = format!("X-RH-IDENTITY: {STRANGER}");
    let (status, sysconfig) = get("/api/cloudigrade/v2/sysconfig/", &[stranger]).await?;
    assert_eq!(
        (status, &sysconfig["aws_account_id"]),
        (200, &json!("123456789012"))
    );

    let service = |key: &str| {
        vec![
            format!("X-RH-CLOUDIGRADE-PSK: {key}"),
            "X-RH-CLOUDIGRADE-ORG-ID: 99999999".to_owned(),
        ]
    };
    let accounts = "/api/cloudigrade/v2/accounts/";
    let (_, unknown) = get(accounts, &service("a-key-of-the-tests")).await?;
    let (_, refused) = get(accounts, &service("another-key")).await?;
    assert_eq!(unknown["detail"], "Incorrect authentication credentials.");
    assert!(
        refused["detail"]
            .as_str()
            .is_some_and(|detail| detail.contains("Invalid PSK"))
    );

    let internal = "/internal/api/cloudigrade/v1/accounts/";
    assert_eq!(get(internal, &[]).await?.0, 401);
    assert_eq!(
        get(internal, &["Authorization: Bearer nonsense".to_owned()])
            .await?
            .0,
        403
    );
    kubectl("--namespace customers create serviceaccount auditor").await?;
    let token = kubectl("--namespace customers create token auditor").await?;
    let auditor = [format!("Authorization: Bearer {}", token.trim())];
    assert_eq!(get(internal, &auditor).await?.0, 403);
    kubectl("create clusterrole internal-api --verb=get --non-resource-url=/internal/api/cloudigrade/v1/*").await?;
    kubectl("create clusterrolebinding internal-api --clusterrole=internal-api --serviceaccount=customers:auditor").await?;
    let admitted = e2e::until("the auditor is let in", async || {
        match get(internal, &auditor).await? {
            (200, accounts) => Ok(accounts),
            (status, _) => Err(format!("the answer was {status}").into()),
        }
    })
    .await?;
    assert!(admitted["meta"]["count"].is_u64());
    kubectl("delete clusterrolebinding internal-api").await?;
    kubectl("delete clusterrole internal-api").await?;
    kubectl("--namespace customers delete serviceaccount auditor").await?;
    Ok(())
}
