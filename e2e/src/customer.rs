//! A customer's AWS account, and the calls of its people.

use std::path::PathBuf;
use std::process::Stdio;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_ec2::types::InstanceType;
use serde::Deserialize;
use tokio::process::Command;

use crate::{Environment, Failure};

/// A customer with an AWS account of their own.
#[derive(Clone, Debug)]
pub struct Customer {
    /// Its name, unique in the environment
    pub name: String,
    /// The 12-digit account
    pub account: String,
    /// The organization
    pub org: String,
    /// External id demanded by the role's trust policy
    pub external_id: String,
    /// The role that the operator assumes
    pub role_arn: String,
    seed: PathBuf,
    state: PathBuf,
    config: SdkConfig,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct About {
    role_arn: String,
}

impl Customer {
    pub(crate) async fn make(environment: &Environment, name: &str) -> Result<Self, Failure> {
        // Unique without a counter: time in the digits of an account number.
        let digits = jiff::Timestamp::now().as_microsecond().to_string();
        let account = format!("4{}", &digits[digits.len() - 11..]);
        let org = digits[digits.len() - 8..].to_owned();
        let name = format!("{name}-{org}");
        let external_id = format!("{name}-external-id");
        let seed = environment.repository.join("e2e/aws/seed");
        let state = environment.aws_state.clone();
        run(Command::new(&seed)
            .args([
                "customer",
                &name,
                "--account",
                &account,
                "--org",
                &org,
                "--external-id",
                &external_id,
            ])
            .arg("--state")
            .arg(&state))
        .await?;
        let about: About = serde_json::from_str(&std::fs::read_to_string(
            state.join(format!("customers/{name}.json")),
        )?)?;
        let keys = std::fs::read_to_string(state.join(format!("customers/{name}.env")))?;
        let key = |wanted: &str| {
            let value = keys
                .lines()
                .filter_map(|line| line.split_once('='))
                .find(|(name, _)| *name == wanted);
            value
                .map(|(_, value)| value.to_owned())
                .ok_or_else(|| format!("no {wanted} for {name}"))
        };
        let credentials = aws_sdk_ec2::config::Credentials::new(
            key("AWS_ACCESS_KEY_ID")?,
            key("AWS_SECRET_ACCESS_KEY")?,
            None,
            None,
            "e2e",
        );
        let config = aws_config::defaults(BehaviorVersion::latest())
            .region(Region::from_static("us-east-1"))
            .endpoint_url(&environment.emulator.endpoint)
            .credentials_provider(credentials)
            .load()
            .await;
        Ok(Self {
            name,
            account,
            org,
            external_id,
            role_arn: about.role_arn,
            seed,
            state,
            config,
        })
    }

    /// EC2 of that account.
    pub fn ec2(&self, region: &'static str) -> aws_sdk_ec2::Client {
        let config = self
            .config
            .to_builder()
            .region(Region::from_static(region))
            .build();
        aws_sdk_ec2::Client::new(&config)
    }

    /// CloudTrail of that account.
    pub fn cloudtrail(&self) -> aws_sdk_cloudtrail::Client {
        aws_sdk_cloudtrail::Client::new(&self.config)
    }

    /// Registers an AMI on one of the disks of `e2e/disks`; returns its id.
    ///
    /// # Errors
    /// When the disk cannot be made or loaded.
    pub async fn image(
        &self,
        environment: &Environment,
        disk: &str,
        region: &'static str,
    ) -> Result<String, Failure> {
        let disks = self.state.join("disks");
        if !disks.join(format!("{disk}.img")).exists() {
            run(Command::new(environment.repository.join("e2e/disks/make-disks")).arg(&disks))
                .await?;
        }
        let image = run(Command::new(&self.seed)
            .arg("image")
            .arg(disks.join(format!("{disk}.img")))
            .args(["--customer", &self.name, "--name", disk, "--region", region])
            .arg("--state")
            .arg(&self.state))
        .await?;
        Ok(image.trim().to_owned())
    }

    /// Launches one instance; returns its id.
    ///
    /// # Errors
    /// When EC2 refuses.
    pub async fn launch(&self, image: &str, region: &'static str) -> Result<String, Failure> {
        let launched = self
            .ec2(region)
            .run_instances()
            .image_id(image)
            .instance_type(InstanceType::T3Medium)
            .min_count(1)
            .max_count(1)
            .send()
            .await
            .map_err(|error| format!("RunInstances: {error:?}"))?;
        let id = launched
            .instances()
            .first()
            .and_then(|instance| instance.instance_id());
        id.map(str::to_owned)
            .ok_or_else(|| "RunInstances made no instance".into())
    }

    /// Names of the trails in that account.
    ///
    /// # Errors
    /// When CloudTrail refuses.
    pub async fn trails(&self) -> Result<Vec<String>, Failure> {
        let answer = self.cloudtrail().describe_trails().send().await?;
        Ok(answer
            .trail_list()
            .iter()
            .filter_map(|trail| trail.name().map(str::to_owned))
            .collect())
    }
}

/// Runs a command; its stdout.
async fn run(command: &mut Command) -> Result<String, Failure> {
    let output = command.stdin(Stdio::null()).output().await?;
    if !output.status.success() {
        return Err(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    Ok(String::from_utf8(output.stdout)?)
}
