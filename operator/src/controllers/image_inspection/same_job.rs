//! Comparison of a Job that exists with the one that would be made: no other Job is given credentials. Pure.

use k8s_openapi::api::batch::v1::Job;
use serde_json::{Value, json};

/// Fields that Kubernetes adds to the spec of a Job, and those that it is no harm to have changed.
const ADDED: [&str; 12] = [
    "completionMode",
    "completions",
    "controller-uid",
    "batch.kubernetes.io/controller-uid",
    "creationTimestamp",
    "dnsPolicy",
    "job-name",
    "batch.kubernetes.io/job-name",
    "manualSelector",
    "parallelism",
    "podReplacementPolicy",
    "schedulerName",
];
/// More of them, of which any value is one that Kubernetes chose.
const CHOSEN: [&str; 3] = [
    "selector",
    "terminationGracePeriodSeconds",
    "terminationMessagePath",
];

/// Returns whether the spec of `found` is that of `wanted`, field by field, started or not.
pub(super) fn same_job(wanted: &Job, found: &Job) -> bool {
    let spec = |job: &Job| {
        let mut spec = serde_json::to_value(&job.spec).unwrap_or_default();
        if let Some(spec) = spec.as_object_mut() {
            spec.remove("suspend");
        }
        spec
    };
    same(&spec(wanted), &spec(found))
}

fn same(wanted: &Value, found: &Value) -> bool {
    match (wanted, found) {
        (Value::Object(wanted), Value::Object(found)) => {
            wanted.iter().all(|(key, value)| {
                let found = found.get(key);
                // An empty object is left out when it is stored.
                found.map_or(*value == json!({}), |found| same(value, found))
            }) && found.keys().all(|key| {
                wanted.contains_key(key)
                    || ADDED.contains(&key.as_str())
                    || CHOSEN.contains(&key.as_str())
            })
        }
        (Value::Array(wanted), Value::Array(found)) => {
            wanted.len() == found.len()
                && wanted
                    .iter()
                    .zip(found)
                    .all(|(wanted, found)| same(wanted, found))
        }
        (wanted, found) => wanted == found,
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn job(spec: Value) -> Job {
        serde_json::from_value(json!({"metadata": {"name": "job"}, "spec": spec})).unwrap()
    }

    fn wanted() -> Value {
        json!({
            "suspend": true, "backoffLimit": 0, "activeDeadlineSeconds": 900,
            "template": {"metadata": {"labels": {"a": "b"}}, "spec": {
                "restartPolicy": "Never", "automountServiceAccountToken": false,
                "containers": [{"name": "houndigrade", "image": "houndigrade:1", "args": ["-t", "ami-1"], "env": [{"name": "A", "value": "b"}]}],
            }},
        })
    }

    #[test]
    fn what_kubernetes_adds_makes_no_other_job() {
        let mut stored = wanted();
        stored["suspend"] = json!(false);
        stored["completionMode"] = json!("NonIndexed");
        stored["parallelism"] = json!(1);
        stored["selector"] = json!({"matchLabels": {"batch.kubernetes.io/controller-uid": "u"}});
        stored["template"]["metadata"]["labels"]["job-name"] = json!("job");
        stored["template"]["spec"]["dnsPolicy"] = json!("ClusterFirst");
        stored["template"]["spec"]["containers"][0]["terminationMessagePath"] = json!("/dev/x");
        assert!(same_job(&job(wanted()), &job(stored)));
    }

    #[rstest]
    #[case::image("/template/spec/containers/0/image", json!("attacker"))]
    #[case::arguments("/template/spec/containers/0/args", json!(["-t", "ami-2"]))]
    #[case::command("/template/spec/containers/0/command", json!(["sh"]))]
    #[case::environment("/template/spec/containers/0/env", json!([{"name": "A", "value": "b"}, {"name": "C", "value": "d"}]))]
    #[case::sidecar("/template/spec/containers", json!([{"name": "houndigrade"}, {"name": "other"}]))]
    #[case::before("/template/spec/initContainers", json!([{"name": "other"}]))]
    #[case::volume("/template/spec/volumes", json!([{"name": "host", "hostPath": {"path": "/"}}]))]
    #[case::account("/template/spec/serviceAccountName", json!("admin"))]
    #[case::token("/template/spec/automountServiceAccountToken", json!(true))]
    #[case::network("/template/spec/hostNetwork", json!(true))]
    #[case::deadline("/activeDeadlineSeconds", json!(1_000_000))]
    fn a_job_with_anything_of_its_own_is_not_given_credentials(
        #[case] path: &str,
        #[case] value: Value,
    ) {
        let mut other = wanted();
        let (parent, key) = path.rsplit_once('/').unwrap();
        other.pointer_mut(parent).unwrap()[key] = value;
        assert!(!same_job(&job(wanted()), &job(other)));
    }
}
