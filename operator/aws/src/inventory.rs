//! Instances and images of an AWS account.

use aws_sdk_ec2::types::{Filter, InstanceStateName, ProductCodeValues, Tag};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use metering::described::ImageDescription;

use super::{Aws, Policy, Session};
use crate::permissions::INVENTORY;
use cloudigrade_cloud::{CloudError, IamRole, InstanceDescription, InstanceState, Inventory};

/// Most values EC2 takes in one filter.
const FILTER_VALUES: usize = 200;
/// Most instances EC2 puts on one page.
const PAGE: i32 = 1000;

impl Inventory for Aws {
    async fn regions(&self, role: &IamRole) -> Result<Vec<String>, CloudError> {
        let session = self.session(role, &Policy::allow(&INVENTORY)).await?;
        let ec2 = session.ec2(self.home_region());
        let answer = session
            .call("ec2", "DescribeRegions", ec2.describe_regions().send())
            .await?;
        Ok(answer
            .regions
            .unwrap_or_default()
            .into_iter()
            .filter_map(|region| region.region_name)
            .collect())
    }

    async fn instances(
        &self,
        role: &IamRole,
        region: &str,
        ids: &[String],
    ) -> Result<Vec<InstanceDescription>, CloudError> {
        let session = self.session(role, &Policy::allow(&INVENTORY)).await?;
        if ids.is_empty() {
            return pages(&session, region, None).await;
        }
        let mut instances = Vec::with_capacity(ids.len());
        for ids in ids.chunks(FILTER_VALUES) {
            instances.extend(pages(&session, region, Some(any_of("instance-id", ids))).await?);
        }
        Ok(instances)
    }

    async fn images(
        &self,
        role: &IamRole,
        region: &str,
        ids: &[String],
    ) -> Result<Vec<ImageDescription>, CloudError> {
        let session = self.session(role, &Policy::allow(&INVENTORY)).await?;
        let ec2 = session.ec2(region);
        let mut images = Vec::with_capacity(ids.len());
        for ids in ids.chunks(FILTER_VALUES) {
            let request = ec2
                .describe_images()
                .include_deprecated(true)
                .filters(any_of("image-id", ids));
            let answer = session
                .call("ec2", "DescribeImages", request.send())
                .await?;
            images.extend(
                answer
                    .images
                    .unwrap_or_default()
                    .into_iter()
                    .filter_map(image),
            );
        }
        Ok(images)
    }
}

/// A filter, unlike a list of ids, does not fail when one of them is gone.
pub(super) fn any_of(name: &str, values: &[String]) -> Filter {
    Filter::builder()
        .name(name)
        .set_values(Some(values.to_vec()))
        .build()
}

/// Every page of `DescribeInstances`.
async fn pages(
    session: &Session,
    region: &str,
    filter: Option<Filter>,
) -> Result<Vec<InstanceDescription>, CloudError> {
    let ec2 = session.ec2(region);
    let mut instances = Vec::new();
    let mut next = None;
    loop {
        let request = ec2
            .describe_instances()
            .max_results(PAGE)
            .set_filters(filter.clone().map(|filter| vec![filter]))
            .set_next_token(next);
        let page = session
            .call("ec2", "DescribeInstances", request.send())
            .await?;
        let reservations = page.reservations.unwrap_or_default();
        instances.extend(
            reservations
                .into_iter()
                .flat_map(|r| r.instances.unwrap_or_default())
                .filter_map(instance),
        );
        next = page.next_token.filter(|token| !token.is_empty());
        if next.is_none() {
            return Ok(instances);
        }
    }
}

