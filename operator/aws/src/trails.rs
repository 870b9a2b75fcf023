//! CloudTrail trails.

use aws_sdk_cloudtrail::types::{EventSelector, ReadWriteType};
use jiff::Timestamp;

use super::{Aws, Policy, Session};
use crate::permissions::TRAIL;
use cloudigrade_cloud::{
    CloudError, ErrorKind, IamRole, LoggingStatus, Trail, TrailConfiguration, Trails,
};

impl Aws {
    async fn trail_session(
        &self,
        role: &IamRole,
    ) -> Result<(Session, aws_sdk_cloudtrail::Client), CloudError> {
        let session = self.session(role, &Policy::allow(&TRAIL)).await?;
        let cloudtrail = session.cloudtrail();
        Ok((session, cloudtrail))
    }
}

impl Trails for Aws {
    async fn trail(&self, role: &IamRole, name: &str) -> Result<Option<Trail>, CloudError> {
        let (session, cloudtrail) = self.trail_session(role).await?;
        let request = cloudtrail
            .describe_trails()
            .trail_name_list(name)
            .include_shadow_trails(false);
        let answer = session
            .call("cloudtrail", "DescribeTrails", request.send())
            .await?;
        Ok(answer
            .trail_list
            .unwrap_or_default()
            .into_iter()
            .find(|trail| trail.name.as_deref() == Some(name))
            .map(trail))
    }

    async fn has_write_only_selectors(
        &self,
        role: &IamRole,
        name: &str,
    ) -> Result<bool, CloudError> {
        let (session, cloudtrail) = self.trail_session(role).await?;
        let request = cloudtrail.get_event_selectors().trail_name(name);
        let answer = session
            .call("cloudtrail", "GetEventSelectors", request.send())
            .await?;
        let advanced = !answer.advanced_event_selectors().is_empty();
        Ok(!advanced && matches!(answer.event_selectors(), [selector] if writes_only(selector)))
    }

    async fn logging_status(
        &self,
        role: &IamRole,
        name: &str,
    ) -> Result<LoggingStatus, CloudError> {
        let (session, cloudtrail) = self.trail_session(role).await?;
        let status = session
            .call(
                "cloudtrail",
                "GetTrailStatus",
                cloudtrail.get_trail_status().name(name).send(),
            )
            .await?;
        Ok(LoggingStatus {
            logging: status.is_logging.unwrap_or_default(),
            last_delivery: status
                .latest_delivery_time
                .and_then(|time| Timestamp::from_second(time.secs()).ok()),
            delivery_error: status
                .latest_delivery_error
                .filter(|error| !error.is_empty()),
        })
    }

    async fn create_trail(
        &self,
        role: &IamRole,
        trail: &TrailConfiguration,
    ) -> Result<String, CloudError> {
        let (session, cloudtrail) = self.trail_session(role).await?;
        let request = cloudtrail
            .create_trail()
            .name(&trail.name)
            .s3_bucket_name(&trail.bucket)
            .include_global_service_events(true)
            .is_multi_region_trail(true);
        let answer = session
            .call("cloudtrail", "CreateTrail", request.send())
            .await?;
        Ok(answer.trail_arn.unwrap_or_default())
    }

    async fn update_trail(
        &self,
        role: &IamRole,
        trail: &TrailConfiguration,
    ) -> Result<(), CloudError> {
        let (session, cloudtrail) = self.trail_session(role).await?;
        let request = cloudtrail
            .update_trail()
            .name(&trail.name)
            .s3_bucket_name(&trail.bucket)
            .s3_key_prefix("")
            .include_global_service_events(true)
            .is_multi_region_trail(true);
        session
            .call("cloudtrail", "UpdateTrail", request.send())
            .await?;
        Ok(())
    }

    async fn put_write_only_selectors(&self, role: &IamRole, name: &str) -> Result<(), CloudError> {
        let (session, cloudtrail) = self.trail_session(role).await?;
        let selector = EventSelector::builder()
            .read_write_type(ReadWriteType::WriteOnly)
            .include_management_events(true)
            .build();
        let request = cloudtrail
            .put_event_selectors()
            .trail_name(name)
            .event_selectors(selector);
        session
            .call("cloudtrail", "PutEventSelectors", request.send())
            .await?;
        Ok(())
    }

    async fn start_logging(&self, role: &IamRole, name: &str) -> Result<(), CloudError> {
        let (session, cloudtrail) = self.trail_session(role).await?;
        session
            .call(
                "cloudtrail",
                "StartLogging",
                cloudtrail.start_logging().name(name).send(),
            )
            .await?;
        Ok(())
    }

    async fn delete_trail(&self, role: &IamRole, name: &str) -> Result<(), CloudError> {
        let (session, cloudtrail) = self.trail_session(role).await?;
        match session
            .call(
                "cloudtrail",
                "DeleteTrail",
                cloudtrail.delete_trail().name(name).send(),
            )
            .await
        {
            Err(error) if error.kind != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

fn trail(trail: aws_sdk_cloudtrail::types::Trail) -> Trail {
    Trail {
        arn: trail.trail_arn.unwrap_or_default(),
        home_region: trail.home_region.unwrap_or_default(),
        bucket: trail.s3_bucket_name.unwrap_or_default(),
        multi_region: trail.is_multi_region_trail.unwrap_or_default(),
        global_events: trail.include_global_service_events.unwrap_or_default(),
        prefixed: trail.s3_key_prefix.is_some_and(|prefix| !prefix.is_empty()),
    }
}

fn writes_only(selector: &EventSelector) -> bool {
    selector.read_write_type == Some(ReadWriteType::WriteOnly)
        && selector.include_management_events == Some(true)
        && selector.data_resources().is_empty()
        && selector.exclude_management_event_sources().is_empty()
}
