//! Inspections on AWS: EBS direct for the disk, S3 for the result.

use std::time::Duration;

use aws_sdk_ec2::types::{Filter, Image, ImageState as State};
use aws_sdk_s3::presigning::PresigningConfig;

use super::{Aws, Policy};
use crate::permissions::{IMAGE, SNAPSHOT_BLOCKS};
use cloudigrade_cloud::{
    CloudError, ErrorKind, IamRole, ImageState, InspectionCloud, ResultObject, RootDisk, Secret,
    SnapshotCredentials,
};

/// AWS with the bucket that inspectors deliver to.
#[derive(Clone, Debug)]
pub struct Inspections {
    aws: Aws,
    results_bucket: String,
}

impl Inspections {
    /// Inspections whose results go to `results_bucket` of the own account.
    pub fn new(aws: Aws, results_bucket: String) -> Self {
        Self {
            aws,
            results_bucket,
        }
    }
}

impl InspectionCloud for Inspections {
    async fn image(
        &self,
        role: &IamRole,
        region: &str,
        image: &str,
    ) -> Result<Option<ImageState>, CloudError> {
        let session = self.aws.session(role, &Policy::allow(&IMAGE)).await?;
        // A filter, unlike an id, does not make an error of an image that is gone.
        let filter = Filter::builder().name("image-id").values(image).build();
        let request = session
            .ec2(region)
            .describe_images()
            .filters(filter)
            .include_deprecated(true);
        let answer = session
            .call("ec2", "DescribeImages", request.send())
            .await?;
        Ok(answer
            .images
            .unwrap_or_default()
            .iter()
            .find(|found| found.image_id() == Some(image))
            .map(state))
    }

    async fn snapshot_credentials(
        &self,
        role: &IamRole,
        region: &str,
        snapshot: &str,
        valid: Duration,
    ) -> Result<SnapshotCredentials, CloudError> {
        let policy = Policy::allow_on(&snapshot_arn(role, region, snapshot), &SNAPSHOT_BLOCKS);
        let credentials = self.aws.assume(role, &policy, valid).await?;
        Ok(SnapshotCredentials {
            access_key_id: Secret::new(credentials.access_key_id()),
            secret_access_key: Secret::new(credentials.secret_access_key()),
            session_token: Secret::new(credentials.session_token().unwrap_or_default()),
        })
    }

    async fn upload_url(&self, key: &str, valid: Duration) -> Result<Secret, CloudError> {
        let config = PresigningConfig::expires_in(valid).map_err(|error| CloudError {
            kind: ErrorKind::Other,
            service: "s3",
            operation: "PutObject",
            code: "NotSigned".into(),
            message: error.to_string(),
        })?;
        let request = self
            .aws
            .s3()
            .put_object()
            .bucket(&self.results_bucket)
            .key(key);
        let signed = self
            .aws
            .call("s3", "PresignPutObject", request.presigned(config))
            .await?;
        Ok(Secret::new(signed.uri()))
    }

