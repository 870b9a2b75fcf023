//! Where a number comes from: the instances that ran when a day had its most, and why each counts as RHEL.

use std::collections::HashMap;

use jiff::Timestamp;
use jiff::civil::Date;
use metering::image::{self, ClassificationReason};
use metering::usage::Period;
use serde::Serialize;
use serde_json::Value;

use cloudigrade_store::usage::{self, DetailedRun};
use cloudigrade_store::{Doing, Pool, StoreError};

/// The most of one organization on one day.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Explanation {
    /// The organization.
    pub org_id: String,
    /// The day, UTC.
    pub date: Date,
    /// The highest number of RHEL instances that ran at once.
    pub most: usize,
    /// When so many ran for the first time; `None` if none did.
    pub since: Option<Timestamp>,
    /// Until when; the end of the day, or now, at most.
    pub until: Option<Timestamp>,
    /// Those instances.
    pub instances: Vec<Counted>,
    /// Instances that ran then and don't count.
    pub others: Vec<Counted>,
}

/// An instance that ran when the most did.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Counted {
    /// The cloud account.
    pub account_id: String,
    /// The cloud's id of the instance.
    pub instance_id: String,
    /// Where it runs.
    pub region: String,
    /// The cloud's id of its image, if known.
    pub image_id: Option<String>,
    /// Name of the image, if known.
    pub image_name: Option<String>,
    /// Its run.
    pub start: Timestamp,
    /// The end of it; `None` while it runs.
    pub end: Option<Timestamp>,
    /// Reasons for which it counts, or does not; empty if nothing is known yet.
    pub reasons: Vec<ClassificationReason>,
    /// Evidence on the disk, as `path: detail`.
    pub evidence: Vec<String>,
}

/// Explains the most of `org_id` on `date`, as far as the day has come at `now`.
///
/// # Errors
/// When Postgres does not answer.
pub async fn explain(
    pool: &Pool,
    org_id: &str,
    date: Date,
    now: Timestamp,
) -> Result<Explanation, StoreError> {
    let period = Period::of_day(date).until(now);
    let mut transaction = pool.begin().await.doing("explaining usage")?;
    let images = usage::images(&mut transaction, org_id).await?;
    let mut runs = usage::detailed_runs(&mut transaction, org_id, period).await?;
    runs.sort_unstable_by(|a, b| {
        (&a.account_id, &a.instance_id, a.start).cmp(&(&b.account_id, &b.instance_id, b.start))
    });
    let counts = |run: &DetailedRun| {
        let known = run.image.and_then(|image| images.get(&image));
        known.is_some_and(|known| image::classify(&known.image).counts())
    };
    let rhel: Vec<Period> = runs
        .iter()
        .filter(|run| counts(run))
        .filter_map(|run| period.clip(run.start, run.end))
        .collect();
    let peak = peak(&rhel);
    let evidence = usage::evidence(&mut transaction, org_id).await?;
    let (mut instances, mut others) = (Vec::new(), Vec::new());
    // If nothing counts, all runs of the day are listed.
    let then = peak.unwrap_or(period);
    for run in runs {
        let part = Period {
            start: then.start,
            end: peak.map_or(then.end, |_| instant_after(then.start)),
        };
        if part.clip(run.start, run.end).is_none() {
            continue;
        }
        let list = if counts(&run) {
            &mut instances
        } else {
            &mut others
        };
        list.push(counted(run, &images, &evidence));
    }
    Ok(Explanation {
        org_id: org_id.to_owned(),
        date,
        most: instances.len(),
        since: peak.map(|peak| peak.start),
        until: peak.map(|peak| peak.end),
        instances,
        others,
    })
}

fn instant_after(at: Timestamp) -> Timestamp {
    at.saturating_add(jiff::SignedDuration::from_nanos(1))
        .unwrap_or(Timestamp::MAX)
}

fn counted(
    run: DetailedRun,
    images: &HashMap<i64, usage::KnownImage>,
    evidence: &HashMap<i64, Value>,
) -> Counted {
    let known = run.image.and_then(|image| images.get(&image));
    let found = run.image.and_then(|image| evidence.get(&image));
    let text = |entry: &Value, key: &str| {
        entry
            .get(key)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let lines = found.and_then(Value::as_array).into_iter().flatten();
    Counted {
        account_id: run.account_id,
        instance_id: run.instance_id,
        region: run.region,
        image_id: run.image_id,
        image_name: known.and_then(|known| known.image.name.clone()),
        start: run.start,
        end: run.end,
        reasons: known
            .map(|known| image::classify(&known.image).reasons)
            .unwrap_or_default(),
        evidence: lines
            .map(|entry| format!("{}: {}", text(entry, "path"), text(entry, "detail")))
            .collect(),
    }
}

/// The first stretch in which most of `periods` overlap; `None` if there are none. What ends as another begins does not
/// overlap with it.
fn peak(periods: &[Period]) -> Option<Period> {
    let starts = periods.iter().map(|period| (period.start, 1));
    let ends = periods.iter().map(|period| (period.end, -1));
    let mut changes: Vec<(Timestamp, i64)> = starts.chain(ends).collect();
    changes.sort_unstable();
    let (mut running, mut most) = (0, 0);
    let mut found: Option<Period> = None;
    let mut open = false;
    for (at, change) in changes {
        // The stretch of the most ends with the first end after it began.
        if change < 0
            && open
            && let Some(found) = &mut found
        {
            found.end = at;
            open = false;
        }
        running += change;
        if running > most {
            most = running;
            found = Some(Period { start: at, end: at });
            open = true;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_second(minute * 60).unwrap()
    }

    #[rstest]
    #[case::none(&[], None)]
    #[case::one(&[(1, 5)], Some((1, 5)))]
    #[case::overlap(&[(1, 5), (3, 9)], Some((3, 5)))]
    #[case::handover(&[(1, 5), (5, 9)], Some((1, 5)))]
    #[case::the_first_of_two(&[(1, 4), (2, 3), (6, 9), (7, 8)], Some((2, 3)))]
    #[case::higher_later(&[(1, 4), (6, 9), (7, 8)], Some((7, 8)))]
    #[case::at_once(&[(1, 4), (1, 6), (1, 5)], Some((1, 4)))]
    #[case::replaced_in_the_middle(&[(1, 5), (1, 3), (3, 5)], Some((1, 3)))]
    fn peaks(#[case] periods: &[(i64, i64)], #[case] expected: Option<(i64, i64)>) {
        let periods: Vec<Period> = periods
            .iter()
            .map(|&(start, end)| Period {
                start: at(start),
                end: at(end),
            })
            .collect();
        let expected = expected.map(|(start, end)| Period {
            start: at(start),
            end: at(end),
        });
        assert_eq!(peak(&periods), expected);
    }
}
