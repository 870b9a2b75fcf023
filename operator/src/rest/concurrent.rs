//! The highest number of RHEL instances that ran at once, day by day. A day that is not cached is computed for the request.

use axum::Json;
use axum::extract::State;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use schemars::JsonSchema;
use serde::Serialize;
use sqlx::PgTransaction;

use super::AppState;
use super::error::ApiError;
use super::identity::{Impersonated, OrgAdmin};
use super::page::{ListParams, Page};
use crate::report;
use cloudigrade_store::organizations::Organization;
use cloudigrade_store::usage_days::DayCounts;
use cloudigrade_store::{Doing, StoreError};

/// One day.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(super) struct DailyConcurrentUsage {
    #[schemars(with = "String", extend("format" = "date"))]
    date: Date,
    #[schemars(with = "Vec<metering::usage::Count>")]
    maximum_counts: DayCounts,
}

/// Bounds of the days that a request may select.
#[derive(Clone, Copy, Debug)]
struct Limits {
    /// First day: the organization was not known before
    since: Date,
    /// Last day a list may begin with
    latest_start: Date,
    /// Last day a list may end before
    latest_end: Date,
    late_start: &'static str,
    late_end: &'static str,
}

impl Limits {
    /// For customers: past days.
    fn public(since: Date, today: Date) -> Self {
        Self {
            since,
            latest_start: today.saturating_sub(1.day()),
            latest_end: today,
            late_start: "start_date cannot be today or in the future.",
            late_end: "end_date cannot be in the future.",
        }
    }

    /// For the platform's own programs: today too, so far.
    fn internal(since: Date, today: Date) -> Self {
        Self {
            since,
            latest_start: today,
            latest_end: today.saturating_add(1.day()),
            late_start: "start_date cannot be in the future.",
            late_end: "end_date cannot be after tomorrow.",
        }
    }

    /// Returns the first day and the day after the last.
    fn days(
        &self,
        start: Option<&str>,
        end: Option<&str>,
        today: Date,
    ) -> Result<(Date, Date), ApiError> {
        let start = match start {
            None => Ok(today
                .saturating_sub(1.day())
                .max(self.since)
                .min(self.latest_start)),
            Some(text) => match date(text) {
                None => Err("start_date must be a date (YYYY-MM-DD)."),
                Some(date) if date < self.since => {
                    Err("start_date must be same as or after the user creation date.")
                }
                Some(date) if date > self.latest_start => Err(self.late_start),
                Some(date) => Ok(date),
            },
        };
        let end = match end {
            None => Ok(today),
            Some(text) => match date(text) {
                None => Err("end_date must be a date (YYYY-MM-DD)."),
                Some(date) if date < self.since => {
                    Err("end_date must be same as or after the user creation date.")
                }
                Some(date) if date > self.latest_end => Err(self.late_end),
                Some(date) => Ok(date),
            },
        };
        match (start, end) {
            (Ok(start), Ok(end)) => Ok((start, end)),
            (start, end) => Err(ApiError::parameters(
                [("start_date", start.err()), ("end_date", end.err())]
                    .into_iter()
                    .filter_map(|(name, wrong)| Some((name, wrong?.to_owned()))),
            )),
        }
    }
}

/// Reads `2026-11-22`; a time after `T` or a space is ignored.
fn date(text: &str) -> Option<Date> {
    let day = text.split(['T', ' ']).next()?;
    Date::strptime("%Y-%m-%d", day).ok()
}

/// `GET /concurrent/`
pub(super) async fn public(
    State(state): State<AppState>,
    OrgAdmin(organization, transaction): OrgAdmin,
    params: ListParams,
) -> Result<Json<Page<DailyConcurrentUsage>>, ApiError> {
    list(&state, organization, transaction, &params, Limits::public).await
}

/// `GET /concurrent/` of the internal routes
pub(super) async fn internal(
    State(state): State<AppState>,
    Impersonated(organization, transaction): Impersonated,
    params: ListParams,
) -> Result<Json<Page<DailyConcurrentUsage>>, ApiError> {
    list(&state, organization, transaction, &params, Limits::internal).await
}

async fn list(
    state: &AppState,
    organization: Organization,
    transaction: PgTransaction<'static>,
    params: &ListParams,
    limits: fn(Date, Date) -> Limits,
) -> Result<Json<Page<DailyConcurrentUsage>>, ApiError> {
    let now = Timestamp::now();
    let days = days(params, limits(organization.since, day_of(now)), now)?;
    let count = days.len() as u64;
    let usage = read(
        state,
        &organization,
        transaction,
        &params.page_of(days),
        now,
    )
    .await?;
    Ok(params.page(count, usage))
}

fn day_of(now: Timestamp) -> Date {
    now.to_zoned(TimeZone::UTC).date()
}

