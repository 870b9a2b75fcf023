"""Authenticates a call: finds the access key's owner and checks the signature."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC
from typing import Any
from urllib.parse import quote, unquote

from moto.iam.access_control import AssumedRoleAccessKey, IAMUserAccessKey
from moto.iam.exceptions import NotFoundException
from moto.iam.models import Policy, get_account_id_from, iam_backends
from moto.sts.models import sts_backends

from emulator.call import Call
from emulator.errors import Refusal, refuse
from emulator.policy import Document

ROOT_KEY_PREFIX = "AKIAROOT"


@dataclass(frozen=True)
class Caller:
    """The identity behind an access key."""

    kind: str
    """As in a CloudTrail record: Root, IAMUser or AssumedRole."""
    account: str
    arn: str
    principal_id: str
    name: str
    """The user's or the role's name."""
    access_key: str
    policies: tuple[Document, ...]
    session_policy: Document | None = None
    """Limits an assumed role further: both have to grant an action."""

    @property
    def role_arn(self) -> str | None:
        """The role of a session, which resource policies may name instead of the session."""
        return f"arn:aws:iam::{self.account}:role/{self.name}" if self.kind == "AssumedRole" else None


def root_key(account: str) -> str:
    """The access key id of an account's root user; any account has one, so that seeding can begin."""
    return ROOT_KEY_PREFIX + account


def authenticate(call: Call, root_secret: str) -> Caller:
    """The caller, or the error for an unknown key, a session that ended or a signature that does not fit."""
    caller, secret = _lookup(call, root_secret)
    if not hmac.compare_digest(_sign(call, secret), call.signature.value):
        raise refuse(Refusal.BAD_SIGNATURE, call.service)
    expires = call.signature.expires
    if expires is not None and expires < call.time:
        raise refuse(Refusal.DENIED, call.service, "Request has expired")
    return caller


def _lookup(call: Call, root_secret: str) -> tuple[Caller, str]:
    key = call.signature.access_key
    if key.startswith(ROOT_KEY_PREFIX):
        account = key.removeprefix(ROOT_KEY_PREFIX)
        return Caller("Root", account, f"arn:aws:iam::{account}:root", account, "root", key, ()), root_secret
    account = get_account_id_from(key)
    session = sts_backends[account]["aws"].get_assumed_role_from_access_key(key)
    if session is not None:
        if session.session_token != call.signature.token:
            raise refuse(Refusal.UNKNOWN_KEY, call.service)
        if session.expiration.replace(tzinfo=UTC) < call.time:
            raise refuse(Refusal.EXPIRED, call.service)
        owner = AssumedRoleAccessKey(account, "aws", key, {"X-Amz-Security-Token": session.session_token})
        try:
            policies = owner.collect_policies()
        except NotFoundException:
            # The role has been deleted, and its sessions with it.
            raise refuse(Refusal.UNKNOWN_KEY, call.service) from None
        return Caller(
            kind="AssumedRole",
            account=account,
            arn=session.arn,
            principal_id=session.user_id,
            name=session.role_arn.split("/")[-1],
            access_key=key,
            policies=tuple(_documents(policies)),
            session_policy=json.loads(session.policy) if session.policy else None,
        ), session.secret_access_key
    backend = iam_backends[account]["aws"]
    user = backend.get_user_from_access_key_id(key)
    if user is None or call.signature.token:
        raise refuse(Refusal.UNKNOWN_KEY, call.service)
    owner = IAMUserAccessKey(account, "aws", key, {})
    secret = next(each.secret_access_key for each in user.access_keys if each.access_key_id == key)
    policies = tuple(_documents(owner.collect_policies()))
    return Caller("IAMUser", account, user.arn, user.id, user.name, key, policies), secret


def _documents(policies: Iterable[Any]) -> Iterable[Document]:
    """Moto keeps policies in three shapes: managed, inline of a user, inline of a role."""
    for policy in policies:
        if isinstance(policy, Policy):
            yield json.loads(next(version.document for version in policy.versions if version.is_default))
        else:
            yield json.loads(policy if isinstance(policy, str) else policy["policy_document"])


def _sign(call: Call, secret: str) -> str:
    """Signature Version 4 of the call as it arrived."""
    signature = call.signature
    key = ("AWS4" + secret).encode()
    for part in signature.scope.split("/"):
        key = _hmac(key, part)
    request = hashlib.sha256(_canonical(call).encode()).hexdigest()
    text = "\n".join(["AWS4-HMAC-SHA256", signature.date, signature.scope, request])
    return _hmac(key, text).hex()


def _canonical(call: Call) -> str:
    pairs = [part.partition("=") for part in call.query.split("&") if part]
    query = sorted((_encoded(name), _encoded(value)) for name, _, value in pairs if name != "X-Amz-Signature")
    headers = "".join(
        f"{name}:{' '.join(call.headers.get(name, '').split())}\n" for name in call.signature.signed_headers
    )
    # Only S3 signs the path as it is sent; the others encode it once more.
    path = call.path if call.service == "s3" else quote(call.path, safe="/-_.~")
    if call.signature.expires is not None:
        payload = "UNSIGNED-PAYLOAD"
    else:
        payload = call.headers.get("X-Amz-Content-Sha256") or hashlib.sha256(call.body).hexdigest()
    return "\n".join(
        [
            call.method,
            path,
            "&".join(f"{name}={value}" for name, value in query),
            headers,
            ";".join(call.signature.signed_headers),
            payload,
        ]
    )


def _encoded(text: str) -> str:
    return quote(unquote(text), safe="-_.~")


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()
