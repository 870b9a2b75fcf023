//! Rounds against a real database and a cloud that answers from a list.

use std::sync::Mutex;

use http::{Request, Response};
use kube::client::Body;
use kube::runtime::{reflector, watcher};
use serde_json::json;

use super::*;
use cloudigrade_cloud::IamRole;
use cloudigrade_cloud::{CloudError, ErrorKind, InstanceDescription, InstanceState};
use cloudigrade_store::Pool;
use cloudigrade_store::testing::TestDatabase;
use metering::described::{ImageDescription, InstanceType};

const NOW: &str = "2026-11-22T12:00:00Z";

/// Knows i-1 from ami-1; eu-west-1 does not answer.
#[derive(Default)]
struct TestCloud(Mutex<Vec<String>>);

impl TestCloud {
    fn asked(&self, what: &str, region: &str, ids: &[String]) -> Result<(), CloudError> {
        let mut ids = ids.to_vec();
        ids.sort_unstable();
        self.0
            .lock()
            .unwrap()
            .push(format!("{what} {region} {}", ids.join(" ")));
        if region != "eu-west-1" {
            return Ok(());
        }
        Err(CloudError {
            kind: ErrorKind::Throttled,
            service: "ec2",
            operation: "Describe",
            code: "RequestLimitExceeded".into(),
            message: String::new(),
        })
    }
}

impl Inventory for TestCloud {
    async fn regions(&self, _: &IamRole) -> Result<Vec<String>, CloudError> {
        Ok(vec![])
    }

    async fn instances(
        &self,
        _: &IamRole,
        region: &str,
        ids: &[String],
    ) -> Result<Vec<InstanceDescription>, CloudError> {
        self.asked("instances", region, ids)?;
        let power = InstanceState::Starting;
        let image_id = Some("ami-1".into());
        Ok(vec![InstanceDescription {
            id: "i-1".into(),
            image_id,
            instance_type: None,
            state: power,
            gone: false,
        }])
    }

    async fn images(
        &self,
        _: &IamRole,
        region: &str,
        ids: &[String],
    ) -> Result<Vec<ImageDescription>, CloudError> {
        self.asked("images", region, ids)?;
        Ok(vec![ImageDescription {
            id: "ami-1".into(),
            name: Some("web".into()),
            owner_id: Some("210987654321".into()),
            architecture: Some("x86_64".into()),
            windows: false,
            marketplace: false,
            rhel_tag: false,
            openshift_tag: false,
        }])
    }
}

impl InstanceTypes for TestCloud {
    async fn instance_types(
        &self,
        region: &str,
        names: &[String],
    ) -> Result<Vec<InstanceType>, CloudError> {
        self.asked("types", region, names)?;
        Ok(vec![InstanceType {
            name: "m5.large".into(),
            vcpus: 2,
            memory_mib: 8192,
        }])
    }
}

fn rounds(database: &Pool, client: Client, ready: &str) -> Rounds<TestCloud> {
    let (accounts, mut writer) = reflector::store();
    let condition = |type_| json!({"type": type_, "status": ready, "reason": "R", "message": "", "lastTransitionTime": NOW});
    let account = serde_json::from_value(json!({
        "apiVersion": "cloudigrade.io/v1alpha1", "kind": "CloudAccount",
        "metadata": {"name": "210987654321", "namespace": "customers", "uid": "u"},
        "spec": {"owner": {"orgId": "1"}, "aws": {"roleArn": "arn:aws:iam::210987654321:role/m", "externalId": "xx"}},
        "status": {"conditions": [condition("Ready"), condition("AccessVerified")]},
    }));
    writer.apply_watcher_event(&watcher::Event::Apply(account.unwrap()));
    Rounds {
        client,
        database: database.clone(),
        cloud: TestCloud::default(),
        metrics: Metrics::default(),
        accounts,
        inspections: reflector::store().0,
        backoff: Backoff::default(),
        regions: RegionBackoff::default(),
    }
}

/// One round; the calls to the cloud and to the API server.
async fn round(database: &Pool, ready: &str) -> (Vec<String>, Vec<String>) {
    let (service, mut server) = tower_test::mock::pair::<Request<Body>, Response<Body>>();
    let rounds = rounds(database, Client::new(service, "default"), ready);
    let serve = async {
        let mut calls = Vec::new();
        while let Some((request, reply)) = server.next_request().await {
            calls.push(format!("{} {}", request.method(), request.uri().path()));
            let body = request.into_body().collect_bytes().await.unwrap();
            reply.send_response(Response::new(Body::from(body.to_vec())));
        }
        calls
    };
    let work = async {
        rounds.round(NOW.parse().unwrap()).await.unwrap();
        let asked = std::mem::take(&mut *rounds.cloud.0.lock().unwrap());
        drop(rounds);
        asked
    };
    join(work, serve).await
}

