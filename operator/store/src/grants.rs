//! Privileges in the schema: its owner migrates it, the operator's role only uses it.

use sqlx::AssertSqlSafe;

use super::pool::options;
use super::{Doing, Pool, StoreError};

/// Tables and views that the operator reads and writes. Others in the schema are none of its business.
const USED: [&str; 15] = [
    "clipped_run",
    "cloud_account",
    "dead_letter",
    "holder",
    "image",
    "instance",
    "instance_event",
    "instance_type",
    "log_file",
    "metered_period",
    "organization",
    "retention",
    "run",
    "usage_day",
    "visible_instance",
];

/// Tables that the operator deletes from: holders and periods that end, derived rows, and rows with a retention limit.
const DELETED_FROM: [&str; 7] = [
    "dead_letter",
    "holder",
    "instance_event",
    "log_file",
    "metered_period",
    "run",
    "usage_day",
];

/// Lets an existing `role` read and write what is in the schema, delete what can be derived or has an end, and change nothing of
/// the schema itself. Safe to repeat; what a later migration adds needs it again.
///
/// # Errors
/// When there is no such role, or it is not ours to grant.
pub async fn grant(pool: &Pool, role: &str) -> Result<(), StoreError> {
    const DOING: &str =
        "granting the use of the schema to a role (does it exist, and do we own the tables?)";
    let mut transaction = pool.begin().await.doing(DOING)?;
    // Postgres itself quotes the names. The list of migrations is for its owner alone.
    let grants = sqlx::query_scalar!(
        r#"select format('grant usage on schema %I to %I', current_schema(), $1::text) as "grant!"
            union all
           select format('revoke delete on %I.%I from %I', schemaname, tablename, $1::text)
             from pg_tables where schemaname = current_schema() and tablename = any($2) and tableowner <> $1
            union all
           select format('grant select, insert, update on %I.%I to %I', current_schema(), name, $1::text)
             from unnest($2::text[]) as name
            union all
           select format('grant delete on %I.%I to %I', current_schema(), name, $1::text)
             from unnest($3::text[]) as name
            union all
           select format('grant usage, select on sequence %s to %I', pg_get_serial_sequence(format('%I.%I', current_schema(), table_name), column_name), $1::text)
             from information_schema.columns
            where table_schema = current_schema() and table_name = any($2) and is_identity = 'YES'"#,
        role,
        &USED as _,
        &DELETED_FROM as _
    );
    for grant in grants.fetch_all(&mut *transaction).await.doing(DOING)? {
        sqlx::raw_sql(AssertSqlSafe(grant))
            .execute(&mut *transaction)
            .await
            .doing(DOING)?;
    }
    transaction.commit().await.doing(DOING)
}

