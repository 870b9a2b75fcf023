//! Looking at the part of the world that the phase needs: reads only.

use jiff::Timestamp;
use k8s_openapi::api::batch::v1::Job;
use kube::{Api, ResourceExt};

use super::context::Context;
use super::decide::{self, JobState, Look, Seen};
use super::error::Error;
use super::{job, result};
use crate::controllers::error::KubernetesContext;
use crate::controllers::role;
use cloudigrade_api::ImageInspection;
use cloudigrade_cloud::{InspectionCloud, ResultObject};
use cloudigrade_store::inspections;

/// Reads the state that `inspection` needs now.
pub(super) async fn observe<C: InspectionCloud>(
    inspection: &ImageInspection,
    context: &Context<C>,
    now: Timestamp,
) -> Result<Seen, Error> {
    let spec = &inspection.spec;
    let account = context.account(inspection);
    let gate = decide::gate(&spec.cloud_account_ref.name, account.as_ref());
    Ok(match decide::look(inspection, now) {
        Look::Nowhere => Seen::Nothing,
        Look::Pending => Seen::Pending {
            known: inspections::known(&context.database, &spec.image_id).await?,
            gate: gate.map(|_| ()),
        },
        Look::Preparing => Seen::Preparing(match gate {
            Ok(account) => {
                let role = role::resolve_role(&context.runtime.client, account).await?;
                let image = context
                    .cloud
                    .image(&role, &spec.region, &spec.image_id)
                    .await?;
                Ok((role, image))
            }
            Err(closed) => Err(closed),
        }),
        Look::Inspecting => {
            let attempt = inspection
                .status
                .as_ref()
                .map_or(0, |status| status.attempts);
            let job = job_state(find_job(inspection, attempt, context).await?.as_ref());
            let result = match job {
                JobState::Running => None,
                JobState::Over(_) | JobState::Gone => {
                    delivered(inspection, attempt, context).await?
                }
            };
            Seen::Inspecting { job, result }
        }
    })
}

/// The Job of an attempt, if it is there and belongs to `inspection`.
pub(super) async fn find_job<C>(
    inspection: &ImageInspection,
    attempt: u32,
    context: &Context<C>,
) -> Result<Option<Job>, Error> {
    let jobs: Api<Job> = Api::namespaced(
        context.runtime.client.clone(),
        &inspection.namespace().unwrap_or_default(),
    );
    let found = jobs
        .get_opt(&job::name(inspection, attempt))
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
    attempt: u32,
    context: &Context<C>,
) -> Result<Option<Result<result::InspectionResult, String>>, Error> {
    let key = job::result_key(inspection, attempt);
    Ok(match context.cloud.result(&key, result::LARGEST).await? {
        None => None,
        Some(ResultObject::Complete(bytes)) => {
            Some(result::parse(&bytes, &inspection.spec.image_id))
        }
        Some(ResultObject::TooLarge) => {
            Some(Err(format!("it is larger than {} bytes", result::LARGEST)))
        }
    })
}
