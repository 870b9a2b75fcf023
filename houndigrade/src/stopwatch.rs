//! Wall time of the stages of an inspection.

use std::time::{Duration, Instant};

use houndigrade_report::Stages;

/// A stage of an inspection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimedStage {
    /// Opening the disks; of a snapshot: the first list of its blocks.
    Open,
    /// Reading partition tables and logical volumes, and opening the file systems with their journals.
    Volumes,
    /// Finding the installed systems and composing their directory trees.
    Systems,
    /// Making the checks.
    Facts,
}

/// Sums of the time in each stage, which may be entered several times.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stopwatch {
    spent: [Duration; 4],
}

impl Stopwatch {
    /// Does `work`, which belongs to `stage`.
    pub fn time<T>(&mut self, stage: TimedStage, work: impl FnOnce() -> T) -> T {
        let started = Instant::now();
        let result = work();
        self.add(stage, started.elapsed());
        result
    }

    /// Counts `time` for `stage`.
    pub fn add(&mut self, stage: TimedStage, time: Duration) {
        let spent = &mut self.spent[stage as usize];
        *spent = spent.saturating_add(time);
    }

    /// Returns the times measured so far.
    pub fn stages(&self) -> Stages {
        let milliseconds = |stage| milliseconds(self.spent[stage as usize]);
        Stages {
            open: milliseconds(TimedStage::Open),
            volumes: milliseconds(TimedStage::Volumes),
            systems: milliseconds(TimedStage::Systems),
            facts: milliseconds(TimedStage::Facts),
        }
    }
}

/// Returns whole milliseconds, the unit of the report.
pub fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_a_stage_add_up() {
        let mut watch = Stopwatch::default();
        for (stage, microseconds) in [
            (TimedStage::Open, 5000),
            (TimedStage::Facts, 700),
            (TimedStage::Systems, 1100),
            (TimedStage::Facts, 700),
        ] {
            watch.add(stage, Duration::from_micros(microseconds));
        }
        assert_eq!(watch.time(TimedStage::Volumes, || 7), 7);
        let Stages {
            open,
            systems,
            facts,
            ..
        } = watch.stages();
        assert_eq!((open, systems, facts), (5, 1, 1));
    }
}
