//! The verdict, from the findings on all partitions.

use houndigrade_report::Verdict;

/// Findings on a partition that the verdict follows from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PartitionFindings {
    /// Something says RHEL.
    pub evidence: bool,
    /// A Linux distribution is installed there.
    pub distribution: bool,
    /// It, or a part of it, could not be read.
    pub unreadable: bool,
}

/// Returns RHEL for evidence anywhere; "not RHEL" only if everything was read and there is a distribution.
pub fn verdict(partitions: &[PartitionFindings]) -> Verdict {
    let any = |property: fn(&PartitionFindings) -> bool| partitions.iter().any(property);
    if any(|seen| seen.evidence) {
        Verdict::Rhel
    } else if any(|seen| seen.distribution) && !any(|seen| seen.unreadable) {
        Verdict::NotRhel
    } else {
        Verdict::Unknown
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const EMPTY: PartitionFindings = PartitionFindings {
        evidence: false,
        distribution: false,
        unreadable: false,
    };
    const RHEL: PartitionFindings = PartitionFindings {
        evidence: true,
        distribution: true,
        ..EMPTY
    };
    const DEBIAN: PartitionFindings = PartitionFindings {
        distribution: true,
        ..EMPTY
    };
    const NTFS: PartitionFindings = PartitionFindings {
        unreadable: true,
        ..EMPTY
    };

    #[rstest]
    #[case::nothing(&[], Verdict::Unknown)]
    #[case::no_distribution(&[EMPTY], Verdict::Unknown)]
    #[case::unreadable(&[NTFS], Verdict::Unknown)]
    #[case::debian(&[DEBIAN], Verdict::NotRhel)]
    #[case::debian_and_data(&[EMPTY, DEBIAN], Verdict::NotRhel)]
    #[case::unread_part_may_be_rhel(&[DEBIAN, NTFS], Verdict::Unknown)]
    #[case::rhel(&[RHEL], Verdict::Rhel)]
    #[case::evidence_outweighs_the_unread(&[NTFS, RHEL], Verdict::Rhel)]
    #[case::evidence_without_a_distribution(&[PartitionFindings { evidence: true, ..EMPTY }], Verdict::Rhel)]
    #[case::partly_read_rhel(&[PartitionFindings { unreadable: true, ..RHEL }], Verdict::Rhel)]
    fn answers(#[case] partitions: &[PartitionFindings], #[case] expected: Verdict) {
        assert_eq!(verdict(partitions), expected);
    }
}
