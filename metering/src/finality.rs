//! Finality of days: a day is final once everything that could still change it has come.

use jiff::{SignedDuration, Timestamp, civil::Date};
use serde::Serialize;

use crate::usage::Period;

/// The state of one day of an organization.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DayState {
    /// No account was metered on it, or it is to come. Not the same as a usage of zero.
    NotMetered,
    /// Its numbers may change.
    Open,
    /// Nothing more will come.
    Final {
        /// Every account's log is proven complete by digests; otherwise it is judged by time.
        signed: bool,
    },
}

/// The periods in which an account was metered for the organization, and how far its log is known to be complete.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct AccountWatermark {
    /// Half-open; the last may have no end.
    pub periods: Vec<(Timestamp, Option<Timestamp>)>,
    /// Regions that are looked at. Those that the cloud refuses are left out.
    pub regions: Vec<RegionWatermark>,
}

/// How far the log of an account in a region is known to be complete.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RegionWatermark {
    /// By the chain of digests: nothing before is missing.
    pub signed_until: Option<Timestamp>,
    /// The last look at the region.
    pub looked_at: Option<Timestamp>,
    /// The time at which every source's queue had been seen empty.
    pub drained_at: Option<Timestamp>,
}

/// Time that a log file may take until its message is in the queue.
const DELIVERY: SignedDuration = SignedDuration::from_hours(2);

impl RegionWatermark {
    /// Without digests: the last look, if queues were seen empty long enough after it.
    fn by_time(&self) -> Option<Timestamp> {
        let drained = self.drained_at?.saturating_sub(DELIVERY).ok()?;
        Some(self.looked_at?.min(drained))
    }

    fn furthest(&self) -> Option<Timestamp> {
        self.signed_until.max(self.by_time())
    }
}

impl AccountWatermark {
    /// The part of the day in which the account was metered: the end of its last period there.
    fn metered_until(&self, day: Period) -> Option<Timestamp> {
        let ends = self
            .periods
            .iter()
            .filter_map(|(from, to)| Some(day.clip(*from, *to)?.end));
        ends.max()
    }

    /// True if all regions, one at least, are complete up to a time.
    fn reaches(
        &self,
        time: Timestamp,
        mark: impl Fn(&RegionWatermark) -> Option<Timestamp>,
    ) -> bool {
        let reached = |region| mark(region).is_some_and(|mark| mark >= time);
        !self.regions.is_empty() && self.regions.iter().all(reached)
    }
}

/// Returns the state of a day (UTC) of an organization with these accounts.
pub fn day_state(day: Date, accounts: &[AccountWatermark], now: Timestamp) -> DayState {
    let day = Period::of_day(day);
    let metered: Vec<_> = accounts
        .iter()
        .filter_map(|account| Some((account, account.metered_until(day)?)))
        .collect();
    if metered.is_empty() || now < day.start {
        return DayState::NotMetered;
    }
    let all_reach = |mark: fn(&RegionWatermark) -> Option<Timestamp>| {
        metered
            .iter()
            .all(|(account, until)| account.reaches(*until, mark))
    };
    if now < day.end || !all_reach(RegionWatermark::furthest) {
        return DayState::Open;
    }
    DayState::Final {
        signed: all_reach(|region| region.signed_until),
    }
}

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, Timestamp, civil::date};
    use rstest::rstest;

    use super::{AccountWatermark, DayState, RegionWatermark, day_state};
    use crate::usage::Period;

    const SIGNED: DayState = DayState::Final { signed: true };
    const BY_TIME: DayState = DayState::Final { signed: false };

    /// Hours after midnight of the day, which ends at 24.
    fn hour(hour: i64) -> Timestamp {
        Period::of_day(date(2026, 11, 22)).start + SignedDuration::from_hours(hour)
    }

    fn signed(until: i64) -> RegionWatermark {
        RegionWatermark {
            signed_until: Some(hour(until)),
            ..RegionWatermark::default()
        }
    }

    fn by_time(looked: i64, drained: i64) -> RegionWatermark {
        RegionWatermark {
            signed_until: None,
            looked_at: Some(hour(looked)),
            drained_at: Some(hour(drained)),
        }
    }

    fn account(from: i64, to: Option<i64>, regions: &[RegionWatermark]) -> AccountWatermark {
        AccountWatermark {
            periods: vec![(hour(from), to.map(hour))],
            regions: regions.to_vec(),
        }
    }

    fn metered(regions: &[RegionWatermark]) -> Vec<AccountWatermark> {
        vec![account(-99, None, regions)]
    }

    #[rstest]
    #[case::nobody(vec![], 99, DayState::NotMetered)]
    #[case::enrolled_later(vec![account(24, None, &[signed(99)])], 99, DayState::NotMetered)]
    #[case::released_before(vec![account(-99, Some(0), &[signed(99)])], 99, DayState::NotMetered)]
    #[case::to_come(metered(&[signed(99)]), -1, DayState::NotMetered)]
    #[case::today(metered(&[signed(99)]), 23, DayState::Open)]
    #[case::signed(metered(&[signed(24)]), 99, SIGNED)]
    #[case::a_gap(metered(&[signed(23)]), 99, DayState::Open)]
    #[case::never_looked_at(metered(&[]), 99, DayState::Open)]
    #[case::looked_at_and_drained(metered(&[by_time(24, 26)]), 99, BY_TIME)]
    #[case::drained_too_early(metered(&[by_time(24, 25)]), 99, DayState::Open)]
    #[case::looked_at_too_early(metered(&[by_time(23, 99)]), 99, DayState::Open)]
    #[case::one_region_waits(metered(&[signed(24), signed(5)]), 99, DayState::Open)]
    #[case::one_region_by_time(metered(&[signed(24), by_time(24, 26)]), 99, BY_TIME)]
    #[case::a_gap_that_time_closes(metered(&[RegionWatermark { signed_until: Some(hour(5)), ..by_time(24, 26) }]), 99, BY_TIME)]
    #[case::released_in_mid_day(vec![account(-99, Some(12), &[signed(12)])], 99, SIGNED)]
    #[case::enrolled_in_mid_day(vec![account(12, None, &[signed(23)])], 99, DayState::Open)]
    #[case::one_account_waits(vec![account(-99, None, &[signed(24)]), account(-99, None, &[signed(20)])], 99, DayState::Open)]
    #[case::one_account_is_by_time(vec![account(-99, None, &[signed(24)]), account(-99, None, &[by_time(25, 27)])], 99, BY_TIME)]
    #[case::another_account_came_later(vec![account(-99, None, &[signed(24)]), account(24, None, &[])], 99, SIGNED)]
    fn states(
        #[case] accounts: Vec<AccountWatermark>,
        #[case] now: i64,
        #[case] expected: DayState,
    ) {
        assert_eq!(
            day_state(date(2026, 11, 22), &accounts, hour(now)),
            expected
        );
    }
}
