//! A server of the API, with a database that has two organizations, and its client.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use metering::cloudtrail::EventKind;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use super::*;
use cloudigrade_store::testing::TestDatabase;
use cloudigrade_store::{AccountKey, NewEvent};

pub(super) const ACME: &str = "11111111";

/// A server with one organization: two instances of one image, one of which has stopped.
pub(super) struct TestServer {
    pub(super) db: TestDatabase,
    account: AccountKey,
    pub(super) address: std::net::SocketAddr,
    shutdown: CancellationToken,
}

/// Authorizes one token.
struct Token(&'static str);

impl Authorizer for Token {
    fn authorizes<'a>(
        &'a self,
        token: &'a str,
        path: &'a str,
    ) -> futures::future::BoxFuture<'a, Result<bool, String>> {
        Box::pin(async move { Ok(token == self.0 && path.starts_with(INTERNAL)) })
    }
}

impl TestServer {
    pub(super) async fn new() -> Self {
        Self::with_limits(serve::ConnectionLimits::default()).await
    }

    pub(super) async fn with_limits(limits: serve::ConnectionLimits) -> Self {
        let db = TestDatabase::new().await;
        let account = db.enrol("210987654321", ACME).await;
        db.enrol("310987654321", "22222222").await;
        let api = AppState {
            pool: (*db).clone(),
            usage_cache: UsageCache::default(),
            psks: r#"{"swatch": "a-long-key-of-swatch"}"#.parse().unwrap(),
            own_account: Some("123456789012".into()),
            customer_actions: vec!["ec2:DescribeImages"],
            authorizer: Some(Arc::new(Token("let-me-in"))),
            metrics: Metrics::default(),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        tokio::spawn(serve::serve_on(
            listener,
            router(api),
            shutdown.clone(),
            limits,
        ));
        let server = Self {
            db,
            account,
            address,
            shutdown,
        };
        let events = [
            server.event("i-1", EventKind::PowerOn, "2026-03-01T10:00:00Z"),
            server.event("i-2", EventKind::PowerOn, "2026-03-01T11:00:00Z"),
            server.event("i-2", EventKind::PowerOff, "2026-03-01T12:00:00Z"),
        ];
        server.record(&events).await;
        sqlx::query(
            r#"update image set architecture = 'x86_64', inspection = 'inspected', rhel_found = true, described_at = now(),
                      facts = '{"rhel_version": "9.4", "rhel_release_files_found": true, "drives": {"secret": 1}, "syspurpose": {"role": "server"}}'"#,
        )
        .execute(&*server.db)
        .await
        .unwrap();
        server
    }

    pub(super) fn event(&self, instance: &str, kind: EventKind, at: &str) -> NewEvent {
        NewEvent {
            account: self.account,
            event_id: format!("{instance}-{at}"),
            instance_id: instance.into(),
            region: "us-east-1".into(),
            image_id: Some("ami-1".into()),
            kind,
            at: at.parse().unwrap(),
            instance_type: Some("t3.micro".into()),
        }
    }

    pub(super) async fn record(&self, events: &[NewEvent]) {
        self.db.record(events).await;
    }

    /// Status, headers in lower case, and body.
    pub(super) async fn ask(&self, path: &str, headers: &[(&str, &str)]) -> (u16, String, Value) {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let headers: String = headers
            .iter()
            .map(|(name, value)| format!("{name}: {value}\r\n"))
            .collect();
        let request =
            format!("GET {path} HTTP/1.1\r\nhost: api\r\nconnection: close\r\n{headers}\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (
            status,
            head.to_lowercase(),
            serde_json::from_str(body).unwrap_or_default(),
        )
    }

    /// As an administrator of an organization.
    pub(super) async fn get(&self, org: &str, path: &str) -> (u16, Value) {
        let identity =
            identity(&json!({"identity": {"org_id": org, "user": {"is_org_admin": true}}}));
        let (status, _, body) = self
            .ask(&format!("{BASE}{path}"), &[("x-rh-identity", &identity)])
            .await;
        (status, body)
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

pub(super) fn identity(value: &Value) -> String {
    BASE64_STANDARD.encode(value.to_string())
}
