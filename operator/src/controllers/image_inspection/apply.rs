//! Carrying out a plan. Every step can be repeated, so a crash between any two of them costs nothing.

use jiff::Timestamp;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Secret as KubeSecret;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions};
use kube::{Api, ResourceExt};
use serde_json::json;

use super::attempt::Attempt;
use super::context::Context;
use super::decide::NOT_FOUND;
use super::error::Error;
use super::job::{self, JobCredentials};
use super::limiter;
use super::observe::{JobState, find_job, job_state};
use super::plan::Plan;
use super::same_job::same_job;
use crate::controllers::error::KubernetesContext;
use crate::controllers::finalizer;
use cloudigrade_api::{FIELD_MANAGER, FINALIZER, ImageInspection};
use cloudigrade_cloud::IamRole;
use cloudigrade_cloud::InspectionCloud;
use cloudigrade_store::inspections::{self, NewFindings};

/// Carries out `plan`. Returns the plan that it came to: another one only if a limit is reached.
pub(super) async fn apply<C: InspectionCloud>(
    inspection: &ImageInspection,
    plan: Plan,
    context: &Context<C>,
    now: Timestamp,
) -> Result<Plan, Error> {
    let spec = &inspection.spec;
    match &plan {
        Plan::Prepare => {
            if let Err(message) = context.acquire_permit(inspection) {
                return Ok(Plan::Wait {
                    reason: limiter::AT_CAPACITY,
                    message,
                    until: None,
                });
            }
            finalizer::add(&context.inspections(inspection), inspection)
                .await
                .context("adding the finalizer")?;
        }
        Plan::Launch { role, snapshot } => launch(inspection, role, snapshot, context).await?,
        Plan::Record(report) => {
            let verdict = &report.verdict;
            let found = NewFindings {
                facts: &report.entry,
                rhel: verdict.rhel,
                distribution: verdict.distribution.as_deref(),
                version: verdict.version.as_deref(),
            };
            inspections::record(&context.database, &spec.image_id, &spec.region, found, now)
                .await?;
        }
        Plan::Fail { reason, message } => {
            let gone = *reason == NOT_FOUND;
            inspections::record_error(
                &context.database,
                &spec.image_id,
                &spec.region,
                message,
                gone,
                now,
            )
            .await?;
        }
        Plan::Release => release(inspection, context).await?,
        Plan::Cleanup => cleanup(inspection, context).await?,
        Plan::Delete => delete(inspection, context).await?,
        Plan::Requeue(_)
        | Plan::Wait { .. }
        | Plan::AwaitJob(_)
        | Plan::Stall { .. }
        | Plan::Retry { .. }
        | Plan::RetryRelease { .. }
        | Plan::AlreadyKnown(_)
        | Plan::Skip { .. } => {}
    }
    Ok(plan)
}

/// The Job first, asleep; then the Secret that it owns; then the Job may start.
async fn launch<C: InspectionCloud>(
    inspection: &ImageInspection,
    role: &IamRole,
    snapshot: &str,
    context: &Context<C>,
) -> Result<(), Error> {
    let attempt = Attempt::next(inspection);
    let namespace = &context.settings.job.namespace;
    let jobs: Api<Job> = Api::namespaced(context.runtime.client.clone(), namespace);
    let wanted = job::job(inspection, &attempt, snapshot, &context.settings.job);
    let job = match jobs.create(&PostParams::default(), &wanted).await {
        Ok(job) => job,
        Err(kube::Error::Api(answer)) if answer.code == 409 => {
            adopt(&jobs, inspection, &wanted).await?
        }
        Err(error) => return Err(error).context("creating the Job")?,
    };
    if job.spec.as_ref().and_then(|spec| spec.suspend) != Some(true) {
        return Ok(());
    }
    let region = &inspection.spec.region;
    let credentials = JobCredentials {
        snapshot: context
            .cloud
            .snapshot_credentials(role, region, snapshot, job::DEADLINE)
            .await?,
        result_url: context
            .cloud
            .upload_url(&attempt.result_key, job::DEADLINE)
            .await?,
    };
    let secret = job::secret(&job, &credentials);
    let secrets: Api<KubeSecret> = Api::namespaced(context.runtime.client.clone(), namespace);
    let apply = PatchParams::apply(FIELD_MANAGER).force();
    secrets
        .patch(&job.name_any(), &apply, &Patch::Apply(&secret))
        .await
        .context("applying the Job's Secret")?;
    let start = Patch::Merge(json!({"spec": {"suspend": false}}));
    jobs.patch(&job.name_any(), &PatchParams::default(), &start)
        .await
        .context("starting the Job")?;
    Ok(())
}

