"""AWS's errors, as each service's protocol shows them."""

from __future__ import annotations

import json
from enum import Enum
from typing import TYPE_CHECKING
from uuid import uuid4
from xml.sax.saxutils import escape

from werkzeug.wrappers import Response

if TYPE_CHECKING:
    from emulator.call import Call


class AwsError(Exception):
    """An answer that is an error: AWS's code, HTTP status and message."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status


class Refusal(Enum):
    """Kinds of errors, before a service gives them its own codes."""

    DENIED = "denied"
    THROTTLED = "throttled"
    INTERNAL = "internal"
    UNAVAILABLE = "unavailable"
    UNKNOWN_KEY = "unknown key"
    BAD_SIGNATURE = "bad signature"
    EXPIRED = "expired"


# Per refusal: the code and status of services that follow the JSON protocols' habit, then those that don't.
_NAMES: dict[Refusal, dict[str, tuple[str, int]]] = {
    Refusal.DENIED: {
        "": ("AccessDeniedException", 400),
        "ec2": ("UnauthorizedOperation", 403),
        "ebs": ("AccessDeniedException", 403),
        "iam": ("AccessDenied", 403),
        "s3": ("AccessDenied", 403),
        "sts": ("AccessDenied", 403),
    },
    Refusal.THROTTLED: {
        "": ("ThrottlingException", 400),
        "ec2": ("RequestLimitExceeded", 503),
        "ebs": ("RequestThrottledException", 400),
        "iam": ("Throttling", 400),
        "s3": ("SlowDown", 503),
        "sts": ("Throttling", 400),
    },
    Refusal.INTERNAL: {
        "": ("InternalFailure", 500),
        "ec2": ("InternalError", 500),
        "ebs": ("InternalServerException", 500),
        "s3": ("InternalError", 500),
    },
    Refusal.UNAVAILABLE: {
        "": ("ServiceUnavailable", 503),
        "ec2": ("Unavailable", 503),
    },
    Refusal.UNKNOWN_KEY: {
        "": ("UnrecognizedClientException", 400),
        "ec2": ("AuthFailure", 401),
        "iam": ("InvalidClientTokenId", 403),
        "s3": ("InvalidAccessKeyId", 403),
        "sts": ("InvalidClientTokenId", 403),
    },
    Refusal.BAD_SIGNATURE: {
        "": ("InvalidSignatureException", 400),
        "ec2": ("AuthFailure", 401),
        "iam": ("SignatureDoesNotMatch", 403),
        "s3": ("SignatureDoesNotMatch", 403),
        "sts": ("SignatureDoesNotMatch", 403),
    },
    Refusal.EXPIRED: {
        "": ("ExpiredTokenException", 400),
        "ec2": ("RequestExpired", 400),
        "iam": ("ExpiredToken", 403),
        "s3": ("ExpiredToken", 400),
        "sts": ("ExpiredToken", 403),
    },
}

_MESSAGES: dict[Refusal, str] = {
    Refusal.DENIED: "Access Denied",
    Refusal.THROTTLED: "Rate exceeded",
    Refusal.INTERNAL: "An internal error has occurred",
    Refusal.UNAVAILABLE: "The service is temporarily unavailable",
    Refusal.UNKNOWN_KEY: "The security token included in the request is invalid.",
    Refusal.BAD_SIGNATURE: "The request signature we calculated does not match the signature you provided.",
    Refusal.EXPIRED: "The security token included in the request is expired",
}


def refuse(refusal: Refusal, service: str, message: str | None = None) -> AwsError:
    """The error `service` answers for `refusal`."""
    names = _NAMES[refusal]
    code, status = names.get(service, names[""])
    return AwsError(code, message or _MESSAGES[refusal], status)


def response(error: AwsError, call: Call) -> Response:
    """`error` as the HTTP answer that the SDKs read `error.code` from."""
    request_id = str(uuid4())
    said = f"<Code>{escape(error.code)}</Code><Message>{escape(error.message)}</Message>"
    if call.protocol in ("json", "rest-json"):
        return Response(
            json.dumps({"__type": error.code, "Message": error.message, "message": error.message}),
            error.status,
            {"x-amzn-RequestId": request_id, "x-amzn-ErrorType": error.code},
            content_type="application/x-amz-json-1.1" if call.protocol == "json" else "application/json",
        )
    if call.protocol == "ec2":
        body = f"<Response><Errors><Error>{said}</Error></Errors><RequestID>{request_id}</RequestID></Response>"
    elif call.protocol == "query":
        side = "<Type>Sender</Type>" if error.status < 500 else "<Type>Receiver</Type>"
        body = f"<ErrorResponse><Error>{side}{said}</Error><RequestId>{request_id}</RequestId></ErrorResponse>"
    else:
        body = f"<Error>{said}<RequestId>{request_id}</RequestId></Error>"
    return Response(
        "" if call.method == "HEAD" else '<?xml version="1.0" encoding="UTF-8"?>' + body,
        error.status,
        {"x-amz-request-id": request_id},
        content_type="text/xml;charset=UTF-8",
    )
