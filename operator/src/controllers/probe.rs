//! Readiness of the API server: whether it answers, and knows our definitions.

use std::time::Duration;

use kube::api::ListParams;
use kube::{Api, Client, Resource};
use tokio::time::sleep;

use crate::telemetry::{Health, KUBERNETES};
use cloudigrade_api::{CloudAccount, ImageInspection};

/// Time between two calls.
const PERIOD: Duration = Duration::from_secs(10);

/// Reports to `health` for ever; `server` is the address of the API server, for people.
pub async fn watch(client: Client, server: &str, namespace: Option<&str>, health: Health) {
    loop {
        match probe(&client, namespace).await {
            Ok(()) => health.ready(KUBERNETES),
            Err(why) => health.unready(KUBERNETES, format!("API server {server}: {why}")),
        }
        sleep(PERIOD).await;
    }
}

async fn probe(client: &Client, namespace: Option<&str>) -> Result<(), String> {
    let version = client.apiserver_version().await;
    version.map_err(|error| error.to_string())?;
    is_defined::<CloudAccount>(client, namespace).await?;
    is_defined::<ImageInspection>(client, namespace).await
}

async fn is_defined<K>(client: &Client, namespace: Option<&str>) -> Result<(), String>
where
    K: Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>
        + Clone
        + std::fmt::Debug
        + serde::de::DeserializeOwned,
{
    let kind = K::plural(&());
    let api: Api<K> = match namespace {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    };
    match api.list_metadata(&ListParams::default().limit(1)).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.code == 404 => Err(format!(
            "it does not know {kind}: install the chart cloudigrade-crds"
        )),
        Err(error) => Err(format!("listing {kind}: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use http::{Request, Response};
    use kube::client::Body;
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    /// An API server that answers requests for paths with `missing` in them with this code.
    fn client(missing: &'static str, code: u16) -> Client {
        let (service, mut handle) = tower_test::mock::pair::<Request<Body>, Response<Body>>();
        tokio::spawn(async move {
            while let Some((request, reply)) = handle.next_request().await {
                let path = request.uri().path().to_owned();
                let (code, answer) = if path.contains(missing) {
                    (
                        code,
                        json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": "", "message": "no"}),
                    )
                } else if path == "/version" {
                    let text = [
                        "major",
                        "minor",
                        "gitVersion",
                        "gitCommit",
                        "gitTreeState",
                        "buildDate",
                        "goVersion",
                        "compiler",
                        "platform",
                    ];
                    (
                        200,
                        text.iter()
                            .map(|key| ((*key).to_owned(), json!("1")))
                            .collect(),
                    )
                } else {
                    (
                        200,
                        json!({"kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1", "metadata": {}, "items": []}),
                    )
                };
                let answer = Body::from(answer.to_string().into_bytes());
                reply.send_response(Response::builder().status(code).body(answer).unwrap());
            }
        });
        Client::new(service, "default")
    }

    #[rstest]
    #[case::all_there("nothing", 200, "")]
    #[case::away("/version", 503, "no")]
    #[case::no_definitions(
        "/imageinspections",
        404,
        "imageinspections: install the chart cloudigrade-crds"
    )]
    #[case::no_rights("/cloudaccounts", 403, "listing cloudaccounts")]
    #[tokio::test]
    async fn an_operator_is_ready_when_the_api_server_knows_its_definitions(
        #[case] missing: &'static str,
        #[case] code: u16,
        #[case] expected: &str,
    ) {
        let why = probe(&client(missing, code), None)
            .await
            .err()
            .unwrap_or_default();
        assert!(
            why.contains(expected) && why.is_empty() == expected.is_empty(),
            "{why}"
        );
    }
}
