//! A cloud that answers from its fields and notes the operations.

use std::sync::Arc;

use metering::described::ImageDescription;
use parking_lot::{Mutex, MutexGuard};

use super::{HOUR, NOW};
use cloudigrade_cloud::IamRole;
use cloudigrade_cloud::{
    Access, CloudError, ErrorKind, ExternalId, InstanceDescription, InstanceState, Inventory,
    LoggingStatus, Trail, TrailConfiguration, Trails,
};

/// An AWS account with one running and one stopped instance of the same image.
#[derive(Debug, Default)]
pub(super) struct State {
    asked: Vec<String>,
    /// An operation, and how it fails
    pub(super) refuse: Option<(&'static str, ErrorKind)>,
    pub(super) trail: Option<Trail>,
    /// Set once the running instance has been stopped, an hour after [`NOW`]
    pub(super) stopped: bool,
    /// The role can be assumed without an external id
    pub(super) takes_none: bool,
    /// The role can be assumed with any external id
    pub(super) takes_any: bool,
}

#[derive(Clone, Debug, Default)]
pub(super) struct TestAccountCloud(pub(super) Arc<Mutex<State>>);

impl TestAccountCloud {
    /// Notes `operation`, and refuses it if that is to be.
    fn ask(&self, operation: &'static str) -> Result<MutexGuard<'_, State>, CloudError> {
        let mut state = self.0.lock();
        state.asked.push(operation.into());
        match state.refuse {
            Some((refused, kind)) if refused == operation => Err(CloudError {
                kind,
                service: "aws",
                operation,
                code: "Code".into(),
                message: "no".into(),
            }),
            _ => Ok(state),
        }
    }

    /// The operations since the last time.
    pub(super) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().asked)
    }
}

impl Access for TestAccountCloud {
    async fn own_account(&self) -> Result<String, CloudError> {
        Ok("123456789012".into())
    }

    async fn accepts(&self, _: &IamRole, id: Option<&ExternalId>) -> Result<bool, CloudError> {
        match id {
            None => self.ask("AssumeRole without").map(|state| state.takes_none),
            Some(_) => self
                .ask("AssumeRole with another")
                .map(|state| state.takes_any),
        }
    }

    async fn identity(&self, role: &IamRole) -> Result<String, CloudError> {
        self.ask("AssumeRole")
            .map(|_| role.arn.account_id().to_owned())
    }

    async fn denied(&self, _: &IamRole) -> Result<Vec<&'static str>, CloudError> {
        self.ask("DryRun").map(|_| Vec::new())
    }
}

impl Trails for TestAccountCloud {
    async fn trail(&self, _: &IamRole, _: &str) -> Result<Option<Trail>, CloudError> {
        self.ask("DescribeTrails").map(|state| state.trail.clone())
    }

    async fn has_write_only_selectors(&self, _: &IamRole, _: &str) -> Result<bool, CloudError> {
        self.ask("GetEventSelectors").map(|_| true)
    }

    async fn logging_status(&self, _: &IamRole, _: &str) -> Result<LoggingStatus, CloudError> {
        self.ask("GetTrailStatus").map(|_| LoggingStatus {
            logging: true,
            ..LoggingStatus::default()
        })
    }

    async fn create_trail(
        &self,
        _: &IamRole,
        trail: &TrailConfiguration,
    ) -> Result<String, CloudError> {
        let arn = format!(
            "arn:aws:cloudtrail:us-east-1:210987654321:trail/{}",
            trail.name
        );
        let mut state = self.ask("CreateTrail")?;
        state.trail = Some(Trail {
            arn: arn.clone(),
            home_region: "us-east-1".into(),
            bucket: trail.bucket.clone(),
            multi_region: true,
            global_events: true,
            prefixed: false,
        });
        Ok(arn)
    }

    async fn update_trail(
        &self,
        _: &IamRole,
        trail: &TrailConfiguration,
    ) -> Result<(), CloudError> {
        let mut state = self.ask("UpdateTrail")?;
        if let Some(changed) = &mut state.trail {
            changed.bucket = trail.bucket.clone();
            changed.multi_region = true;
        }
        Ok(())
    }

    async fn put_write_only_selectors(&self, _: &IamRole, _: &str) -> Result<(), CloudError> {
        self.ask("PutEventSelectors").map(drop)
    }

    async fn start_logging(&self, _: &IamRole, _: &str) -> Result<(), CloudError> {
        self.ask("StartLogging").map(drop)
    }

    async fn delete_trail(&self, _: &IamRole, _: &str) -> Result<(), CloudError> {
        self.ask("DeleteTrail").map(|mut state| state.trail = None)
    }
}

impl Inventory for TestAccountCloud {
    async fn regions(&self, _: &IamRole) -> Result<Vec<String>, CloudError> {
        self.ask("DescribeRegions")
            .map(|_| vec!["us-east-1".into()])
    }

    async fn instances(
        &self,
        _: &IamRole,
        _: &str,
        _: &[String],
    ) -> Result<Vec<InstanceDescription>, CloudError> {
        let state = self.ask("DescribeInstances")?;
        let since = NOW - HOUR * 5;
        let running = if state.stopped {
            InstanceState::Off {
                since: Some(NOW + HOUR),
            }
        } else {
            InstanceState::On { since }
        };
        let instance = |id: &str, power| InstanceDescription {
            id: id.into(),
            image_id: Some("ami-1".into()),
            instance_type: Some("t3.micro".into()),
            state: power,
            gone: false,
        };
        Ok(vec![
            instance("i-1", running),
            instance("i-2", InstanceState::Off { since: None }),
        ])
    }

    async fn images(
        &self,
        _: &IamRole,
        _: &str,
        _: &[String],
    ) -> Result<Vec<ImageDescription>, CloudError> {
        unreachable!("images are looked up elsewhere")
    }
}
