//! Object keys of delivered log files.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// Returns the AWS account of the log file under this S3 object key, or `None` if the key is not that of a log file:
/// digests, insights and the files of AWS Config lie beside them.
///
/// Accepts `[prefix/]AWSLogs/<account>/CloudTrail/…` and the layout of organisation trails,
/// `[prefix/]AWSLogs/o-…/<account>/CloudTrail/…`. The key must be decoded already: S3 notifications carry it
/// URL-encoded.
///
/// A trail of any account can have a prefix that imitates this layout. Such a key has `AWSLogs` twice, and an account in
/// its file name, where CloudTrail writes the trail's own, that is another than the folder's.
pub fn account_of_key(key: &str) -> Option<&str> {
    if key.split('/').filter(|part| *part == "AWSLogs").count() != 1 {
        return None;
    }
    let mut parts = key.split('/').skip_while(|part| *part != "AWSLogs").skip(1);
    let mut account = parts.next()?;
    if account.starts_with("o-") {
        account = parts.next()?;
    }
    let in_name = key.rsplit('/').next().and_then(|name| name.split_once('_'));
    let others = in_name.is_some_and(|(of, _)| is_account(of) && of != account);
    let is_log = parts.next() == Some("CloudTrail") && parts.next().is_some();
    (is_account(account) && is_log && !others).then_some(account)
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Returns the time (to the minute) at which CloudTrail delivered the log file under this S3 object key, as its name tells:
/// `<account>_CloudTrail_<region>_<YYYYMMDDTHHmmZ>_<unique>.json.gz`. `None` for files that are named otherwise.
pub fn delivery_time_of_key(key: &str) -> Option<Timestamp> {
    let name = key.rsplit('/').next()?;
    let time = name.split('_').nth(3)?.strip_suffix('Z')?;
    let time = DateTime::strptime("%Y%m%dT%H%M", time).ok()?;
    let zoned = time.to_zoned(TimeZone::UTC).ok()?;
    Some(zoned.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::plain(
        "AWSLogs/210987654321/CloudTrail/us-east-1/2026/11/22/210987654321_CloudTrail_us-east-1_20261122T2359Z_Ab1.json.gz",
        Some("2026-11-22T23:59:00Z")
    )]
    #[case::no_folder(
        "210987654321_CloudTrail_us-east-1_20261122T2359Z_Ab1.json.gz",
        Some("2026-11-22T23:59:00Z")
    )]
    #[case::another_name(
        "AWSLogs/210987654321/CloudTrail/us-east-1/2026/11/22/file.json.gz",
        None
    )]
    #[case::no_time("210987654321_CloudTrail_us-east-1_yesterday_Ab1.json.gz", None)]
    #[case::no_such_time("210987654321_CloudTrail_us-east-1_20261322T2359Z_Ab1.json.gz", None)]
    #[case::empty("", None)]
    fn reads_the_time_of_delivery(#[case] key: &str, #[case] time: Option<&str>) {
        assert_eq!(
            delivery_time_of_key(key),
            time.map(|time| time.parse().unwrap())
        );
    }

    #[rstest]
    #[case::plain(
        "AWSLogs/210987654321/CloudTrail/us-east-1/2026/11/22/210987654321_x.json.gz",
        Some("210987654321")
    )]
    #[case::with_prefix(
        "team/a/AWSLogs/210987654321/CloudTrail/us-east-1/x.json.gz",
        Some("210987654321")
    )]
    #[case::organisation(
        "AWSLogs/o-exampleorgid/210987654321/CloudTrail/us-east-1/x.json.gz",
        Some("210987654321")
    )]
    #[case::digest("AWSLogs/210987654321/CloudTrail-Digest/us-east-1/x.json.gz", None)]
    #[case::insight("AWSLogs/210987654321/CloudTrail-Insight/us-east-1/x.json.gz", None)]
    #[case::config("AWSLogs/210987654321/Config/us-east-1/x.json.gz", None)]
    #[case::account_too_short("AWSLogs/21098765432/CloudTrail/us-east-1/x.json.gz", None)]
    #[case::account_not_digits("AWSLogs/21098765432x/CloudTrail/us-east-1/x.json.gz", None)]
    #[case::folder_only("AWSLogs/210987654321/CloudTrail", None)]
    #[case::organisation_only("AWSLogs/o-exampleorgid", None)]
    #[case::imitated_by_a_prefix(
        "AWSLogs/210987654321/CloudTrail/AWSLogs/123456789012/CloudTrail/us-east-1/123456789012_x.json.gz",
        None
    )]
    #[case::name_of_another_account(
        "AWSLogs/210987654321/CloudTrail/us-east-1/123456789012_CloudTrail_us-east-1_x.json.gz",
        None
    )]
    #[case::elsewhere("InspectionResults/1/1.json", None)]
    #[case::empty("", None)]
    fn reads_the_account(#[case] key: &str, #[case] account: Option<&str>) {
        assert_eq!(account_of_key(key), account);
    }
}
