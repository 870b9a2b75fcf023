//! Reading the part of the world that the next step depends on. Nothing is written.

use jiff::Timestamp;
use k8s_openapi::api::batch::v1::Job;
use kube::Api;

use super::attempt::Attempt;
use super::context::Context;
use super::eligibility::{Ineligible, eligibility};
use super::error::Error;
use super::job;
use super::result::{self, InspectionResult};
use super::stage::Stage;
use crate::controllers::error::KubernetesContext;
use crate::controllers::role;
use cloudigrade_api::ImageInspection;
use cloudigrade_cloud::{IamRole, ImageState, InspectionCloud, ResultObject};
use cloudigrade_store::inspections::{self, InspectedBefore};

/// The state of the world, as far as a stage needs it.
#[derive(Clone, Debug)]
pub(super) enum Observed {
    /// Of one that is being deleted: nothing
    Deleting,
    /// Of one whose attempt is over: nothing
    Releasing,
    /// Of one that waits: the time that it waits for
    Waiting(Timestamp),
    /// Of one that has not begun
    Pending {
        /// The image in Postgres
        known: Option<InspectedBefore>,
        /// Nothing if the account's images can be inspected, or the reason against it
        eligibility: Result<(), Ineligible>,
    },
    /// Of one whose turn it is: the role to read the image with, and its state for the customer's account, `None` if unknown there;
    /// the account can have become ineligible since
    Preparing(Result<(IamRole, Option<ImageState>), Ineligible>),
    /// Of one whose attempt has begun
    Inspecting {
        /// Its Job
        job: JobState,
        /// houndigrade's result, once the Job is over
        result: Option<Result<InspectionResult, String>>,
    },
    /// Of one that is over: the end of its time to live
    Finished(Option<Timestamp>),
    /// Of one whose time to live is over: nothing
    Expired,
}

/// The state of a Job, as far as it matters here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum JobState {
    /// Deleted by hand, or kept long enough
    Gone,
    /// Not over
    Running,
    /// Over, well or not; Kubernetes' reason of a failure
    Over(Option<String>),
}

/// Reads the state that `stage` of `inspection` depends on.
pub(super) async fn observe<C: InspectionCloud>(
    stage: Stage,
    inspection: &ImageInspection,
    context: &Context<C>,
) -> Result<Observed, Error> {
    Ok(match stage {
        Stage::Deleting => Observed::Deleting,
        Stage::Releasing => Observed::Releasing,
        Stage::Waiting(until) => Observed::Waiting(until),
        Stage::Pending => pending(inspection, context).await?,
        Stage::Preparing => preparing(inspection, context).await?,
        Stage::Inspecting => inspecting(inspection, context).await?,
        Stage::Finished(expiry) => Observed::Finished(expiry),
        Stage::Expired => Observed::Expired,
    })
}

async fn pending<C>(inspection: &ImageInspection, context: &Context<C>) -> Result<Observed, Error> {
    let account = context.account(inspection);
    let name = &inspection.spec.cloud_account_ref.name;
    Ok(Observed::Pending {
        known: inspections::known(&context.database, &inspection.spec.image_id).await?,
        eligibility: eligibility(name, account.as_ref()).map(|_| ()),
    })
}

async fn preparing<C: InspectionCloud>(
    inspection: &ImageInspection,
    context: &Context<C>,
) -> Result<Observed, Error> {
    let spec = &inspection.spec;
    let account = context.account(inspection);
    let account = match eligibility(&spec.cloud_account_ref.name, account.as_ref()) {
        Ok(account) => account,
        Err(ineligible) => return Ok(Observed::Preparing(Err(ineligible))),
    };
    let role = role::resolve_role(&context.runtime.client, account).await?;
    let image = context
        .cloud
        .image(&role, &spec.region, &spec.image_id)
        .await?;
    Ok(Observed::Preparing(Ok((role, image))))
}

async fn inspecting<C: InspectionCloud>(
    inspection: &ImageInspection,
    context: &Context<C>,
) -> Result<Observed, Error> {
    let attempt = Attempt::last(inspection);
    let job = job_state(find_job(inspection, &attempt, context).await?.as_ref());
    let result = match job {
        JobState::Running => None,
        JobState::Over(_) | JobState::Gone => delivered(inspection, &attempt, context).await?,
    };
    Ok(Observed::Inspecting { job, result })
}

/// The Job of an attempt, if it is there and belongs to `inspection`.
pub(super) async fn find_job<C>(
    inspection: &ImageInspection,
    attempt: &Attempt,
    context: &Context<C>,
) -> Result<Option<Job>, Error> {
    let namespace = &context.settings.job.namespace;
    let jobs: Api<Job> = Api::namespaced(context.runtime.client.clone(), namespace);
    let found = jobs
        .get_opt(&attempt.job)
        .await
        .context("reading the Job")?;
    Ok(found.filter(|found| job::belongs_to(found, inspection)))
}

/// How far a Job is.
pub(super) fn job_state(job: Option<&Job>) -> JobState {
    let Some(job) = job else {
        return JobState::Gone;
    };
    let conditions = job
        .status
        .as_ref()
        .and_then(|status| status.conditions.as_deref())
        .unwrap_or_default();
    let is = |type_: &str| {
        conditions
            .iter()
            .find(|c| c.type_ == type_ && c.status == "True")
    };
    if let Some(failed) = is("Failed") {
        let words = [&failed.reason, &failed.message].into_iter().flatten();
        return JobState::Over(Some(
            words.map(String::as_str).collect::<Vec<_>>().join(": "),
        ));
    }
    if is("Complete").is_some() {
        JobState::Over(None)
    } else {
        JobState::Running
    }
}

async fn delivered<C: InspectionCloud>(
    inspection: &ImageInspection,
    attempt: &Attempt,
    context: &Context<C>,
) -> Result<Option<Result<InspectionResult, String>>, Error> {
    let object = context
        .cloud
        .result(&attempt.result_key, result::LARGEST)
        .await?;
    Ok(match object {
        None => None,
        Some(ResultObject::Complete(bytes)) => {
            Some(result::parse(&bytes, &inspection.spec.image_id))
        }
        Some(ResultObject::TooLarge) => {
            Some(Err(format!("it is larger than {} bytes", result::LARGEST)))
        }
    })
}
