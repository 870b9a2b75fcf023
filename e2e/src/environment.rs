//! The environment of a test: cluster, database, emulator.

use std::path::PathBuf;

use crate::{Customer, Emulator, Operator, Resources};

/// Why a test could not go on.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// One power-on of one instance.
#[derive(Debug, sqlx::FromRow)]
#[allow(missing_docs)]
pub struct InstanceRun {
    pub instance: String,
    pub open: bool,
    pub instance_type: Option<String>,
}

/// The environment: made once a test.
pub struct Environment {
    /// Kubernetes
    pub kube: kube::Client,
    /// The operator's database, as its owner
    pub database: cloudigrade_store::Pool,
    /// AWS
    pub emulator: Emulator,
    /// Where this repository lies
    pub repository: PathBuf,
    /// The emulator's folder: users, keys
    pub aws_state: PathBuf,
}

impl Environment {
    /// Reads what `e2e/in` set.
    ///
    /// # Errors
    /// When it set nothing, because the test was started by hand.
    pub async fn enter() -> Result<Self, Failure> {
        let variable = |name: &str| {
            std::env::var(name).map_err(|_| format!("{name} is not set: start these tests with `make test`, or `e2e/in cargo test …`"))
        };
        // Read at run time: checkouts share cargo's builds.
        let repository = PathBuf::from(variable("CARGO_MANIFEST_DIR")?).join("..");
        Ok(Self {
            kube: kube::Client::try_default().await?,
            database: cloudigrade_store::connect(&variable("DATABASE_URL")?, 2)?,
            emulator: Emulator::new(variable("AWS_ENDPOINT_URL")?),
            aws_state: PathBuf::from(variable("CLOUDIGRADE_RUN")?).join("aws"),
            repository,
        })
    }

    /// A customer nobody has seen before, with an empty AWS account.
    ///
    /// # Errors
    /// When it cannot be made.
    pub async fn customer(&self, name: &str) -> Result<Customer, Failure> {
        Customer::make(self, name).await
    }

    /// A namespace of its own for that test.
    ///
    /// # Errors
    /// When it cannot be made.
    pub async fn resources(&self, name: &str) -> Result<Resources, Failure> {
        Resources::make(&self.kube, name).await
    }

    /// Runs of an AWS account, oldest first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn runs(&self, account: &str) -> Result<Vec<InstanceRun>, Failure> {
        let query = "select i.instance_id instance, r.ended_at is null open, r.instance_type
            from clipped_run r join instance i on i.id = r.instance join cloud_account a on a.id = r.cloud_account
            where a.account_id = $1 order by r.started_at, i.instance_id";
        Ok(sqlx::query_as(query)
            .bind(account)
            .fetch_all(&self.database)
            .await?)
    }

    /// The operator's Deployment.
    pub fn operator(&self) -> Operator {
        Operator::new(&self.kube)
    }
}
