//! The names of everything that is made for one attempt. They derive from the inspection's UID and the number of the attempt,
//! so that a repeated step finds its own work.

use kube::ResourceExt;

use cloudigrade_api::ImageInspection;

/// One attempt to read an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Attempt {
    /// Number, from 1
    pub(super) number: u32,
    /// Name of its Job, and of the Job's Secret
    pub(super) job: String,
    /// Key of its result in the results bucket
    pub(super) result_key: String,
}

impl Attempt {
    /// The attempt that begins next.
    pub(super) fn next(inspection: &ImageInspection) -> Self {
        Self::of(inspection, begun(inspection) + 1)
    }

    /// The attempt that something was made for last: the one being prepared, or the last that was begun.
    pub(super) fn last(inspection: &ImageInspection) -> Self {
        let next = Self::next(inspection);
        let prepared = inspection
            .status
            .as_ref()
            .and_then(|status| status.runner.as_ref());
        if prepared.is_some_and(|runner| runner.name == next.job) {
            next
        } else {
            Self::of(inspection, begun(inspection))
        }
    }

    fn of(inspection: &ImageInspection, number: u32) -> Self {
        let uid = inspection.uid().unwrap_or_default();
        let start = uid.split('-').next().unwrap_or_default();
        Self {
            number,
            job: format!("houndigrade-{}-{start}-{number}", inspection.spec.image_id),
            result_key: format!("InspectionResults/{uid}/{number}.json"),
        }
    }
}

/// Number of attempts begun.
fn begun(inspection: &ImageInspection) -> u32 {
    let status = inspection.status.as_ref();
    status.map_or(0, |status| status.attempts)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn inspection(status: Value) -> ImageInspection {
        serde_json::from_value(json!({
            "apiVersion": "cloudigrade.io/v1alpha1", "kind": "ImageInspection",
            "metadata": {"name": "web", "namespace": "customers", "uid": "5f0c1a2b-9d3e-4f5a-8b6c-7d8e9f0a1b2c"},
            "spec": {"cloudAccountRef": {"name": "acme"}, "imageId": "ami-0123456789abcdef0", "region": "eu-west-1"},
            "status": status,
        }))
        .unwrap()
    }

    #[test]
    fn the_last_attempt_is_found_again() {
        let runner = json!({"kind": "Job", "name": "houndigrade-ami-0123456789abcdef0-5f0c1a2b-2"});
        let numbers = |status| {
            let inspection = inspection(status);
            let (last, next) = (Attempt::last(&inspection), Attempt::next(&inspection));
            (last.number, next.number)
        };
        assert_eq!(
            numbers(json!({"attempts": 1, "runner": runner})),
            (2, 2),
            "prepared"
        );
        assert_eq!(
            numbers(json!({"attempts": 2, "runner": runner})),
            (2, 3),
            "begun"
        );
    }

    #[test]
    fn names_derive_from_the_uid() {
        let attempt = Attempt::next(&inspection(json!({"attempts": 1})));
        assert_eq!(
            attempt.result_key,
            "InspectionResults/5f0c1a2b-9d3e-4f5a-8b6c-7d8e9f0a1b2c/2.json"
        );
        let most = Attempt::next(&inspection(json!({"attempts": u32::MAX - 1})));
        assert!(
            most.job.len() <= 63,
            "a Job's name becomes a label of its pods: {}",
            most.job
        );
    }
}
