//! The highest number of RHEL instances that ran at once, day by day (§8.6). A day that is not kept is computed when it is
//! asked for, so nothing is ever "not ready yet".

use axum::Json;
use axum::extract::State;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use schemars::JsonSchema;
use serde::Serialize;
use sqlx::PgTransaction;

use super::Api;
use super::caller::{Caller, OnBehalfOf};
use super::failure::Failure;
use super::page::{Page, Wanted};
use crate::report;
use cloudigrade_store::organizations::Organization;
use cloudigrade_store::usage_days::DayCounts;
use cloudigrade_store::{Doing, StoreError};

/// One day.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(super) struct DailyConcurrentUsage {
    #[schemars(with = "String", extend("format" = "date"))]
    date: Date,
    #[schemars(with = "Vec<MaximumCount>")]
    maximum_counts: DayCounts,
}

/// The highest number for one choice of dimensions; `_ANY` stands for whatever value.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "what a `Count` looks like to callers")]
struct MaximumCount {
    arch: String,
    role: String,
    sla: String,
    usage: String,
    service_type: String,
    instances_count: u64,
}

/// The days that may be asked for.
#[derive(Clone, Copy, Debug)]
struct Limits {
    /// The organization was not known before
    since: Date,
    /// Last day a list may begin with
    latest_start: Date,
    /// Last day a list may end before
    latest_end: Date,
    late_start: &'static str,
    late_end: &'static str,
}

impl Limits {
    /// For customers: days that are over.
    fn public(since: Date, today: Date) -> Self {
        Self {
            since,
            latest_start: today.saturating_sub(1.day()),
            latest_end: today,
            late_start: "start_date cannot be today or in the future.",
            late_end: "end_date cannot be in the future.",
        }
    }

    /// For programs of the platform: today too, as far as it has come.
    fn internal(since: Date, today: Date) -> Self {
        Self {
            since,
            latest_start: today,
            latest_end: today.saturating_add(1.day()),
            late_start: "start_date cannot be in the future.",
            late_end: "end_date cannot be after tomorrow.",
        }
    }

    /// From the first day, counted in, to the last, not counted in.
    fn days(
        &self,
        start: Option<&str>,
        end: Option<&str>,
        today: Date,
    ) -> Result<(Date, Date), Failure> {
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
            (start, end) => Err(Failure::parameters(
                [("start_date", start.err()), ("end_date", end.err())]
                    .into_iter()
                    .filter_map(|(name, wrong)| Some((name, wrong?.to_owned()))),
            )),
        }
    }
}

/// `2026-11-22`; what follows a `T` or a space does not matter.
fn date(text: &str) -> Option<Date> {
    let day = text.split(['T', ' ']).next()?;
    Date::strptime("%Y-%m-%d", day).ok()
}

pub(super) async fn public(
    State(api): State<Api>,
    Caller(organization, transaction): Caller,
    wanted: Wanted,
) -> Result<Json<Page<DailyConcurrentUsage>>, Failure> {
    let now = Timestamp::now();
    let limits = Limits::public(organization.since, day_of(now));
    let days = days(&wanted, limits, now)?;
    let count = days.len() as u64;
    let usage = read(&api, &organization, transaction, &wanted.part(days), now).await?;
    Ok(wanted.page(count, usage))
}

pub(super) async fn internal(
    State(api): State<Api>,
    OnBehalfOf(organization, transaction): OnBehalfOf,
    wanted: Wanted,
) -> Result<Json<Page<DailyConcurrentUsage>>, Failure> {
    let now = Timestamp::now();
    let limits = Limits::internal(organization.since, day_of(now));
    let days = days(&wanted, limits, now)?;
    let count = days.len() as u64;
    let usage = read(&api, &organization, transaction, &wanted.part(days), now).await?;
    Ok(wanted.page(count, usage))
}

fn day_of(now: Timestamp) -> Date {
    now.to_zoned(TimeZone::UTC).date()
}

/// The days that are asked for.
fn days(wanted: &Wanted, limits: Limits, now: Timestamp) -> Result<Vec<Date>, Failure> {
    let start = wanted.parameter("start_date");
    let end = wanted.parameter("end_date");
    let (start, end) = limits.days(start, end, day_of(now))?;
    Ok(start.series(1.day()).take_while(|day| *day < end).collect())
}

/// Their usage. The transaction is the one in which the organization was read.
async fn read(
    api: &Api,
    organization: &Organization,
    mut transaction: PgTransaction<'static>,
    days: &[Date],
    now: Timestamp,
) -> Result<Vec<DailyConcurrentUsage>, StoreError> {
    let (Some(&first), Some(&last)) = (days.first(), days.last()) else {
        return Ok(Vec::new());
    };
    let usage = match api.remembered.days(organization, first, last) {
        Some(usage) => usage,
        None => {
            let org_id = &organization.org_id;
            let usage =
                report::concurrent_counts(&mut transaction, org_id, first, last, now).await?;
            let kept = transaction.commit().await;
            kept.doing("keeping the usage that was asked for")?;
            let over = usage.partition_point(|(day, _)| *day < day_of(now));
            api.remembered
                .remember(organization, usage.split_at(over).0);
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
    fn callers_are_told_what_a_count_looks_like() {
        let count = metering::usage::Count {
            arch: "x86_64".into(),
            role: String::new(),
            sla: String::new(),
            usage: String::new(),
            service_type: String::new(),
            instances_count: 1,
        };
        let count = serde_json::to_value(count).unwrap();
        let schema = schemars::schema_for!(MaximumCount);
        let told = schema.as_value()["properties"].as_object().unwrap();
        let names: Vec<&String> = told.keys().collect();
        assert_eq!(names, count.as_object().unwrap().keys().collect::<Vec<_>>());
    }

    #[test]
    fn an_organization_of_today_has_no_days_yet() {
        let limits = Limits::public(day(TODAY), day(TODAY));
        let (first, last) = limits.days(None, None, day(TODAY)).unwrap();
        assert!(first <= last);
    }
}
