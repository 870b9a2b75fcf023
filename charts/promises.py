"""Asserts the promises of docs/permissions.md about the rendered chart, for any values.

usage: promises.py RENDERED.yaml...
"""

import sys
from pathlib import Path

import yaml

# Reading or listing these would show the operator more than it needs.
NEVER = {
    "secrets": {"list", "watch", "deletecollection", "*"},
    "pods": {"create", "delete", "*"},
    "pods/exec": {"create", "get", "*"},
    "customresourcedefinitions": {"create", "update", "patch", "delete", "*"},
}


def containers(pod):
    return pod.get("initContainers", []) + pod["containers"]


def restricted(pod):
    """Requires Pod Security "restricted" and a read-only root file system."""
    context = pod["securityContext"]
    assert context["runAsNonRoot"] and context["seccompProfile"]["type"] == "RuntimeDefault"
    assert not any(pod.get(key) for key in ("hostNetwork", "hostPID", "hostIPC"))
    assert all("hostPath" not in volume for volume in pod.get("volumes", []))
    for container in containers(pod):
        context = container["securityContext"]
        assert context["capabilities"] == {"drop": ["ALL"]}, container["name"]
        assert context["allowPrivilegeEscalation"] is False and context["readOnlyRootFilesystem"], container["name"]
        assert container["resources"]["requests"] and container["resources"]["limits"]["memory"], container["name"]


def secrets_by_reference(pod):
    """Credentials come from Secrets; none stands in the pod's spec."""
    for container in containers(pod):
        for variable in container["env"]:
            if variable["name"] in ("DATABASE_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "CLOUDIGRADE_PSKS", "CLOUDIGRADE_GRANT_TO_USER_OF"):
                assert "secretKeyRef" in variable["valueFrom"], variable["name"]


def least_privilege(role):
    """No wildcard, and nothing of NEVER."""
    for rule in role["rules"]:
        assert "*" not in rule["apiGroups"] + rule["resources"] + rule["verbs"], rule
        for resource in rule["resources"]:
            assert not NEVER.get(resource, set()) & set(rule["verbs"]), rule


def selected(manifests):
    """The Service finds the pods."""
    labels = {kind: m for kind, m in manifests}
    pod = labels["Deployment"]["spec"]["template"]["metadata"]["labels"]
    assert labels["Service"]["spec"]["selector"].items() <= pod.items()


for path in sys.argv[1:]:
    manifests = [(m["kind"], m) for m in yaml.safe_load_all(Path(path).read_text()) if m]
    try:
        selected(manifests)
        for kind, manifest in manifests:
            if kind == "Deployment":
                restricted(manifest["spec"]["template"]["spec"])
                secrets_by_reference(manifest["spec"]["template"]["spec"])
            elif kind in ("Role", "ClusterRole"):
                least_privilege(manifest)
                watched = "one-namespace" in path and kind == "ClusterRole"
                assert not watched or manifest["metadata"]["name"].endswith(("-view", "-edit")), "cluster-wide rights"
    except AssertionError as broken:
        sys.exit(f"{path}: {manifest['kind']} {manifest['metadata']['name']} breaks a promise: {broken or 'see promises.py'}")
