//! In-process cache of recently requested days, so that a repeated request needs no usage from Postgres.

use jiff::ToSpan;
use jiff::civil::Date;
use moka::future::Cache;
use moka::policy::EvictionPolicy;

use cloudigrade_store::organizations::Organization;
use cloudigrade_store::usage_days::DayCounts;

/// Limit of all days together, in bytes of JSON.
const LIMIT: u64 = 32 << 20;

/// Past days by organization and its version: a change of anything that its usage is derived from makes another version, and the days
/// of the older one are evicted as the least recently used.
#[derive(Clone, Debug)]
pub struct UsageCache(Cache<(String, i64, Date), DayCounts>);

impl Default for UsageCache {
    fn default() -> Self {
        let bytes = |_: &_, counts: &DayCounts| u32::try_from(counts.bytes()).unwrap_or(u32::MAX);
        Self(
            Cache::builder()
                .max_capacity(LIMIT)
                .weigher(bytes)
                .eviction_policy(EvictionPolicy::lru())
                .build(),
        )
    }
}

impl UsageCache {
    /// Returns the days from `first` to `last` if all of them are cached.
    pub(super) async fn get(
        &self,
        organization: &Organization,
        first: Date,
        last: Date,
    ) -> Option<Vec<(Date, DayCounts)>> {
        let mut days = Vec::new();
        for day in first.series(1.day()).take_while(|day| *day <= last) {
            days.push((day, self.0.get(&key(organization, day)).await?));
        }
        Some(days)
    }

    /// Caches past days. They must have been read after `organization` was.
    pub(super) async fn insert(&self, organization: &Organization, days: &[(Date, DayCounts)]) {
        for (day, counts) in days {
            self.0.insert(key(organization, *day), counts.clone()).await;
        }
    }
}

fn key(organization: &Organization, day: Date) -> (String, i64, Date) {
    let Organization {
        org_id, version, ..
    } = organization;
    (org_id.clone(), *version, day)
}

#[cfg(test)]
mod tests {
    use metering::usage::Count;

    use super::*;

    fn organization(org_id: &str, version: i64) -> Organization {
        Organization {
            org_id: org_id.into(),
            since: day(1),
            version,
        }
    }

    fn day(day: i8) -> Date {
        jiff::civil::date(2026, 11, day)
    }

    fn counts(bytes: usize) -> DayCounts {
        let count = Count {
            arch: "x".repeat(bytes),
            role: String::new(),
            sla: String::new(),
            usage: String::new(),
            service_type: String::new(),
            instances_count: 1,
        };
        DayCounts::of(&[count]).unwrap()
    }

    async fn days(cache: &UsageCache, of: &Organization, last: i8) -> Option<Vec<Date>> {
        let days = cache.get(of, day(1), day(last)).await?;
        Some(days.into_iter().map(|(day, _)| day).collect())
    }

    #[tokio::test]
    async fn days_are_cached_until_something_changes() {
        let cache = UsageCache::default();
        let acme = organization("acme", 1);
        assert_eq!(days(&cache, &acme, 2).await, None);
        let both = [(day(1), counts(1)), (day(2), counts(1))];
        cache.insert(&acme, &both).await;
        assert_eq!(days(&cache, &acme, 2).await, Some(vec![day(1), day(2)]));
        assert_eq!(days(&cache, &acme, 3).await, None, "one is missing");
        assert_eq!(days(&cache, &organization("globex", 1), 2).await, None);
        cache.insert(&acme, &[(day(3), counts(1))]).await;
        assert_eq!(days(&cache, &acme, 3).await.unwrap().len(), 3);

        let changed = organization("acme", 2);
        assert_eq!(days(&cache, &changed, 2).await, None);
        cache.insert(&changed, &[(day(1), counts(1))]).await;
        assert_eq!(days(&cache, &changed, 1).await, Some(vec![day(1)]));
        assert_eq!(days(&cache, &changed, 2).await, None, "not of this version");
    }

    #[tokio::test]
    async fn the_least_recently_used_days_make_room() {
        let cache = UsageCache::default();
        let (acme, globex) = (organization("acme", 1), organization("globex", 1));
        for organization in [&acme, &globex] {
            for n in 1..20 {
                let counts = counts(1 << 20);
                cache.insert(organization, &[(day(n), counts)]).await;
            }
        }
        cache.0.run_pending_tasks().await;
        assert!(cache.0.weighted_size() <= LIMIT);
        assert!(
            days(&cache, &globex, 19).await.is_some(),
            "all of the newer"
        );
        let newest = cache.get(&acme, day(19), day(19)).await;
        assert!(newest.is_some(), "what there is room for of the older");
        assert!(days(&cache, &acme, 19).await.is_none(), "but not all");
    }
}
