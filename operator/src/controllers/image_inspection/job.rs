//! The Job that runs houndigrade on one snapshot, and the Secret with the credentials minted for it alone.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::api::batch::v1::{Job, JobSpec};
use k8s_openapi::api::core::v1::{
    Capabilities, Container, EnvVar, EnvVarSource, PodSecurityContext, PodSpec, PodTemplateSpec,
    ResourceRequirements, SeccompProfile, Secret as KubeSecret, SecretKeySelector, SecurityContext,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::{Resource, ResourceExt};

use super::Object;
use super::attempt::Attempt;
use cloudigrade_api::{ImageInspection, MANAGED_BY};
use cloudigrade_cloud::Secret;
use cloudigrade_cloud::SnapshotCredentials;

/// Longest an attempt runs, image pull included. The credentials live as long: 15 minutes is the least AWS grants.
pub(super) const DEADLINE: Duration = Duration::from_secs(900);

/// How long a finished Job is kept, so that its log can be read.
const KEEP: i32 = 3600;

/// Label of the Jobs, by which they are watched together with [`MANAGED_BY`].
pub(super) const NAME: (&str, &str) = ("app.kubernetes.io/name", "houndigrade");
/// The UID of the inspection, on Jobs and Secrets; they are in another namespace, so that it can't own them.
const UID_LABEL: &str = "cloudigrade.io/inspection-uid";
/// The inspection as `namespace/name`, which may be too long for a label.
const INSPECTION: &str = "cloudigrade.io/inspection";
/// The image, and the account that it is read for.
const IMAGE_LABEL: &str = "cloudigrade.io/image-id";
pub(crate) const ACCOUNT_LABEL: &str = "cloudigrade.io/cloud-account";

/// The environment variables that houndigrade gets from the Secret, also the Secret's keys.
const FROM_SECRET: [&str; 4] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "HOUNDIGRADE_RESULT_URL",
];

/// Credentials of one Job: to read one snapshot, and to write one object.
#[derive(Clone, Debug)]
pub(super) struct JobCredentials {
    pub(super) snapshot: SnapshotCredentials,
    pub(super) result_url: Secret,
}

/// Settings that all Jobs have in common.
#[derive(Clone, Debug)]
pub struct JobSettings {
    /// Namespace of the Jobs and their Secrets, where no tenant reads
    pub namespace: String,
    /// Container image of houndigrade
    pub image: String,
    /// Address of AWS, if not the one that the SDK expects
    pub aws_endpoint_url: Option<String>,
}

/// Returns whether `job` was made for `inspection`.
pub(super) fn belongs_to(job: &Job, inspection: &ImageInspection) -> bool {
    let uid = inspection.metadata.uid.as_ref();
    uid.is_some() && job.labels().get(UID_LABEL) == uid
}

/// The inspection that `job` was made for.
pub(super) fn inspection_of(job: &Job) -> Option<Object> {
    let (namespace, name) = job.annotations().get(INSPECTION)?.split_once('/')?;
    Some(Object::new(name).within(namespace))
}

