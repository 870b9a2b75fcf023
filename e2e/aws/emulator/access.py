"""May this caller make this call? Identity policies, session policy, and the policy of the resource."""

from __future__ import annotations

import json
from collections.abc import Iterable

from moto.iam.exceptions import NotFoundException
from moto.iam.models import iam_backends
from moto.s3.models import s3_backends
from moto.sqs.models import sqs_backends

from emulator import resources
from emulator.call import Call
from emulator.credentials import Caller
from emulator.errors import AwsError, Refusal, refuse
from emulator.policy import Document, Principal, Question, Verdict, judge

# AWS lets everybody ask who they are.
_ALWAYS_ALLOWED = {"sts:GetCallerIdentity"}


def authorise(call: Call) -> None:
    """Raises the refusal the service would show. A dry run that is allowed is refused too, as EC2 does."""
    action = resources.action(call)
    if action not in _ALWAYS_ALLOWED:
        for resource in resources.touched(call):
            _authorise(call, action, resource)
    if call.is_dry_run:
        raise AwsError("DryRunOperation", "Request would have succeeded, but DryRun flag is set.", 412)


def _authorise(call: Call, action: str, resource: str) -> None:
    caller = call.caller
    owner, resource_policies = _resource_policy(resource, caller)
    if caller.kind == "Root" and action == "sts:AssumeRole":
        raise refuse(Refusal.DENIED, call.service, "Roles may not be assumed by root accounts.")
    if caller.kind == "Root" and owner == caller.account:
        return
    context = _context(call) | {"aws:ResourceAccount": owner}
    question = Question(action, resource, context)
    identity = Verdict.ALLOWED if caller.kind == "Root" else judge(caller.policies, question)
    session = Verdict.ALLOWED if caller.session_policy is None else judge([caller.session_policy], question)
    # Both sides must agree across accounts, and a role must trust its caller even at home.
    both = owner != caller.account or action == "sts:AssumeRole"
    by_resource = judge(resource_policies, Question(action, resource, context, _principals(caller, both)))

    for verdict, source in ((identity, "identity-based"), (session, "session"), (by_resource, "resource-based")):
        if verdict is Verdict.DENIED:
            raise _denied(call, action, resource, f"with an explicit deny in {_a(source)} policy")
    if session is not Verdict.ALLOWED:
        raise _denied(call, action, resource, f"because no session policy allows the {action} action")
    if both and by_resource is not Verdict.ALLOWED:
        raise _denied(call, action, resource, f"because no resource-based policy allows the {action} action")
    if identity is not Verdict.ALLOWED and (both or by_resource is not Verdict.ALLOWED):
        raise _denied(call, action, resource, f"because no identity-based policy allows the {action} action")


def _resource_policy(resource: str, caller: Caller) -> tuple[str, Iterable[Document]]:
    """The account that owns `resource`, and the policies attached to it. A resource that does not exist is the caller's own."""
    service, name = (resource.split(":", 5) + [""] * 6)[2:6:3]
    if service == "s3":
        bucket = name.partition("/")[0]
        if bucket in s3_backends.bucket_accounts:
            partition, account = s3_backends.bucket_accounts[bucket]
            policy = s3_backends[account][partition].get_bucket(bucket).policy
            return account, [json.loads(policy)] if policy else []
    elif service == "sqs":
        account = resources.owner(resource)
        queue = sqs_backends[account][resource.split(":")[3]].queues.get(name)
        policy = queue.policy if queue else None
        return account, [policy if isinstance(policy, dict) else json.loads(policy)] if policy else []
    elif service == "iam" and name.startswith("role/"):
        account = resources.owner(resource)
        try:
            role = iam_backends[account]["aws"].get_role_by_arn(resource)
        except NotFoundException:
            # A role that is not there trusts nobody; AWS answers the same for both.
            return account, []
        return account, [json.loads(role.assume_role_policy_document)]
    return caller.account, []


def _principals(caller: Caller, with_account: bool) -> frozenset[Principal]:
    """The names a resource policy may call the caller. Naming the account delegates to its identity policies,
    so where one side is enough it grants nothing by itself."""
    names = {caller.arn, caller.role_arn or caller.arn}
    if with_account:
        names |= {caller.account, f"arn:aws:iam::{caller.account}:root"}
    return frozenset(("AWS", name) for name in names)


def _context(call: Call) -> dict[str, str]:
    context = {
        "aws:PrincipalAccount": call.caller.account,
        "aws:PrincipalArn": call.caller.role_arn or call.caller.arn,
        "aws:RequestedRegion": call.region,
        "aws:SecureTransport": "false",
    }
    if "ExternalId" in call.parameters:
        context["sts:ExternalId"] = call.parameters["ExternalId"]
    if "X-Amz-Acl" in call.headers:
        context["s3:x-amz-acl"] = call.headers["X-Amz-Acl"]
    return context


def _denied(call: Call, action: str, resource: str, why: str) -> AwsError:
    message = f"User: {call.caller.arn} is not authorized to perform: {action}"
    if action == "sts:AssumeRole":
        # STS says no more than this: the role, its trust or the external id may be wrong.
        return refuse(Refusal.DENIED, call.service, f"{message} on resource: {resource}")
    on = "" if resource == "*" else f" on resource: {resource}"
    prefix = "You are not authorized to perform this operation. " if call.service == "ec2" else ""
    return refuse(Refusal.DENIED, call.service, f"{prefix}{message}{on} {why}")


def _a(source: str) -> str:
    return f"an {source}" if source[0] in "aeiou" else f"a {source}"
