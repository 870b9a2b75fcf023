//! Whole reconciliations against a scripted API server and a cloud that answers from its fields: exactly these calls, and
//! none at all when nothing is new.

mod api_server;
mod cloud;
mod credentials;
mod deletion;
mod failures;
mod sync;

use jiff::{SignedDuration, Timestamp};
use kube::runtime::controller::Action;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::error::AccountError;
use super::reconcile::reconcile_once;
use super::*;
use crate::controllers::client::Clients;
use crate::controllers::runtime::Runtime;
use crate::telemetry::Metrics;
use api_server::ApiServer;
use cloud::TestAccountCloud;
use cloudigrade_api::CloudAccountStatus;
use cloudigrade_store::testing::TestDatabase;

const NOW: Timestamp = Timestamp::constant(1_800_000_000, 0);
const HOUR: SignedDuration = SignedDuration::from_hours(1);

/// A CloudAccount as a customer applies it.
pub(super) fn account() -> CloudAccount {
    serde_json::from_value(json!({
        "apiVersion": "cloudigrade.io/v1alpha1",
        "kind": "CloudAccount",
        "metadata": {
            "name": "acme", "namespace": "customers", "uid": "5f0c1a2b-9d3e-4f5a-8b6c-7d8e9f0a1b2c",
            "generation": 1, "resourceVersion": "7", "creationTimestamp": "2026-11-22T12:00:00Z"
        },
        "spec": {
            "owner": {"orgId": "11111111"},
            "aws": {"roleArn": "arn:aws:iam::210987654321:role/metering", "externalId": "acme-external-id"}
        }
    }))
    .unwrap()
}

fn runtime(client: kube::Client) -> Runtime {
    let clients = Clients {
        calls: client.clone(),
        watches: client,
    };
    Runtime::new(clients, None, Metrics::default(), CancellationToken::new())
}

/// One account, and everything that its reconciliation touches.
struct World {
    server: ApiServer,
    cloud: TestAccountCloud,
    context: AccountContext<TestAccountCloud>,
    database: TestDatabase,
}

impl World {
    async fn new() -> Self {
        Self::with(account()).await
    }

    async fn with(account: CloudAccount) -> Self {
        let database = TestDatabase::new().await;
        let (server, client) = ApiServer::serve(&account);
        let cloud = TestAccountCloud::default();
        let context = AccountContext::new(
            runtime(client),
            (*database).clone(),
            cloud.clone(),
            "ours".into(),
        );
        Self {
            server,
            cloud,
            context,
            database,
        }
    }

    /// Reconciles the account once, as the API server has it; returns the calls made to that.
    async fn reconcile(&self, now: Timestamp) -> Vec<String> {
        self.try_reconcile(now).await.unwrap();
        self.server.calls()
    }

    async fn try_reconcile(&self, now: Timestamp) -> Result<Action, AccountError> {
        reconcile_once(&self.account(), &self.context, now).await
    }

    fn account(&self) -> CloudAccount {
        serde_json::from_value(self.server.account.lock().clone()).unwrap()
    }

    fn status(&self) -> CloudAccountStatus {
        self.account().status.unwrap_or_default()
    }

    fn change(&self, change: impl FnOnce(&mut Value)) {
        let mut account = self.server.account.lock();
        account["metadata"]["generation"] =
            json!(account["metadata"]["generation"].as_i64().unwrap() + 1);
        change(&mut account);
    }

    /// Runs as `instance start..end`, in seconds from [`NOW`].
    async fn runs(&self) -> Vec<String> {
        sqlx::query_scalar(
            "select format('%s %s..%s', instance_id, extract(epoch from started_at)::bigint - 1800000000,
                           extract(epoch from ended_at)::bigint - 1800000000)
               from clipped_run as run join instance on instance.id = run.instance order by instance_id, started_at",
        )
        .fetch_all(&*self.database)
        .await
        .unwrap()
    }
}