#[tokio::test]
async fn what_a_log_mentions_is_described_once_and_its_image_inspected() {
    let database = TestDatabase::new().await;
    let account = database.enrol("210987654321", "org").await;
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!(
        "insert into instance (cloud_account, instance_id, region, next_lookup_at) values
             ({account}, 'i-1', 'us-east-1', 'epoch'), ({account}, 'i-gone', 'us-east-1', 'epoch'), ({account}, 'i-2', 'eu-west-1', 'epoch');
         alter table image alter next_lookup_at set default 'epoch'"
    )))
    .execute(&*database)
    .await
    .unwrap();

    let (asked, _) = round(&database, "False").await;
    assert_eq!(
        asked, [""; 0],
        "an account whose role cannot be assumed is not asked"
    );
    sqlx::query("update instance set next_lookup_at = 'epoch'")
        .execute(&*database)
        .await
        .unwrap();

    let (mut asked, calls) = round(&database, "True").await;
    asked[..2].sort_unstable();
    assert_eq!(
        asked,
        [
            "instances eu-west-1 i-2",
            "instances us-east-1 i-1 i-gone",
            "images us-east-1 ami-1"
        ]
    );
    assert_eq!(
        calls,
        ["PATCH /apis/cloudigrade.io/v1alpha1/namespaces/customers/imageinspections/ami-1"]
    );
    let due: Vec<(String, i32)> = sqlx::query_as(
        "select instance_id, lookups from instance where image is null and next_lookup_at > $1::timestamptz order by 1",
    )
    .bind(NOW.parse::<Timestamp>().map(jiff_sqlx::ToSqlx::to_sqlx).unwrap())
    .fetch_all(&*database)
    .await
    .unwrap();
    assert_eq!(
        due,
        [("i-2".into(), 0), ("i-gone".into(), 1)],
        "an error is no answer: it counts for nothing"
    );

    let (asked, _) = round(&database, "True").await;
    assert_eq!(asked, [""; 0]);
}

/// The names and sizes that are saved.
async fn sizes(database: &Pool) -> Vec<(String, Option<i32>, Option<i64>)> {
    sqlx::query_as("select name, vcpus, memory_mib from instance_type order by name")
        .fetch_all(database)
        .await
        .unwrap()
}

#[tokio::test]
async fn types_that_ran_are_sized_and_a_region_that_refuses_is_left_alone_for_a_while() {
    let database = TestDatabase::new().await;
    let account = database.enrol("210987654321", "org").await;
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!(
        "insert into instance (cloud_account, instance_id, region, lookups) values
             ({account}, 'i-1', 'us-east-1', 99), ({account}, 'i-2', 'us-east-1', 99), ({account}, 'i-3', 'eu-west-1', 99),
             ({account}, 'i-4', 'us-east-1', 99);
         insert into run (instance, cloud_account, started_at, instance_type)
             select id, cloud_account, 'epoch', case instance_id when 'i-1' then 'm5.large' when 'i-2' then 'x9.huge' when 'i-3' then 'c5.large' else '*' end
               from instance"
    )))
    .execute(&*database)
    .await
    .unwrap();
    let (service, _server) = tower_test::mock::pair::<Request<Body>, Response<Body>>();
    let rounds = rounds(&database, Client::new(service, "default"), "True");
    let asked = async |now: Timestamp| {
        rounds.round(now).await.unwrap();
        std::mem::take(&mut *rounds.cloud.0.lock().unwrap())
    };
    let now: Timestamp = NOW.parse().unwrap();
    assert_eq!(
        asked(now).await,
        [
            "types eu-west-1 c5.large",
            "types us-east-1 m5.large x9.huge"
        ],
        "what cannot be a type's name is not asked for: it could stand for all of them"
    );
    assert_eq!(
        sizes(&database).await,
        [
            ("*".into(), None, None),
            ("m5.large".into(), Some(2), Some(8192)),
            ("x9.huge".into(), None, None)
        ]
    );
    let instances = crate::telemetry::KindLabel { kind: "instance" };
    assert_eq!(
        rounds.metrics.unidentified.get_or_create(&instances).get(),
        4
    );
    assert_eq!(asked(now).await, [""; 0], "refused a moment ago");
    let later = now + Duration::from_secs(6);
    assert_eq!(asked(later).await, ["types eu-west-1 c5.large"]);
}
