"""STS: the limits of AssumeRole that only show at run time."""

from __future__ import annotations

import json
import re
from typing import Any

from moto.iam.models import iam_backends
from moto.sts.models import AssumedRole, STSBackend

from emulator.corrections.replacing import replaces
from emulator.errors import AwsError

SHORTEST_SESSION = 900
LONGEST_POLICY = 2048

_assume_role = STSBackend.assume_role


@replaces(STSBackend)
def assume_role(
    self: STSBackend, *, role_arn: str, role_session_name: str, policy: str | None, duration: int, **others: Any
) -> AssumedRole:
    role = iam_backends[role_arn.split(":")[4]][self.partition].get_role_by_arn(role_arn)
    longest = int(role.max_session_duration or 3600)
    if duration < SHORTEST_SESSION:
        raise _invalid(f"Value '{duration}' at 'durationSeconds' must be at least {SHORTEST_SESSION}")
    if duration > longest:
        raise _invalid("The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
    if not re.fullmatch(r"[\w+=,.@-]{2,64}", role_session_name):
        raise _invalid(f"Value '{role_session_name}' at 'roleSessionName' must be 2 to 64 of the characters \\w+=,.@-")
    if policy is not None:
        _check_session_policy(policy)
    return _assume_role(
        self,
        role_arn=role_arn,
        role_session_name=role_session_name,
        policy=policy,
        duration=duration,
        **others,
    )


def _check_session_policy(policy: str) -> None:
    if len(policy) > LONGEST_POLICY:
        raise _invalid(f"Value at 'policy' must have length less than or equal to {LONGEST_POLICY}")
    try:
        json.loads(policy)["Statement"]
    except (ValueError, KeyError, TypeError) as error:
        raise AwsError("MalformedPolicyDocument", "This policy contains invalid Json") from error


def _invalid(message: str) -> AwsError:
    return AwsError("ValidationError", message)
