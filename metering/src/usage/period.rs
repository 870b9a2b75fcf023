//! Spans of time.

use jiff::{SignedDuration, Timestamp, civil::Date, tz::TimeZone};

/// A span of time, half-open: `[start, end)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    /// First moment of it.
    pub start: Timestamp,
    /// First moment after it.
    pub end: Timestamp,
}

impl Period {
    /// The period from the midnight that begins `first` to the one that ends `last`, UTC.
    pub fn of_days(first: Date, last: Date) -> Self {
        // Timestamps do not reach over the first and last days of the calendar as a whole.
        let midnight = |date: Date| date.to_zoned(TimeZone::UTC).map(|zoned| zoned.timestamp());
        Self {
            start: midnight(first).unwrap_or(Timestamp::MIN),
            end: last.tomorrow().and_then(midnight).unwrap_or(Timestamp::MAX),
        }
    }

    /// One day, UTC.
    pub fn of_day(day: Date) -> Self {
        Self::of_days(day, day)
    }

    /// Returns the part of the period that has passed by `now`.
    pub fn until(self, now: Timestamp) -> Self {
        Self {
            end: self.end.min(now.max(self.start)),
            ..self
        }
    }

    /// Returns the part of a run that lies in the period, or `None` if no moment of it does. An open run goes on.
    pub fn clip(self, start: Timestamp, end: Option<Timestamp>) -> Option<Self> {
        let part = Self {
            start: start.max(self.start),
            end: end.unwrap_or(self.end).min(self.end),
        };
        (part.start < part.end).then_some(part)
    }

    /// Length of the period.
    pub fn duration(self) -> SignedDuration {
        self.start.duration_until(self.end)
    }
}

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, Timestamp, civil::date};

    use super::Period;

    /// Hours after midnight of 22 November 2026.
    fn hour(hour: i64) -> Timestamp {
        Period::of_day(date(2026, 11, 22)).start + SignedDuration::from_hours(hour)
    }

    fn hours(period: Option<Period>) -> Option<i64> {
        period.map(|period| period.duration().as_hours())
    }

    #[test]
    fn runs_are_cut_to_the_period() {
        let day = Period::of_day(date(2026, 11, 22));
        assert_eq!(hours(day.clip(hour(-14), Some(hour(2)))), Some(2));
        assert_eq!(hours(day.clip(hour(23), None)), Some(1));
        assert_eq!(hours(day.clip(hour(-14), Some(hour(0)))), None);
    }

    #[test]
    fn a_period_that_is_not_over_ends_now() {
        let day = Period::of_day(date(2026, 11, 22));
        assert_eq!(hours(day.until(hour(1)).clip(hour(-14), None)), Some(1));
        assert_eq!(hours(day.until(hour(30)).clip(hour(23), None)), Some(1));
        assert_eq!(
            hours(day.until(hour(-23)).clip(hour(-14), None)),
            None,
            "the day has not begun"
        );
    }

    #[test]
    fn a_day_of_an_hour_more_or_less_does_not_exist_in_utc() {
        assert_eq!(
            Period::of_day(date(2026, 3, 29)).duration(),
            SignedDuration::from_hours(24)
        );
        assert_eq!(
            Period::of_days(date(2026, 2, 1), date(2026, 2, 28)).duration(),
            SignedDuration::from_hours(28 * 24)
        );
    }
}
