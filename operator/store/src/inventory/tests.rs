//! Rounds of the inventory against a real Postgres.

use super::*;
use crate::testing::TestDatabase;

const NOW: &str = "2026-11-22T12:00:00Z";

fn at(time: &str) -> Timestamp {
    time.parse().unwrap()
}

async fn run(database: &Pool, statement: &str) {
    sqlx::raw_sql(sqlx::AssertSqlSafe(statement.to_owned()))
        .execute(database)
        .await
        .unwrap();
}

fn ids(due: &[Due]) -> Vec<(&str, Vec<&str>)> {
    let mut ids: Vec<_> = due
        .iter()
        .map(|due| {
            let mut ids: Vec<_> = due.ids.iter().map(String::as_str).collect();
            ids.sort_unstable();
            (due.region.as_str(), ids)
        })
        .collect();
    ids.sort_unstable();
    ids
}

#[tokio::test]
async fn instances_are_asked_for_less_and_less_and_then_no_more() {
    let database = TestDatabase::new().await;
    let account = database.enrol("210987654321", "org").await;
    run(&database, &format!(
        "insert into instance (cloud_account, instance_id, region, next_lookup_at) values
             ({account}, 'i-1', 'us-east-1', 'epoch'), ({account}, 'i-2', 'us-east-1', 'epoch'), ({account}, 'i-3', 'eu-west-1', 'epoch')"
    )).await;
    let due = due_instances(&database, at(NOW)).await.unwrap();
    assert_eq!(
        ids(&due),
        [
            ("eu-west-1", vec!["i-3"]),
            ("us-east-1", vec!["i-1", "i-2"])
        ]
    );
    assert_eq!(due[0].account_id, "210987654321");

    let mut now = at(NOW);
    let mut waits = Vec::new();
    while let Some(due) = due_instances(&database, now)
        .await
        .unwrap()
        .into_iter()
        .find(|due| due.region == "eu-west-1")
    {
        missed_instances(&database, account, &due.ids, now)
            .await
            .unwrap();
        let next: jiff_sqlx::Timestamp =
            sqlx::query_scalar("select next_lookup_at from instance where instance_id = 'i-3'")
                .fetch_one(&*database)
                .await
                .unwrap();
        waits.push(next.to_jiff().duration_since(now).as_secs());
        now = next.to_jiff();
    }
    assert_eq!(waits, [30, 60, 120, 240, 480, 960, 1920]);
}

#[tokio::test]
async fn images_that_nobody_can_describe_become_unavailable() {
    let database = TestDatabase::new().await;
    let (one, two) = (
        database.enrol("210987654321", "org").await,
        database.enrol("310987654321", "org").await,
    );
    run(&database, &format!(
        "insert into image (image_id, region, next_lookup_at) values ('ami-1', 'us-east-1', 'epoch'), ('ami-unused', 'us-east-1', 'epoch');
         insert into instance (cloud_account, instance_id, region, image)
             select unnest('{{{one},{two}}}'::int[]), 'i-1', 'us-east-1', id from image where image_id = 'ami-1'"
    )).await;
    let mut now = at(NOW);
    let mut asked = Vec::new();
    while let Some(due) = due_images(&database, now).await.unwrap().pop() {
        assert_eq!(due.ids, ["ami-1"]);
        asked.push(due.key);
        missed_images(&database, &due.ids, now).await.unwrap();
        now += jiff::Span::new().hours(1);
    }
    assert_eq!(asked.len(), 7);
    assert!(
        asked.contains(&one) && asked.contains(&two),
        "every account that uses it was asked: {asked:?}"
    );
    let unavailable: bool =
        sqlx::query_scalar("select unavailable from image where image_id = 'ami-1'")
            .fetch_one(&*database)
            .await
            .unwrap();
    assert!(unavailable);
}

#[tokio::test]
async fn what_is_put_off_is_not_due() {
    let database = TestDatabase::new().await;
    let account = database.enrol("210987654321", "org").await;
    run(&database, &format!(
        "insert into instance (cloud_account, instance_id, region, next_lookup_at) values ({account}, 'i-1', 'us-east-1', 'epoch')"
    )).await;
    let due = due_instances(&database, at(NOW)).await.unwrap();
    put_off(&database, &due[0], at("2026-11-22T12:01:00Z"))
        .await
        .unwrap();
    assert_eq!(due_instances(&database, at(NOW)).await.unwrap(), []);
    assert_eq!(
        due_instances(&database, at("2026-11-22T12:01:00Z"))
            .await
            .unwrap(),
        due
    );
}

#[tokio::test]
async fn only_what_its_disk_must_tell_is_inspected() {
    let database = TestDatabase::new().await;
    let (one, two) = (
        database.enrol("210987654321", "org").await,
        database.enrol("310987654321", "org").await,
    );
    run(&database, &format!(
        "insert into image (image_id, region, described_at, platform, marketplace, rhel_tag, inspection, unavailable, name, owner_id) values
             ('ami-disk', 'us-east-1', now(), 'none', false, false, 'pending', false, 'web', '1'),
             ('ami-undescribed', 'us-east-1', null, 'none', false, false, 'pending', false, null, null),
             ('ami-windows', 'us-east-1', now(), 'windows', false, false, 'pending', false, 'w', '1'),
             ('ami-marketplace', 'us-east-1', now(), 'none', true, false, 'pending', false, 'm', '1'),
             ('ami-tagged', 'us-east-1', now(), 'none', false, true, 'pending', false, 't', '1'),
             ('ami-inspected', 'us-east-1', now(), 'none', false, false, 'inspected', false, 'i', '1'),
             ('ami-given-up', 'us-east-1', now(), 'none', false, false, 'error', false, 'e', '1'),
             ('ami-gone', 'us-east-1', now(), 'none', false, false, 'pending', true, 'g', '1'),
             ('ami-cloud-access', 'us-east-1', now(), 'none', false, false, 'pending', false, 'RHEL-9-Access2', '309956199498'),
             ('ami-hourly', 'us-east-1', now(), 'none', false, false, 'pending', false, 'RHEL-9-Hourly2', '309956199498');
         insert into instance (cloud_account, instance_id, region, image)
             select account, image_id || n, region, image.id
               from image, unnest('{{{one},{one},{two}}}'::int[]) with ordinality as used_by (account, n);
         insert into image (image_id, region, described_at) values ('ami-unused', 'us-east-1', now())"
    )).await;
    let account = |id: &str| ("customers".to_owned(), id.to_owned());
    let image = |accounts| Uninspected {
        image_id: "ami-disk".into(),
        region: "us-east-1".into(),
        accounts,
    };
    assert_eq!(
        uninspected(&database).await.unwrap(),
        [image(vec![
            account("210987654321"),
            account("310987654321")
        ])]
    );
    run(
        &database,
        &format!("update holder set suspended = true where cloud_account = {one}"),
    )
    .await;
    assert_eq!(
        uninspected(&database).await.unwrap(),
        [image(vec![account("310987654321")])]
    );
    run(&database, "delete from holder").await;
    assert_eq!(uninspected(&database).await.unwrap(), []);
}