    async fn result(&self, key: &str, largest: usize) -> Result<Option<ResultObject>, CloudError> {
        let request = self
            .aws
            .s3()
            .get_object()
            .bucket(&self.results_bucket)
            .key(key);
        let mut object = match self.aws.call("s3", "GetObject", request.send()).await {
            Ok(object) => object,
            Err(error) if error.kind == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut bytes = Vec::new();
        // The limit is on the bytes that arrive: a claimed length may be false.
        loop {
            let chunk = object.body.try_next().await.map_err(|error| CloudError {
                kind: ErrorKind::Unavailable,
                service: "s3",
                operation: "GetObject",
                code: "BodyCutOff".into(),
                message: error.to_string(),
            })?;
            match chunk {
                None => return Ok(Some(ResultObject::Complete(bytes))),
                Some(chunk) if bytes.len() + chunk.len() > largest => {
                    return Ok(Some(ResultObject::TooLarge));
                }
                Some(chunk) => bytes.extend_from_slice(&chunk),
            }
        }
    }

    async fn delete_result(&self, key: &str) -> Result<(), CloudError> {
        let request = self
            .aws
            .s3()
            .delete_object()
            .bucket(&self.results_bucket)
            .key(key);
        match self.aws.call("s3", "DeleteObject", request.send()).await {
            Ok(_) => Ok(()),
            Err(error) if error.kind == ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// Snapshots have no account in their ARN.
fn snapshot_arn(role: &IamRole, region: &str, snapshot: &str) -> String {
    let partition = role.arn.as_str().split(':').nth(1).unwrap_or("aws");
    format!("arn:{partition}:ec2:{region}::snapshot/{snapshot}")
}

/// Finds the root device's mapping: data volumes are never inspected.
fn state(image: &Image) -> ImageState {
    match image.state() {
        Some(State::Available) => {}
        Some(state @ (State::Pending | State::Transient)) => {
            return ImageState::NotYet(state.as_str().to_owned());
        }
        state => {
            return ImageState::Unusable(state.map_or("in no state", State::as_str).to_owned());
        }
    }
    let root = image.block_device_mappings().iter().find(|mapping| {
        mapping.device_name().is_some() && mapping.device_name() == image.root_device_name()
    });
    let disk = root.and_then(|mapping| mapping.ebs()).and_then(|ebs| {
        let snapshot_id = ebs.snapshot_id()?.to_owned();
        Some(RootDisk {
            snapshot_id,
            encrypted: ebs.encrypted().unwrap_or(false),
        })
    });
    ImageState::Available(disk)
}

#[cfg(test)]
mod tests {
    use aws_config::{BehaviorVersion, Region, SdkConfig};
    use aws_credential_types::provider::SharedCredentialsProvider;
    use aws_sdk_ec2::types::{BlockDeviceMapping, EbsBlockDevice};
    use rstest::rstest;

    use super::*;
    use crate::AwsMetrics;

    fn mapping(device: &str, snapshot: &str, encrypted: bool) -> BlockDeviceMapping {
        let ebs = EbsBlockDevice::builder()
            .snapshot_id(snapshot)
            .encrypted(encrypted)
            .build();
        BlockDeviceMapping::builder()
            .device_name(device)
            .ebs(ebs)
            .build()
    }

    fn image(state: &str) -> Image {
        Image::builder()
            .state(State::from(state))
            .root_device_name("/dev/sda1")
            .block_device_mappings(mapping("/dev/sdb", "snap-data", false))
            .block_device_mappings(mapping("/dev/sda1", "snap-root", true))
            .build()
    }

    #[test]
    fn the_root_disk_is_the_one_mapped_to_the_root_device() {
        let root = RootDisk {
            snapshot_id: "snap-root".into(),
            encrypted: true,
        };
        assert_eq!(
            state(&image("available")),
            ImageState::Available(Some(root))
        );
        let instance_store = Image::builder()
            .state(State::Available)
            .root_device_name("/dev/sda1")
            .build();
        assert_eq!(state(&instance_store), ImageState::Available(None));
        let nameless = Image::builder()
            .state(State::Available)
            .block_device_mappings(
                BlockDeviceMapping::builder()
                    .virtual_name("ephemeral0")
                    .build(),
            )
            .build();
        assert_eq!(state(&nameless), ImageState::Available(None));
    }

    #[rstest]
    #[case("pending", ImageState::NotYet("pending".into()))]
    #[case("transient", ImageState::NotYet("transient".into()))]
    #[case("failed", ImageState::Unusable("failed".into()))]
    #[case("deregistered", ImageState::Unusable("deregistered".into()))]
    fn other_states(#[case] word: &str, #[case] expected: ImageState) {
        assert_eq!(state(&image(word)), expected);
    }

    #[test]
    fn snapshots_are_named_in_the_roles_partition() {
        let arn = "arn:aws-us-gov:iam::210987654321:role/metering"
            .parse()
            .unwrap();
        let role = IamRole {
            arn,
            external_id: "acme".parse().unwrap(),
        };
        assert_eq!(
            snapshot_arn(&role, "us-gov-west-1", "snap-1"),
            "arn:aws-us-gov:ec2:us-gov-west-1::snapshot/snap-1"
        );
    }

    #[tokio::test]
    async fn the_upload_url_signs_one_key_and_nothing_of_its_content() {
        let credentials =
            aws_credential_types::Credentials::new("AKIAOWN", "secret", None, None, "test");
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .build();
        let inspections = Inspections::new(
            Aws::with_config(config, AwsMetrics::default()),
            "results".into(),
        );
        let url = inspections
            .upload_url("InspectionResults/u/1.json", Duration::from_secs(900))
            .await
            .unwrap();
        let (object, query) = url.expose().split_once('?').unwrap();
        assert_eq!(
            object,
            "https://results.s3.us-east-1.amazonaws.com/InspectionResults/u/1.json"
        );
        assert!(
            query.contains("X-Amz-Expires=900") && query.contains("X-Amz-SignedHeaders=host&"),
            "{query}"
        );
        assert!(!query.contains("checksum"), "{query}");
        assert_eq!(format!("{url:?}"), "***");
    }
}
