//! Consumption of running instances: hours, vCPU-hours and memory-hours.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::Period;

/// Size of an instance type, from EC2's `DescribeInstanceTypes`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Size {
    /// `VCpuInfo.DefaultVCpus`
    pub vcpus: u16,
    /// `MemoryInfo.SizeInMiB`
    pub memory_mib: u32,
}

/// Sums over some runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consumption {
    /// Time that instances ran.
    pub running: SignedDuration,
    /// The same, each run times its vCPUs.
    pub vcpu: SignedDuration,
    /// The same, each run times its MiB of memory.
    pub memory_mib: SignedDuration,
    /// The part of `running` that is not in the other two, because the size is not known.
    pub unsized_running: SignedDuration,
}

impl Consumption {
    /// vCPU-seconds, the unit that clouds sell RHEL by.
    pub fn vcpu_seconds(&self) -> i64 {
        self.vcpu.as_secs()
    }
}

/// Adds up runs within a period, by a key of the caller's choice: for example distribution, account, image, instance
/// type and region. An open run extends to the period's end, so for a period that is not over yet pass
/// [`Period::until`] now.
///
/// A run without a size counts in [`Consumption::running`] and in [`Consumption::unsized_running`].
pub fn consumption<K: Ord>(
    period: Period,
    runs: impl IntoIterator<Item = (K, Timestamp, Option<Timestamp>, Option<Size>)>,
) -> BTreeMap<K, Consumption> {
    let mut sums: BTreeMap<K, Consumption> = BTreeMap::new();
    for (key, start, end, size) in runs {
        let Some(part) = period.clip(start, end) else {
            continue;
        };
        let duration = part.duration();
        let sum = sums.entry(key).or_default();
        sum.running = sum.running.saturating_add(duration);
        match size {
            Some(Size { vcpus, memory_mib }) => {
                let memory_mib = i32::try_from(memory_mib).unwrap_or(i32::MAX);
                let vcpu = duration.saturating_mul(i32::from(vcpus));
                let memory = duration.saturating_mul(memory_mib);
                sum.vcpu = sum.vcpu.saturating_add(vcpu);
                sum.memory_mib = sum.memory_mib.saturating_add(memory);
            }
            None => sum.unsized_running = sum.unsized_running.saturating_add(duration),
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::{Consumption, Period, Size, consumption};
    use jiff::{SignedDuration, Timestamp, civil::date};
    use rstest::rstest;

    const SMALL: Option<Size> = Some(Size {
        vcpus: 2,
        memory_mib: 1_024,
    });
    const LARGE: Option<Size> = Some(Size {
        vcpus: 96,
        memory_mib: 25_165_824,
    });

    fn hour(hour: i64) -> Timestamp {
        Period::of_day(date(2026, 1, 2)).start + SignedDuration::from_hours(hour)
    }

    /// Hours run, vCPU-hours, MiB-hours and hours of unknown size on 2 January.
    #[rstest]
    #[case::nothing(&[], None)]
    #[case::other_day(&[(-5, Some(0), SMALL)], None)]
    #[case::one(&[(1, Some(3), SMALL)], Some([2, 4, 2_048, 0]))]
    #[case::cut_to_the_day(&[(-5, Some(1), SMALL), (22, Some(30), SMALL)], Some([3, 6, 3_072, 0]))]
    #[case::still_running(&[(20, None, LARGE)], Some([4, 384, 100_663_296, 0]))]
    #[case::sizes_add_up(&[(0, Some(1), SMALL), (0, Some(2), LARGE)], Some([3, 194, 50_332_672, 0]))]
    #[case::resized(&[(0, Some(1), SMALL), (1, Some(2), LARGE)], Some([2, 98, 25_166_848, 0]))]
    #[case::unknown_size(&[(0, Some(1), SMALL), (0, Some(5), None)], Some([6, 2, 1_024, 5]))]
    fn runs_add_up(
        #[case] runs: &[(i64, Option<i64>, Option<Size>)],
        #[case] expected: Option<[i64; 4]>,
    ) {
        let runs = runs
            .iter()
            .map(|&(start, end, size)| ((), hour(start), end.map(hour), size));
        let [running, vcpu, memory_mib, unsized_running] =
            expected.unwrap_or_default().map(SignedDuration::from_hours);
        let expected = Consumption {
            running,
            vcpu,
            memory_mib,
            unsized_running,
        };
        let sums = consumption(Period::of_day(date(2026, 1, 2)), runs);
        let sum = sums.get(&()).copied().unwrap_or_default();
        assert_eq!(sum, expected);
        assert_eq!(sum.vcpu_seconds(), vcpu.as_hours() * 3_600);
    }

    #[test]
    fn every_key_has_its_own_sum() {
        let runs = [
            (
                ("rhel", "m5.large", "us-east-1"),
                hour(0),
                Some(hour(1)),
                SMALL,
            ),
            (
                ("rhel", "m5.large", "eu-west-1"),
                hour(0),
                Some(hour(2)),
                SMALL,
            ),
            (
                ("debian", "m5.large", "us-east-1"),
                hour(0),
                Some(hour(3)),
                None,
            ),
        ];
        let hours: Vec<_> = consumption(Period::of_day(date(2026, 1, 2)), runs)
            .into_iter()
            .map(|((distribution, _, region), sum)| {
                (
                    distribution,
                    region,
                    sum.running.as_hours(),
                    sum.vcpu.as_hours(),
                )
            })
            .collect();
        assert_eq!(
            hours,
            [
                ("debian", "us-east-1", 3, 0),
                ("rhel", "eu-west-1", 2, 4),
                ("rhel", "us-east-1", 1, 2)
            ]
        );
    }
}
