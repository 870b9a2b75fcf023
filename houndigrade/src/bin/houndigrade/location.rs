//! Locations of disks, as the command line names them.

use std::path::PathBuf;
use std::str::FromStr;

use houndigrade::source::{SnapshotAccess, SnapshotRole};
use reqwest::Url;

const SCHEME: &str = "ebs://";
const FORM: &str = "ebs://SNAPSHOT_ID?region=REGION";

/// A file or block device, or a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum DiskLocation {
    Path(PathBuf),
    Snapshot { id: String, access: SnapshotAccess },
}

impl FromStr for DiskLocation {
    type Err = String;

    /// Messages leave out all after the question mark: an external id is a secret.
    fn from_str(text: &str) -> Result<Self, String> {
        let Some(rest) = text.strip_prefix(SCHEME) else {
            return match text.split_once("://") {
                Some((scheme, _)) => Err(format!(
                    "unknown kind of source {scheme}://; give a path or {FORM}"
                )),
                None => Ok(Self::Path(text.into())),
            };
        };
        let (id, query) = rest.split_once('?').unwrap_or((rest, ""));
        if !id.starts_with("snap-")
            || !id
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        {
            return Err(format!(
                "{SCHEME}{id}: {id:?} is not the id of a snapshot, which looks like snap-0123456789abcdef0"
            ));
        }
        let access = access(query).map_err(|why| format!("{SCHEME}{id}: {why}"))?;
        Ok(Self::Snapshot {
            id: id.into(),
            access,
        })
    }
}

/// Returns the parameters, percent-decoded.
fn access(query: &str) -> Result<SnapshotAccess, String> {
    // A plus sign is one: external ids may have it, and no parameter has spaces.
    let url = format!("{SCHEME}snapshot?{}", query.replace('+', "%2B"));
    let url = Url::parse(&url).map_err(|error| format!("its parameters are wrong: {error}"))?;
    let (mut region, mut arn, mut external_id) = (None, None, None);
    for (name, value) in url.query_pairs() {
        let place = match &*name {
            "region" => &mut region,
            "role-arn" => &mut arn,
            "external-id" => &mut external_id,
            _ => {
                return Err(format!(
                    "unknown parameter {name:?}; there are region, role-arn and external-id"
                ));
            }
        };
        if value.is_empty() || place.is_some() {
            return Err(format!("{name} needs one value"));
        }
        *place = Some(value.into_owned());
    }
    match (arn, external_id) {
        (None, Some(_)) => Err("external-id needs a role-arn".into()),
        (arn, external_id) => Ok(SnapshotAccess {
            region,
            role: arn.map(|arn| SnapshotRole { arn, external_id }),
        }),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn snapshot(region: Option<&str>, role: Option<(&str, Option<&str>)>) -> DiskLocation {
        DiskLocation::Snapshot {
            id: "snap-0a1b".into(),
            access: SnapshotAccess {
                region: region.map(str::to_owned),
                role: role.map(|(arn, external_id)| SnapshotRole {
                    arn: arn.into(),
                    external_id: external_id.map(str::to_owned),
                }),
            },
        }
    }

    const ARN: &str = "arn:aws:iam::123456789012:role/reader";

    #[rstest]
    #[case("disk.img", DiskLocation::Path("disk.img".into()))]
    #[case("/dev/sdb", DiskLocation::Path("/dev/sdb".into()))]
    #[case("ebs://snap-0a1b", snapshot(None, None))]
    #[case("ebs://snap-0a1b?region=eu-west-1", snapshot(Some("eu-west-1"), None))]
    #[case(
        &format!("ebs://snap-0a1b?role-arn={ARN}&region=eu-west-1"),
        snapshot(Some("eu-west-1"), Some((ARN, None)))
    )]
    #[case(
        &format!("ebs://snap-0a1b?role-arn={ARN}&external-id=a%26b%3d%2Bc+d/e"),
        snapshot(None, Some((ARN, Some("a&b=+c+d/e"))))
    )]
    fn locations(#[case] text: &str, #[case] expected: DiskLocation) {
        assert_eq!(text.parse(), Ok(expected));
    }

    #[rstest]
    #[case("s3://bucket/key", "unknown kind of source s3://")]
    #[case("ebs://vol-0a1b", "not the id of a snapshot")]
    #[case("ebs://snap-0a1b?zone=x", "unknown parameter \"zone\"")]
    #[case("ebs://snap-0a1b?region=", "region needs one value")]
    #[case("ebs://snap-0a1b?region=a&region=b", "region needs one value")]
    #[case("ebs://snap-0a1b?external-id=5ec4e7", "external-id needs a role-arn")]
    #[case(
        "ebs://snap-0a1b?external-id=5ec4e7&role-arn=a&zone",
        "unknown parameter \"zone\""
    )]
    fn wrong_locations_say_what_is_wrong_and_no_secret(#[case] text: &str, #[case] expected: &str) {
        let error = text.parse::<DiskLocation>().unwrap_err();
        assert!(
            error.contains(expected) && !error.contains("5ec4e7"),
            "{error}"
        );
    }

    #[test]
    fn an_external_id_is_not_shown() {
        let text = format!("ebs://snap-0a1b?role-arn={ARN}&external-id=5ec4e7");
        let shown = format!("{:?}", text.parse::<DiskLocation>());
        assert!(shown.contains(ARN) && !shown.contains("5ec4e7"), "{shown}");
    }
}
