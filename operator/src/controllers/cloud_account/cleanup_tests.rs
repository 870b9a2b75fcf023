use jiff::SignedDuration;
use rstest::rstest;

use super::*;
use crate::cloud::{CloudError, Kind};

const NOW: Timestamp = Timestamp::constant(1_800_000_000, 0);

fn refused() -> Error {
    Error::Denied(error(Kind::Denied))
}

fn error(kind: Kind) -> CloudError {
    CloudError {
        kind,
        service: "cloudtrail",
        operation: "DeleteTrail",
        code: "Code".into(),
        message: "no".into(),
    }
}

#[rstest]
#[case::refused_once(refused(), 1, 1, false)]
#[case::refused_for_good(refused(), TRIES, 1, true)]
#[case::role_gone(Error::RoleRefused(error(Kind::Denied)), TRIES, 1, true)]
#[case::throttled(Error::Cloud(error(Kind::Throttled)), 9, 59, false)]
#[case::throttled_for_ever(Error::Cloud(error(Kind::Throttled)), 9, 61, true)]
fn no_customer_blocks_deletion_for_ever(
    #[case] error: Error,
    #[case] tries: u32,
    #[case] minutes: i64,
    #[case] expected: bool,
) {
    assert_eq!(
        gives_up(&error, tries, NOW - SignedDuration::from_mins(minutes), NOW),
        expected
    );
}