/// The role that `url` logs in as.
///
/// # Errors
/// When `url` is not a Postgres URL.
pub fn of_url(url: &str) -> Result<String, StoreError> {
    Ok(options(url)?.get_username().to_owned())
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use metering::cloudtrail::EventKind::{PowerOff, PowerOn};
    use metering::usage::Period;
    use rstest::rstest;
    use uuid::Uuid;

    use super::*;
    use crate::NewEvent;
    use crate::enrolments::{self, Claim, Claimant, Enrolment};
    use crate::events::record;
    use crate::testing::TestDatabase;
    use crate::{
        Changes, instance_types, invalidate, inventory, ledger, organizations, resources,
        retention, usage, usage_days,
    };

    fn time(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    async fn work(pool: &Pool) {
        let now = time("2026-11-22T12:00:00Z");
        let claimant = Claimant {
            account_id: "210987654321".into(),
            org_id: "org".into(),
            account_number: None,
            uid: Uuid::new_v4(),
            namespace: "customers".into(),
            name: "acme".into(),
            created_at: time("2026-01-01T00:00:00Z"),
            role_arn: "arn:aws:iam::210987654321:role/m".into(),
        };
        let claim = enrolments::claim(pool, &claimant, None, claimant.created_at).await;
        let Claim::Ours(enrolment) = claim.expect("a claim") else {
            panic!("somebody else has the account");
        };
        let Enrolment { account, uid, .. } = enrolment;
        enrolments::enable(pool, account, uid, claimant.created_at)
            .await
            .expect("enabling");
        let event = |kind, at: &str| NewEvent {
            account,
            event_id: at.into(),
            instance_id: "i-1".into(),
            region: "us-east-1".into(),
            image_id: Some("ami-1".into()),
            kind,
            at: time(at),
            instance_type: Some("m5.large".into()),
        };
        let file = ledger::LedgerEntry {
            bucket: "b",
            key: "k",
            etag: "e",
            records: 2,
            events: 2,
        };
        let mut transaction = pool.begin().await.expect("a transaction");
        ledger::enter(&mut transaction, &[file])
            .await
            .expect("entering");
        let events = [
            event(PowerOn, "2026-11-20T10:00:00Z"),
            event(PowerOff, "2026-11-20T11:00:00Z"),
        ];
        let mut changes = Changes::default();
        record(&mut transaction, &events, &mut changes)
            .await
            .expect("recording");
        invalidate(&mut transaction, &changes)
            .await
            .expect("invalidating");
        let version = organizations::version(&mut *transaction, "org").await;
        let day = jiff::civil::date(2026, 11, 20);
        usage_days::cache(
            &mut transaction,
            version.expect("a version").expect("the organization"),
            &[(day, usage_days::DayCounts::of(&[]).expect("JSON"))],
        )
        .await
        .expect("keeping");
        let period = Period::of_day(day);
        let runs = usage::detailed_runs(&mut transaction, "org", period).await;
        assert_eq!(runs.expect("runs").len(), 1);
        transaction.commit().await.expect("committing");
        let types = ["m5.large".to_owned()];
        instance_types::save(pool, &types, &[], now)
            .await
            .expect("saving");
        inventory::due_images(pool, now).await.expect("images");
        let pruned = retention::prune(pool, now, false).await.expect("pruning");
        assert_eq!(pruned.events, 0);
        enrolments::suspend(pool, account, uid, now)
            .await
            .expect("suspending");
        resources::accounts(&mut pool.begin().await.expect("a transaction"), None, None)
            .await
            .expect("accounts");
        enrolments::release(pool, uid, now)
            .await
            .expect("releasing");
    }

    #[tokio::test]
    async fn a_role_that_was_granted_the_schemas_use_does_the_work_and_changes_no_table() {
        let database = TestDatabase::new().await;
        let role = format!("it's \"my\" role; {}", Uuid::new_v4());
        let quoted = format!("\"{}\"", role.replace('"', "\"\""));
        let as_owner = async |statement: &str| {
            let statement = statement.replace("ROLE", &quoted);
            sqlx::raw_sql(AssertSqlSafe(statement))
                .execute(&*database)
                .await
                .expect("what the owner does");
        };
        as_owner("create role ROLE; grant ROLE to current_user").await;
        as_owner("create table of_somebody_else (id int)").await;
        grant(&database, &role).await.expect("granting");
        grant(&database, &role).await.expect("granting again");

        let as_role = options(database.url()).expect("its URL");
        let pool = Pool::new(2, as_role.options([("role", &role)]));
        work(&pool).await;
        for statement in [
            "create table mine (id int)",
            "drop table run",
            "alter table run add column more int",
            "truncate run",
            "delete from instance",
            "delete from cloud_account",
            "select * from of_somebody_else",
            "create index on run (ended_at)",
            "delete from _sqlx_migrations",
        ] {
            let refused = sqlx::query(statement).execute(&pool).await;
            let refused = refused.expect_err(statement);
            let code = refused.as_database_error().and_then(|error| error.code());
            assert_eq!(code.as_deref(), Some("42501"), "{statement}: {refused}");
        }
        drop(pool);
        as_owner("drop owned by ROLE").await;
        as_owner("drop role ROLE").await;
        assert!(grant(&database, &role).await.is_err(), "the role is gone");
    }

    #[tokio::test]
    async fn only_our_tables_are_granted() {
        let database = TestDatabase::new().await;
        let all: Vec<String> = sqlx::query_scalar(
            "select table_name::text from information_schema.tables
              where table_schema = current_schema() and table_name <> '_sqlx_migrations' order by 1",
        )
        .fetch_all(&*database)
        .await
        .expect("the tables");
        assert_eq!(
            all, USED,
            "a new table is granted or it is none of the operator's business"
        );
    }

    #[rstest]
    #[case("postgres://app:secret@db:5432/cloudigrade", "app")]
    #[case("postgres://a%20p%22p:s@db/cloudigrade", "a p\"p")]
    fn the_role_of_a_url_is_its_user(#[case] url: &str, #[case] role: &str) {
        assert_eq!(of_url(url).expect("a URL"), role);
    }
}
