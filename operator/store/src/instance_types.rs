//! How large the instance types are that ran.

use jiff::{SignedDuration, Timestamp};
use jiff_sqlx::ToSqlx;
use metering::described::InstanceType;

use super::{Doing, Pool, StoreError};

/// How long a description holds. Sizes do not change, but a name that the cloud did not know may come to mean something.
const FRESH: SignedDuration = SignedDuration::from_hours(7 * 24);

/// Types to be described, and a region that has them because an instance ran there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DueTypes {
    /// Where their newest instances are
    pub region: String,
    /// As in `m5.large`
    pub names: Vec<String>,
}

/// The types of runs that were not described yet, or a week ago, by region.
pub async fn due(database: &Pool, now: Timestamp) -> Result<Vec<DueTypes>, StoreError> {
    let stale = now.saturating_sub(FRESH).unwrap_or(Timestamp::MIN);
    // There are many runs and few types, so the index is asked for the next type, and the next, and not read through.
    sqlx::query_as!(
        DueTypes,
        r#"with recursive type (name) as (
               (select instance_type from run where instance_type is not null order by instance_type limit 1)
               union all
               select (select instance_type from run where instance_type > type.name order by instance_type limit 1)
                 from type where type.name is not null
           )
           select newest.region as "region!", array_agg(type.name order by type.name) as "names!"
             from type
             left join instance_type as known on known.cloud = 'aws' and known.name = type.name
            cross join lateral (
                  select region from run join instance on instance.id = run.instance
                   where run.instance_type = type.name order by run.instance desc limit 1) as newest
            where known.name is null or known.described_at <= $1
            group by newest.region order by newest.region"#,
        &stale.to_sqlx() as _,
    )
    .fetch_all(database)
    .await
    .doing("listing instance types to describe")
}

/// Saves what the cloud said when it was asked for `asked`: types that it did not describe have no size, unless they had
/// one before.
pub async fn save(
    database: &Pool,
    asked: &[String],
    described: &[InstanceType],
    now: Timestamp,
) -> Result<(), StoreError> {
    let names: Vec<&str> = described.iter().map(|type_| type_.name.as_str()).collect();
    let vcpus: Vec<i32> = described.iter().map(|type_| type_.vcpus).collect();
    let memory: Vec<i64> = described.iter().map(|type_| type_.memory_mib).collect();
    sqlx::query!(
        "insert into instance_type (name, vcpus, memory_mib, described_at)
         select distinct on (asked.name) asked.name, vcpus, memory_mib, $5::timestamptz
           from unnest($1::text[]) as asked (name)
           left join unnest($2::text[], $3::integer[], $4::bigint[]) as described (name, vcpus, memory_mib) using (name)
          order by asked.name
             on conflict (cloud, name) do update
            set vcpus = coalesce(excluded.vcpus, instance_type.vcpus),
                memory_mib = coalesce(excluded.memory_mib, instance_type.memory_mib),
                described_at = excluded.described_at",
        asked,
        &names as _,
        &vcpus,
        &memory,
        &now.to_sqlx() as _,
    )
    .execute(database)
    .await
    .doing("saving instance types")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use metering::cloudtrail::EventKind::{PowerOff, PowerOn};
    use metering::usage::Period;

    use super::*;
    use crate::testing::TestDatabase;
    use crate::usage;
    use crate::{AccountKey, NewEvent};

    const NOW: &str = "2026-11-22T12:00:00Z";

    fn now() -> Timestamp {
        NOW.parse().expect("a time")
    }

    async fn runs_of(database: &TestDatabase, account: AccountKey, runs: &[(&str, &str, &str)]) {
        let event = |kind, &(instance, type_, region): &(&str, &str, &str)| NewEvent {
            account,
            event_id: format!("{instance} {kind:?}"),
            instance_id: instance.into(),
            region: region.into(),
            image_id: None,
            kind,
            at: format!("2026-11-20T1{}:00:00Z", u8::from(kind == PowerOff))
                .parse()
                .expect("a time"),
            instance_type: (!type_.is_empty()).then(|| type_.to_owned()),
        };
        let events: Vec<NewEvent> = runs
            .iter()
            .flat_map(|run| [event(PowerOn, run), event(PowerOff, run)])
            .collect();
        database.record(&events).await;
    }

    async fn due_then(database: &TestDatabase, at: Timestamp) -> Vec<(String, Vec<String>)> {
        let due = due(database, at).await.expect("due types");
        due.into_iter().map(|d| (d.region, d.names)).collect()
    }

    fn size(name: &str, vcpus: i32, memory_mib: i64) -> InstanceType {
        InstanceType {
            name: name.into(),
            vcpus,
            memory_mib,
        }
    }

    #[tokio::test]
    async fn types_that_ran_are_described_once_a_week() {
        let database = TestDatabase::new().await;
        assert_eq!(due_then(&database, now()).await, []);
        let account = database.enrol("210987654321", "org").await;
        let runs = [
            ("i-1", "m5.large", "us-east-1"),
            ("i-2", "m5.large", "us-east-1"),
            ("i-3", "c5.large", "us-east-1"),
            ("i-4", "x9.huge", "eu-west-1"),
            ("i-5", "", "eu-west-1"),
        ];
        runs_of(&database, account, &runs).await;
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let (east, west): (Vec<String>, Vec<String>) =
            (names(&["c5.large", "m5.large"]), names(&["x9.huge"]));
        let all = [
            ("eu-west-1".to_owned(), west.clone()),
            ("us-east-1".to_owned(), east.clone()),
        ];
        assert_eq!(due_then(&database, now()).await, all);

        let sizes = [size("m5.large", 2, 8192), size("c5.large", 2, 4096)];
        save(&database, &east, &sizes, now()).await.expect("saving");
        assert_eq!(due_then(&database, now()).await, all[..1]);
        save(&database, &west, &[], now()).await.expect("saving");
        assert_eq!(
            due_then(&database, now()).await,
            [],
            "one that is not known was asked for"
        );

        let week = now() + FRESH;
        assert_eq!(due_then(&database, week).await, all);
        save(&database, &east, &sizes[..1], week)
            .await
            .expect("saving");
        save(&database, &west, &[size("x9.huge", 448, 25_165_824)], week)
            .await
            .expect("saving");

        let mut transaction = database.begin().await.expect("a transaction");
        let period = Period {
            start: Timestamp::UNIX_EPOCH,
            end: week,
        };
        let mut sizes: Vec<_> = usage::detailed_runs(&mut transaction, "org", period)
            .await
            .expect("runs")
            .into_iter()
            .map(|run| (run.instance_id, run.vcpus.zip(run.memory_mib)))
            .collect();
        sizes.sort();
        let expected = [
            ("i-1", Some((2, 8192))),
            ("i-2", Some((2, 8192))),
            ("i-3", Some((2, 4096))),
            ("i-4", Some((448, 25_165_824))),
            ("i-5", None),
        ];
        assert_eq!(
            sizes,
            expected.map(|(instance, size)| (instance.to_owned(), size)),
            "a size that the cloud does not tell any more stays"
        );
    }
}