fn instance(instance: aws_sdk_ec2::types::Instance) -> Option<InstanceDescription> {
    let state = instance.state.and_then(|state| state.name);
    let launched = instance.launch_time.as_ref().and_then(timestamp);
    let transition = instance.state_transition_reason.unwrap_or_default();
    Some(InstanceDescription {
        id: instance.instance_id?,
        image_id: instance.image_id.filter(|id| !id.is_empty()),
        instance_type: instance
            .instance_type
            .map(|type_| type_.as_str().to_owned()),
        state: instance_state(state.as_ref(), launched, &transition),
        gone: state == Some(InstanceStateName::Terminated),
    })
}

fn instance_state(
    state: Option<&InstanceStateName>,
    launched: Option<Timestamp>,
    transition: &str,
) -> InstanceState {
    match (state, launched) {
        (Some(InstanceStateName::Running), Some(since)) => InstanceState::On { since },
        (Some(InstanceStateName::Running | InstanceStateName::Pending), _) => {
            InstanceState::Starting
        }
        _ => InstanceState::Off {
            since: transition_time(transition),
        },
    }
}

/// The time of the last state change, which only the text of its reason has: `User initiated (2021-07-11 23:18:29 GMT)`.
fn transition_time(reason: &str) -> Option<Timestamp> {
    let (_, rest) = reason.rsplit_once('(')?;
    let time = rest
        .strip_suffix(" GMT)")
        .or_else(|| rest.strip_suffix(" UTC)"))?;
    let time: DateTime = DateTime::strptime("%Y-%m-%d %H:%M:%S", time).ok()?;
    Some(time.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

fn timestamp(time: &aws_smithy_types::DateTime) -> Option<Timestamp> {
    Timestamp::new(time.secs(), i32::try_from(time.subsec_nanos()).ok()?).ok()
}

fn image(image: aws_sdk_ec2::types::Image) -> Option<ImageDescription> {
    let tags = image.tags.unwrap_or_default();
    let tagged = |key: &str| tags.iter().any(|tag: &Tag| tag.key.as_deref() == Some(key));
    let codes = image.product_codes.unwrap_or_default();
    Some(ImageDescription {
        id: image.image_id?,
        name: image.name,
        owner_id: image.owner_id,
        architecture: image
            .architecture
            .map(|architecture| architecture.as_str().to_owned()),
        windows: image
            .platform
            .is_some_and(|platform| platform.as_str().eq_ignore_ascii_case("windows")),
        marketplace: codes
            .iter()
            .any(|code| code.product_code_type == Some(ProductCodeValues::Marketplace)),
        rhel_tag: tagged("cloudigrade-rhel-present"),
        openshift_tag: tagged("cloudigrade-ocp-present"),
    })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(
        "User initiated (2021-07-11 23:18:29 GMT)",
        Some("2021-07-11T23:18:29Z")
    )]
    #[case(
        "User initiated (2026-11-22 19:00:01 UTC)",
        Some("2026-11-22T19:00:01Z")
    )]
    #[case("User initiated", None)]
    #[case("Server.InsufficientInstanceCapacity", None)]
    #[case("User initiated (yesterday GMT)", None)]
    #[case("", None)]
    fn reads_when_a_state_was_asked_for(#[case] reason: &str, #[case] time: Option<&str>) {
        assert_eq!(
            transition_time(reason),
            time.map(|time| time.parse().unwrap())
        );
    }

    #[rstest]
    #[case(InstanceStateName::Running, InstanceState::On { since: Timestamp::UNIX_EPOCH })]
    #[case(InstanceStateName::Pending, InstanceState::Starting)]
    #[case(InstanceStateName::Stopping, InstanceState::Off { since: None })]
    #[case(InstanceStateName::Stopped, InstanceState::Off { since: None })]
    #[case(InstanceStateName::ShuttingDown, InstanceState::Off { since: None })]
    #[case(InstanceStateName::Terminated, InstanceState::Off { since: None })]
    fn knows_every_state(#[case] state: InstanceStateName, #[case] expected: InstanceState) {
        assert_eq!(
            instance_state(Some(&state), Some(Timestamp::UNIX_EPOCH), ""),
            expected
        );
    }
}