/// A Job of this name exists: ours from a pass that was cut off, perhaps of another version; or somebody else's.
async fn adopt(jobs: &Api<Job>, inspection: &ImageInspection, wanted: &Job) -> Result<Job, Error> {
    let name = wanted.name_any();
    let job = jobs.get(&name).await.context("reading the Job")?;
    if !job::belongs_to(&job, inspection) {
        return Err(Error::ForeignJob(name));
    }
    if job.metadata.deletion_timestamp.is_some() {
        return Err(Error::JobLeaving(name));
    }
    if !same_job(wanted, &job) {
        gone(jobs.delete(&name, &DeleteParams::background()).await)
            .context("deleting a Job that is not as it should be")?;
        return Err(Error::JobLeaving(name));
    }
    Ok(job)
}

/// Deletes everything that the last attempt left. A Job that is over stays until its time to live ends, for its log.
async fn release<C: InspectionCloud>(
    inspection: &ImageInspection,
    context: &Context<C>,
) -> Result<(), Error> {
    let attempt = Attempt::last(inspection);
    if let Some(job) = find_job(inspection, &attempt, context).await? {
        let (name, namespace) = (job.name_any(), job.namespace().unwrap_or_default());
        if job_state(Some(&job)) == JobState::Running {
            // Its Secret goes with it.
            let jobs: Api<Job> = Api::namespaced(context.runtime.client.clone(), &namespace);
            gone(jobs.delete(&name, &DeleteParams::background()).await)
                .context("deleting the Job")?;
        } else {
            let secrets: Api<KubeSecret> =
                Api::namespaced(context.runtime.client.clone(), &namespace);
            gone(secrets.delete(&name, &DeleteParams::default()).await)
                .context("deleting the Job's Secret")?;
        }
    }
    context.cloud.delete_result(&attempt.result_key).await?;
    if inspection
        .status
        .as_ref()
        .is_some_and(|status| status.phase.is_finished())
    {
        finalizer::remove(&context.inspections(inspection), inspection)
            .await
            .context("removing the finalizer")?;
    }
    Ok(())
}

/// The inspection is being deleted. Only once no pod is left can nothing more be delivered.
async fn cleanup<C: InspectionCloud>(
    inspection: &ImageInspection,
    context: &Context<C>,
) -> Result<(), Error> {
    if !inspection.finalizers().iter().any(|name| name == FINALIZER) {
        return Ok(());
    }
    let attempt = Attempt::last(inspection);
    if let Some(job) = find_job(inspection, &attempt, context).await? {
        if job.metadata.deletion_timestamp.is_none() {
            let jobs: Api<Job> = Api::namespaced(
                context.runtime.client.clone(),
                &job.namespace().unwrap_or_default(),
            );
            gone(
                jobs.delete(&job.name_any(), &DeleteParams::foreground())
                    .await,
            )
            .context("deleting the Job")?;
        }
        return Ok(());
    }
    context.cloud.delete_result(&attempt.result_key).await?;
    finalizer::remove(&context.inspections(inspection), inspection)
        .await
        .context("removing the finalizer")?;
    Ok(())
}

/// Deletes this very inspection, not a namesake made since.
async fn delete<C>(inspection: &ImageInspection, context: &Context<C>) -> Result<(), Error> {
    let this = Preconditions {
        uid: inspection.uid(),
        resource_version: None,
    };
    gone(
        context
            .inspections(inspection)
            .delete(
                &inspection.name_any(),
                &DeleteParams::default().preconditions(this),
            )
            .await,
    )
    .context("deleting the ImageInspection")?;
    Ok(())
}

/// Treats 404 as success.
fn gone<T>(deleted: Result<T, kube::Error>) -> Result<(), kube::Error> {
    match deleted {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(answer)) if answer.code == 404 => Ok(()),
        Err(error) => Err(error),
    }
}