/// The Job, not started yet: it has to exist before the Secret that it owns, and to wait for it.
pub(super) fn job(
    inspection: &ImageInspection,
    attempt: &Attempt,
    snapshot: &str,
    settings: &JobSettings,
) -> Job {
    let spec = &inspection.spec;
    let labels = labels(inspection);
    Job {
        metadata: ObjectMeta {
            name: Some(attempt.job.clone()),
            namespace: Some(settings.namespace.clone()),
            labels: Some(labels.clone()),
            annotations: Some([(INSPECTION.to_owned(), inspection_name(inspection))].into()),
            ..ObjectMeta::default()
        },
        spec: Some(JobSpec {
            suspend: Some(true),
            backoff_limit: Some(0),
            active_deadline_seconds: i64::try_from(DEADLINE.as_secs()).ok(),
            ttl_seconds_after_finished: Some(KEEP),
            template: PodTemplateSpec {
                metadata: Some(ObjectMeta {
                    labels: Some(labels),
                    ..ObjectMeta::default()
                }),
                spec: Some(PodSpec {
                    restart_policy: Some("Never".into()),
                    automount_service_account_token: Some(false),
                    enable_service_links: Some(false),
                    security_context: Some(PodSecurityContext {
                        run_as_non_root: Some(true),
                        seccomp_profile: Some(SeccompProfile {
                            type_: "RuntimeDefault".into(),
                            localhost_profile: None,
                        }),
                        ..PodSecurityContext::default()
                    }),
                    containers: vec![Container {
                        name: "houndigrade".into(),
                        image: Some(settings.image.clone()),
                        image_pull_policy: Some("IfNotPresent".into()),
                        args: Some(vec![
                            "-c".into(),
                            "aws".into(),
                            "-t".into(),
                            spec.image_id.clone(),
                            format!("ebs://{snapshot}?region={}", spec.region),
                        ]),
                        env: Some(environment(&attempt.job, &spec.region, settings)),
                        resources: Some(resources()),
                        termination_message_policy: Some("FallbackToLogsOnError".into()),
                        security_context: Some(SecurityContext {
                            allow_privilege_escalation: Some(false),
                            read_only_root_filesystem: Some(true),
                            capabilities: Some(Capabilities {
                                drop: Some(vec!["ALL".into()]),
                                add: None,
                            }),
                            ..SecurityContext::default()
                        }),
                        ..Container::default()
                    }],
                    ..PodSpec::default()
                }),
            },
            ..JobSpec::default()
        }),
        status: None,
    }
}

/// The Secret with the credentials of `job`, gone when the Job is.
pub(super) fn secret(job: &Job, credentials: &JobCredentials) -> KubeSecret {
    let JobCredentials {
        snapshot,
        result_url,
    } = credentials;
    let values = [
        &snapshot.access_key_id,
        &snapshot.secret_access_key,
        &snapshot.session_token,
        result_url,
    ];
    KubeSecret {
        metadata: ObjectMeta {
            name: job.metadata.name.clone(),
            namespace: job.metadata.namespace.clone(),
            labels: job.metadata.labels.clone(),
            owner_references: job.controller_owner_ref(&()).map(|owner| vec![owner]),
            ..ObjectMeta::default()
        },
        type_: Some("Opaque".into()),
        string_data: Some(
            FROM_SECRET
                .iter()
                .zip(values)
                .map(|(key, value)| ((*key).to_owned(), value.expose().to_owned()))
                .collect(),
        ),
        ..KubeSecret::default()
    }
}

fn inspection_name(inspection: &ImageInspection) -> String {
    let namespace = inspection.namespace().unwrap_or_default();
    format!("{namespace}/{}", inspection.name_any())
}

fn labels(inspection: &ImageInspection) -> BTreeMap<String, String> {
    [
        MANAGED_BY,
        NAME,
        (UID_LABEL, &inspection.uid().unwrap_or_default()),
        (IMAGE_LABEL, &inspection.spec.image_id),
        (ACCOUNT_LABEL, &inspection.spec.cloud_account_ref.name),
    ]
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .into()
}

fn environment(secret: &str, region: &str, settings: &JobSettings) -> Vec<EnvVar> {
    let plain = |name: &str, value: &str| EnvVar {
        name: name.to_owned(),
        value: Some(value.to_owned()),
        value_from: None,
    };
    let from_secret = |key: &str| EnvVar {
        name: key.to_owned(),
        value: None,
        value_from: Some(EnvVarSource {
            secret_key_ref: Some(SecretKeySelector {
                name: secret.to_owned(),
                key: key.to_owned(),
                optional: None,
            }),
            ..EnvVarSource::default()
        }),
    };
    let endpoint = settings
        .aws_endpoint_url
        .as_deref()
        .map(|url| plain("AWS_ENDPOINT_URL", url));
    FROM_SECRET
        .into_iter()
        .map(from_secret)
        .chain([plain("AWS_REGION", region)])
        .chain(endpoint)
        .collect()
}

