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


# A pod, or a token, of any ServiceAccount of their namespace comes with making these.
MAKES_PODS_OR_TOKENS = {"secrets", "jobs", "cronjobs", "pods", "deployments", "daemonsets", "statefulsets", "replicasets", "serviceaccounts/token"}
GIVES_RIGHTS = {"roles", "rolebindings", "clusterroles", "clusterrolebindings", "serviceaccounts", "validatingadmissionpolicies", "namespaces"}
WRITES = {"create", "update", "patch", "delete", "deletecollection", "*"}
NOT_THE_INTERNET = {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16"}


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
    """Each Service finds the pods of one Deployment."""
    pods = [m["spec"]["template"]["metadata"]["labels"] for kind, m in manifests if kind == "Deployment"]
    for kind, manifest in manifests:
        if kind == "Service":
            found = [pod for pod in pods if manifest["spec"]["selector"].items() <= pod.items()]
            assert len(found) == 1, manifest["metadata"]["name"]


def inspections_namespace(manifests):
    """Where inspectors run, as the operator is told."""
    for kind, manifest in manifests:
        for container in manifest["spec"]["template"]["spec"]["containers"] if kind == "Deployment" else []:
            for variable in container["env"]:
                if variable["name"] == "CLOUDIGRADE_INSPECTIONS_NAMESPACE":
                    return variable["value"]
    raise AssertionError("the operator is not told where inspectors run")


def no_way_to_cluster_admin(role, inspections):
    """Whoever makes a Secret reads the token of any ServiceAccount by it, and whoever makes a Job runs as any: of that namespace,
    which must be one without any. Nothing gives itself or others more rights."""
    namespace = role["metadata"].get("namespace")
    for rule in role["rules"]:
        verbs = set(rule["verbs"])
        for resource in rule["resources"]:
            if resource in MAKES_PODS_OR_TOKENS and namespace != inspections:
                assert not verbs & WRITES, f"{verbs} of {resource} outside the namespace of inspectors"
            assert resource not in GIVES_RIGHTS or not verbs & (WRITES | {"bind", "escalate"}), rule
            assert not verbs & {"impersonate", "bind", "escalate"}, rule


def contained(manifests, inspections):
    """Inspectors are let out to the internet only, and nobody is let in."""
    policies = [m for kind, m in manifests if kind == "NetworkPolicy" and m["metadata"]["namespace"] == inspections]
    assert len(policies) == 1, "no NetworkPolicy for inspectors"
    spec = policies[0]["spec"]
    assert spec["podSelector"] == {} and spec["policyTypes"] == ["Ingress", "Egress"] and "ingress" not in spec
    blocks = [to["ipBlock"] for rule in spec["egress"] for to in rule["to"] if "ipBlock" in to]
    internet = [block for block in blocks if block["cidr"] == "0.0.0.0/0"]
    assert internet and all(NOT_THE_INTERNET <= set(block["except"]) for block in internet), "inspectors reach private networks"
    for kind, manifest in manifests:
        if kind == "Namespace":
            assert manifest["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


for path in sys.argv[1:]:
    manifests = [(m["kind"], m) for m in yaml.safe_load_all(Path(path).read_text()) if m]
    try:
        manifest = {"kind": "chart", "metadata": {"name": "cloudigrade"}}
        selected(manifests)
        inspections = inspections_namespace(manifests)
        contained(manifests, inspections)
        for kind, manifest in manifests:
            if kind == "Deployment":
                restricted(manifest["spec"]["template"]["spec"])
                secrets_by_reference(manifest["spec"]["template"]["spec"])
            elif kind in ("Role", "ClusterRole"):
                least_privilege(manifest)
                no_way_to_cluster_admin(manifest, inspections)
                watched = "one-namespace" in path and kind == "ClusterRole"
                assert not watched or manifest["metadata"]["name"].endswith(("-view", "-edit")), "cluster-wide rights"
    except AssertionError as broken:
        sys.exit(f"{path}: {manifest['kind']} {manifest['metadata']['name']} breaks a promise: {broken or 'see promises.py'}")
