//! What logs mention and nobody has described yet, and which images still have to be inspected.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use metering::image::{self, ImageAttributes};

use super::{Doing, Pool, StoreError};

/// Lookups that found nothing before a thing counts as gone: with waits that double, about an hour.
pub const MOST_LOOKUPS: i32 = 7;
/// Most things looked up in one round.
const ROUND: i64 = 1000;

/// Things of one account and region that are due to be described.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// The enrolment they are looked up for
    pub enrolment: i64,
    /// Namespace of its CloudAccount
    pub namespace: String,
    /// Name of its CloudAccount
    pub account: String,
    /// The cloud's id of the account
    pub account_id: String,
    /// Where they are
    pub region: String,
    /// The cloud's ids
    pub ids: Vec<String>,
}

/// An image that nothing but its disk can tell about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uninspected {
    /// `ami-…`
    pub image_id: String,
    /// Where it is
    pub region: String,
    /// Namespace and name of the CloudAccounts that use it, the oldest first
    pub accounts: Vec<(String, String)>,
}

/// Instances without an image, of accounts that are metered, due at `now`.
///
/// # Errors
/// When Postgres does not answer.
pub async fn due_instances(database: &Pool, now: Timestamp) -> Result<Vec<Due>, StoreError> {
    sqlx::query_as!(
        Due,
        r#"select enrolment.id as enrolment, namespace, name as account, cloud_account_id as account_id, region,
                  array_agg(instance_id) as "ids!"
             from (select enrolment_id, region, instance_id from instance
                    where image is null and next_lookup_at <= $1 and lookups < $2
                    order by next_lookup_at limit $3) as due
             join enrolment on enrolment.id = due.enrolment_id
            where released_at is null and not suspended
            group by enrolment.id, region"#,
        &now.to_sqlx() as _,
        MOST_LOOKUPS,
        ROUND,
    )
    .fetch_all(database)
    .await
    .doing("listing instances to look up")
}

/// Images not described yet, each with one of the metered accounts that use it, due at `now`. After a lookup that found
/// nothing another account has its turn: the image can be shared with one of them only.
///
/// # Errors
/// When Postgres does not answer.
pub async fn due_images(database: &Pool, now: Timestamp) -> Result<Vec<Due>, StoreError> {
    sqlx::query_as!(
        Due,
        r#"select enrolment as "enrolment!", namespace as "namespace!", account as "account!",
                  cloud_account_id as "account_id!", region as "region!", array_agg(image_id) as "ids!"
             from (select distinct on (due.id) enrolment.id as enrolment, namespace, enrolment.name as account, cloud_account_id,
                          due.region, image_id
                     from (select id, image_id, region, lookups from image
                            where described_at is null and not unavailable and next_lookup_at <= $1
                            order by next_lookup_at limit $2) as due
                     join instance on instance.image = due.id
                     join enrolment on enrolment.id = instance.enrolment_id
                    where released_at is null and not suspended
                    order by due.id, hashint8(enrolment.id + due.lookups)) as chosen
            group by enrolment, namespace, account, cloud_account_id, region"#,
        &now.to_sqlx() as _,
        ROUND,
    )
    .fetch_all(database)
    .await
    .doing("listing images to look up")
}

/// How many instances and how many images of metered accounts are known from logs only.
///
/// # Errors
/// When Postgres does not answer.
pub async fn unidentified(database: &Pool) -> Result<(i64, i64), StoreError> {
    sqlx::query!(
        r#"select (select count(*) from instance join enrolment on enrolment.id = enrolment_id
                    where image is null and released_at is null) as "instances!",
                  (select count(*) from image
                    where described_at is null
                      and exists (select from instance join enrolment on enrolment.id = enrolment_id
                                   where instance.image = image.id and released_at is null)) as "images!""#,
    )
    .map(|row| (row.instances, row.images))
    .fetch_one(database)
    .await
    .doing("counting what nobody has described")
}

/// These instances were not found: asked for again later, in the end not any more.
///
/// # Errors
/// When Postgres does not answer.
pub async fn missed_instances(
    database: &Pool,
    enrolment: i64,
    ids: &[String],
    now: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query!(
        "update instance set lookups = lookups + 1, next_lookup_at = $3::timestamptz + interval '30 seconds' * 2 ^ lookups
          where enrolment_id = $1 and instance_id = any($2)",
        enrolment,
        ids,
        &now.to_sqlx() as _,
    )
    .execute(database)
    .await
    .doing("putting off instances that were not found")?;
    Ok(())
}