/// Blocks are read as they are needed, so memory does not grow with the disk.
fn resources() -> ResourceRequirements {
    let quantities = |list: &[(&str, &str)]| {
        Some(
            list.iter()
                .map(|(name, amount)| ((*name).to_owned(), Quantity((*amount).to_owned())))
                .collect(),
        )
    };
    ResourceRequirements {
        requests: quantities(&[("cpu", "100m"), ("memory", "128Mi")]),
        limits: quantities(&[("memory", "256Mi")]),
        claims: None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn inspection(status: serde_json::Value) -> ImageInspection {
        serde_json::from_value(json!({
            "apiVersion": "cloudigrade.io/v1alpha1",
            "kind": "ImageInspection",
            "metadata": {"name": "web", "namespace": "customers", "uid": "5f0c1a2b-9d3e-4f5a-8b6c-7d8e9f0a1b2c"},
            "spec": {"cloudAccountRef": {"name": "acme"}, "imageId": "ami-0123456789abcdef0", "region": "eu-west-1"},
            "status": status,
        }))
        .unwrap()
    }

    fn settings() -> JobSettings {
        JobSettings {
            namespace: "cloudigrade-inspections".into(),
            image: "quay.io/cloudigrade/houndigrade:1.0".into(),
            aws_endpoint_url: Some("http://10.244.0.1:5000".into()),
        }
    }

    fn credentials() -> JobCredentials {
        JobCredentials {
            snapshot: SnapshotCredentials {
                access_key_id: Secret::new("ASIAKEYID"),
                secret_access_key: Secret::new("the-secret-key"),
                session_token: Secret::new("the-session-token"),
            },
            result_url: Secret::new("https://results/key?X-Amz-Signature=the-signature"),
        }
    }

    /// The Job of the next attempt.
    fn made(status: serde_json::Value) -> Job {
        let inspection = inspection(status);
        job(
            &inspection,
            &Attempt::next(&inspection),
            "snap-0a",
            &settings(),
        )
    }

    #[test]
    fn the_job_holds_no_secret_and_the_secret_holds_all_of_them() {
        let mut job = made(json!({"attempts": 1}));
        insta::assert_yaml_snapshot!("job", job);
        job.metadata.uid = Some("0b1c2d3e-0000-0000-0000-000000000000".into());

        let secret = secret(&job, &credentials());
        let mut redacted = secret.clone();
        redacted
            .string_data
            .iter_mut()
            .flatten()
            .for_each(|(_, value)| *value = "[redacted]".into());
        insta::assert_yaml_snapshot!("secret", redacted);
        let given: Vec<&str> = secret
            .string_data
            .iter()
            .flatten()
            .map(|(_, value)| value.as_str())
            .collect();
        assert_eq!(
            given,
            [
                "ASIAKEYID",
                "the-secret-key",
                "the-session-token",
                "https://results/key?X-Amz-Signature=the-signature"
            ]
        );
        let written = serde_json::to_string(&job).unwrap();
        assert!(
            given.iter().all(|value| !written.contains(value)),
            "{written}"
        );
        assert_eq!(format!("{:?}", credentials()).matches("***").count(), 4);
    }

    #[test]
    fn a_job_of_somebody_else_is_not_ours() {
        let ours = made(json!({}));
        assert!(belongs_to(&ours, &inspection(json!({}))));
        let mut other = inspection(json!({}));
        other.metadata.uid = Some("5f0c1a2b-9d3e-4f5a-8b6c-000000000000".into());
        assert!(
            !belongs_to(&ours, &other),
            "the same name, made for a namesake"
        );
        let of = inspection_of(&ours).unwrap();
        assert_eq!(of, Object::new("web").within("customers"));
    }
}
