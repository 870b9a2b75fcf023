"""Parameters that a service refuses before it asks who may make the call."""

from __future__ import annotations

import re

from emulator.call import Call
from emulator.errors import AwsError

_EXTERNAL_ID = r"[\w+=,.@:\/-]*"
_EXTERNAL_ID_LENGTH = range(2, 1225)


def validate(call: Call) -> None:
    """Raises the error of a parameter that breaks its rule. STS repeats any value."""
    if (call.service, call.operation) != ("sts", "AssumeRole") or "ExternalId" not in call.parameters:
        return
    value = call.parameters["ExternalId"]
    if not re.fullmatch(_EXTERNAL_ID, value, re.ASCII):
        raise _invalid(value, f"Member must satisfy regular expression pattern: {_EXTERNAL_ID}")
    if len(value) not in _EXTERNAL_ID_LENGTH:
        least, most = _EXTERNAL_ID_LENGTH[0], _EXTERNAL_ID_LENGTH[-1]
        raise _invalid(value, f"Member must have length between {least} and {most}")


def _invalid(value: str, rule: str) -> AwsError:
    return AwsError(
        "ValidationError",
        f"1 validation error detected: Value '{value}' at 'externalId' failed to satisfy constraint: {rule}",
    )
