use jiff::SignedDuration;
use rstest::rstest;

use super::*;
use cloudigrade_cloud::{CloudError, ErrorKind};

const NOW: Timestamp = Timestamp::constant(1_800_000_000, 0);

fn refused() -> AccountError {
    AccountError::Denied(error(ErrorKind::Denied))
}

fn error(kind: ErrorKind) -> CloudError {
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
#[case::role_gone(AccountError::RoleRefused(error(ErrorKind::Denied)), TRIES, 1, true)]
#[case::throttled(AccountError::Cloud(error(ErrorKind::Throttled)), 9, 59, false)]
#[case::throttled_for_ever(AccountError::Cloud(error(ErrorKind::Throttled)), 9, 61, true)]
fn no_customer_blocks_deletion_for_ever(
    #[case] error: AccountError,
    #[case] tries: u32,
    #[case] minutes: i64,
    #[case] expected: bool,
) {
    assert_eq!(
        gives_up(&error, tries, NOW - SignedDuration::from_mins(minutes), NOW),
        expected
    );
}