/// The days that the parameters select.
fn days(params: &ListParams, limits: Limits, now: Timestamp) -> Result<Vec<Date>, ApiError> {
    let start = params.parameter("start_date");
    let end = params.parameter("end_date");
    let (start, end) = limits.days(start, end, day_of(now))?;
    Ok(start.series(1.day()).take_while(|day| *day < end).collect())
}

/// Reads the usage of `days` in the transaction in which the organization was read.
async fn read(
    state: &AppState,
    organization: &Organization,
    mut transaction: PgTransaction<'static>,
    days: &[Date],
    now: Timestamp,
) -> Result<Vec<DailyConcurrentUsage>, StoreError> {
    let (Some(&first), Some(&last)) = (days.first(), days.last()) else {
        return Ok(Vec::new());
    };
    let usage = match state.usage_cache.get(organization, first, last).await {
        Some(usage) => usage,
        None => {
            let org_id = &organization.org_id;
            let usage =
                report::concurrent_counts(&mut transaction, org_id, first, last, now).await?;
            let committed = transaction.commit().await;
            committed.doing("caching usage")?;
            let over = usage.partition_point(|(day, _)| *day < day_of(now));
            let past = usage.split_at(over).0;
            state.usage_cache.insert(organization, past).await;
            usage
        }
    };
    let daily = |(date, maximum_counts)| DailyConcurrentUsage {
        date,
        maximum_counts,
    };
    Ok(usage.into_iter().map(daily).collect())
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse;
    use rstest::rstest;

    use super::*;

    fn day(text: &str) -> Date {
        text.parse().unwrap()
    }

    const TODAY: &str = "2026-11-22";
    const SINCE: &str = "2026-11-01";

    #[rstest]
    #[case::defaults(None, None, "2026-11-21", "2026-11-22")]
    #[case::given(Some("2026-11-02"), Some("2026-11-05"), "2026-11-02", "2026-11-05")]
    #[case::from_the_first(Some("2026-11-01"), Some("2026-11-01"), "2026-11-01", "2026-11-01")]
    #[case::to_the_last(Some("2026-11-21"), Some("2026-11-22"), "2026-11-21", "2026-11-22")]
    #[case::with_a_time(Some("2026-11-02T10:00:00"), None, "2026-11-02", "2026-11-22")]
    fn days_that_may_be_asked_for(
        #[case] start: Option<&str>,
        #[case] end: Option<&str>,
        #[case] first: &str,
        #[case] last: &str,
    ) {
        let limits = Limits::public(day(SINCE), day(TODAY));
        let days = limits.days(start, end, day(TODAY)).unwrap();
        assert_eq!(days, (day(first), day(last)));
    }

    #[rstest]
    #[case::words(
        Some("soon"),
        Some("later"),
        "start_date must be a date (YYYY-MM-DD).|end_date must be a date (YYYY-MM-DD)."
    )]
    #[case::no_such_day(Some("2026-02-30"), None, "start_date must be a date (YYYY-MM-DD).")]
    #[case::today(
        Some("2026-11-22"),
        None,
        "start_date cannot be today or in the future."
    )]
    #[case::tomorrow(None, Some("2026-11-23"), "end_date cannot be in the future.")]
    #[case::before(
        Some("2026-10-31"),
        Some("2026-10-31"),
        "start_date must be same as or after the user creation date.|end_date must be same as or after the user creation date."
    )]
    #[tokio::test]
    async fn what_makes_no_sense_is_told_by_parameter(
        #[case] start: Option<&str>,
        #[case] end: Option<&str>,
        #[case] expected: &str,
    ) {
        let limits = Limits::public(day(SINCE), day(TODAY));
        let failure = limits
            .days(start, end, day(TODAY))
            .unwrap_err()
            .into_response();
        assert_eq!(failure.status(), 400);
        let body = axum::body::to_bytes(failure.into_body(), 10_000)
            .await
            .unwrap();
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        let told: Vec<&str> = ["start_date", "end_date"]
            .iter()
            .filter_map(|name| body[name][0].as_str())
            .collect();
        assert_eq!(told.join("|"), expected);
    }

    #[test]
    fn programs_of_the_platform_may_ask_for_today() {
        let limits = Limits::internal(day(SINCE), day(TODAY));
        let days = limits
            .days(Some("2026-11-22"), Some("2026-11-23"), day(TODAY))
            .unwrap();
        assert_eq!(days, (day("2026-11-22"), day("2026-11-23")));
        assert!(limits.days(Some("2026-11-23"), None, day(TODAY)).is_err());
    }

    #[test]
    fn an_organization_of_today_has_no_days_yet() {
        let limits = Limits::public(day(TODAY), day(TODAY));
        let (first, last) = limits.days(None, None, day(TODAY)).unwrap();
        assert!(first <= last);
    }
}