/// These images were not found: asked for again later, in the end unavailable (§5.1).
///
/// # Errors
/// When Postgres does not answer.
pub async fn missed_images(
    database: &Pool,
    ids: &[String],
    now: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query!(
        "update image set lookups = lookups + 1, next_lookup_at = $2::timestamptz + interval '30 seconds' * 2 ^ lookups,
                unavailable = lookups + 1 >= $3
          where cloud = 'aws' and image_id = any($1)",
        ids,
        &now.to_sqlx() as _,
        MOST_LOOKUPS,
    )
    .execute(database)
    .await
    .doing("putting off images that were not found")?;
    Ok(())
}

/// Nothing was learned about these instances and images: not before `until`.
///
/// # Errors
/// When Postgres does not answer.
pub async fn put_off(database: &Pool, due: &Due, until: Timestamp) -> Result<(), StoreError> {
    let doing = "putting off a lookup";
    sqlx::query!(
        "update instance set next_lookup_at = $3 where enrolment_id = $1 and instance_id = any($2) and image is null",
        due.enrolment,
        &due.ids,
        &until.to_sqlx() as _,
    )
    .execute(database)
    .await
    .doing(doing)?;
    sqlx::query!(
        "update image set next_lookup_at = $2 where cloud = 'aws' and image_id = any($1) and described_at is null",
        &due.ids,
        &until.to_sqlx() as _,
    )
    .execute(database)
    .await
    .doing(doing)?;
    Ok(())
}

/// Described images, used by a metered account, that were never inspected and that neither tag, name nor platform tell about.
///
/// # Errors
/// When Postgres does not answer.
pub async fn uninspected(database: &Pool) -> Result<Vec<Uninspected>, StoreError> {
    let rows = sqlx::query!(
        "select image_id, image.region, image.name as image_name, owner_id, namespace, enrolment.name as account
           from image
           join lateral (select distinct enrolment_id from instance where instance.image = image.id) as used on true
           join enrolment on enrolment.id = used.enrolment_id
          where inspection = 'pending' and described_at is not null and not unavailable
            and platform = 'none' and not marketplace and not rhel_tag and released_at is null and not suspended
          order by image.id, enrolment.id",
    )
    .fetch_all(database)
    .await
    .doing("listing images to inspect")?;
    let mut images: Vec<Uninspected> = Vec::new();
    for row in rows {
        let named = ImageAttributes {
            name: row.image_name,
            owner_id: row.owner_id,
            ..ImageAttributes::default()
        };
        if image::classify(&named).rhel.is_some() {
            continue;
        }
        let account = (row.namespace, row.account);
        match images
            .last_mut()
            .filter(|last| last.image_id == row.image_id)
        {
            Some(last) => last.accounts.push(account),
            None => images.push(Uninspected {
                image_id: row.image_id,
                region: row.region,
                accounts: vec![account],
            }),
        }
    }
    Ok(images)
}

#[cfg(test)]
mod tests {
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
        let enrolment = database.enrol("210987654321", "org").await;
        run(&database, &format!(
            "insert into instance (enrolment_id, instance_id, region, next_lookup_at) values
                 ({enrolment}, 'i-1', 'us-east-1', 'epoch'), ({enrolment}, 'i-2', 'us-east-1', 'epoch'), ({enrolment}, 'i-3', 'eu-west-1', 'epoch')"
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
            missed_instances(&database, enrolment, &due.ids, now)
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
             insert into instance (enrolment_id, instance_id, region, image)
                 select unnest('{{{one},{two}}}'::bigint[]), 'i-1', 'us-east-1', id from image where image_id = 'ami-1'"
        )).await;
        let mut now = at(NOW);
        let mut asked = Vec::new();
        while let Some(due) = due_images(&database, now).await.unwrap().pop() {
            assert_eq!(due.ids, ["ami-1"]);
            asked.push(due.enrolment);
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
        let enrolment = database.enrol("210987654321", "org").await;
        run(&database, &format!(
            "insert into instance (enrolment_id, instance_id, region, next_lookup_at) values ({enrolment}, 'i-1', 'us-east-1', 'epoch')"
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
             insert into instance (enrolment_id, instance_id, region, image)
                 select enrolment, image_id || n, region, image.id
                   from image, unnest('{{{one},{one},{two}}}'::bigint[]) with ordinality as used_by (enrolment, n);
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
            &format!("update enrolment set suspended = true where id = {one}"),
        )
        .await;
        assert_eq!(
            uninspected(&database).await.unwrap(),
            [image(vec![account("310987654321")])]
        );
        run(&database, "update enrolment set released_at = now()").await;
        assert_eq!(uninspected(&database).await.unwrap(), []);
    }
}
