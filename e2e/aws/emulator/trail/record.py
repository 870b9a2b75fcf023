"""A call and its answer as a CloudTrail record, in the shape AWS writes it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from http import HTTPStatus
from typing import Any
from uuid import uuid4

from botocore.awsrequest import HeadersDict
from botocore.model import ListShape, Shape, StructureShape
from botocore.parsers import create_parser
from moto.core.utils import get_service_model
from werkzeug.wrappers import Response

from emulator.call import Call
from emulator.credentials import Caller
from emulator.errors import AwsError
from emulator.trail.parameters import request_parameters

_READS = ("Describe", "Get", "List", "Head", "Lookup", "Search", "Simulate", "AssumeRole", "Select")
# Global services: AWS files their events under us-east-1, for calls to any region.
GLOBAL_SERVICES = {"iam", "sts"}
_DATA_EVENTS = {
    "ebs": {"ListSnapshotBlocks", "ListChangedBlocks", "GetSnapshotBlock", "PutSnapshotBlock"},
    "s3": {"GetObject", "HeadObject", "PutObject", "DeleteObject", "DeleteObjects", "CopyObject", "UploadPart"},
    "sqs": {"SendMessage", "SendMessageBatch", "ReceiveMessage", "DeleteMessage", "DeleteMessageBatch"},
}


def is_management_event(call: Call) -> bool:
    """Trails without data selectors hear only of management events."""
    return call.operation not in _DATA_EVENTS.get(call.service, set())


def is_read_only(call: Call) -> bool:
    """True if AWS counts the call as a read."""
    return call.operation.startswith(_READS)


def record(call: Call, response: Response | None, error: AwsError | None) -> dict[str, Any]:
    """The record of one call; without `response` the call was refused before it reached the service."""
    answer = _parsed(call, response) if response is not None and error is None else None
    written: dict[str, Any] = {
        "eventVersion": "1.10",
        "userIdentity": _identity(call.caller, call.time),
        "eventTime": call.time.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "eventSource": f"{call.service}.amazonaws.com",
        "eventName": call.operation,
        "awsRegion": "us-east-1" if call.service in GLOBAL_SERVICES else call.region,
        "sourceIPAddress": call.environ.get("REMOTE_ADDR", ""),
        "userAgent": call.headers.get("User-Agent", ""),
        "requestParameters": request_parameters(call),
        "responseElements": None if is_read_only(call) else answer,
        "requestID": str(uuid4()),
        "eventID": str(uuid4()),
        "readOnly": is_read_only(call),
        "eventType": "AwsApiCall",
        "managementEvent": is_management_event(call),
        "recipientAccountId": call.caller.account,
        "eventCategory": "Management" if is_management_event(call) else "Data",
    }
    if error is not None:
        # EC2 alone says whose fault it was.
        side = "Server." if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR else "Client."
        written["errorCode"] = (side if call.service == "ec2" else "") + error.code
        written["errorMessage"] = error.message
    return written


def error_of(call: Call, response: Response) -> AwsError | None:
    """The error in a service's answer, if it is one."""
    if response.status_code < HTTPStatus.MULTIPLE_CHOICES:
        return None
    found = _raw(call, response).get("Error", {})
    return AwsError(str(found.get("Code", response.status_code)), found.get("Message", ""), response.status_code)


def _identity(caller: Caller, now: datetime) -> dict[str, Any]:
    identity: dict[str, Any] = {
        "type": caller.kind,
        "principalId": caller.principal_id,
        "arn": caller.arn,
        "accountId": caller.account,
        "accessKeyId": caller.access_key,
    }
    if caller.kind == "IAMUser":
        identity["userName"] = caller.name
    elif caller.kind == "AssumedRole":
        identity["sessionContext"] = {
            "sessionIssuer": {
                "type": "Role",
                "principalId": caller.principal_id.partition(":")[0],
                "arn": caller.role_arn,
                "accountId": caller.account,
                "userName": caller.name,
            },
            "attributes": {"creationDate": now.strftime("%Y-%m-%dT%H:%M:%SZ"), "mfaAuthenticated": "false"},
        }
    return identity


def _raw(call: Call, response: Response) -> Mapping[str, Any]:
    """The answer as an SDK reads it."""
    model = get_service_model(call.service).operation_model(call.operation)
    answer = {
        "status_code": response.status_code,
        "headers": HeadersDict(response.headers.items()),
        "body": response.get_data(),
    }
    return create_parser(call.protocol).parse(answer, model.output_shape)


def _parsed(call: Call, response: Response) -> dict[str, Any] | None:
    shape = get_service_model(call.service).operation_model(call.operation).output_shape
    parsed = dict(_raw(call, response))
    request_id = parsed.pop("ResponseMetadata", {}).get("RequestId", "")
    elements = _in_camel_case(shape, parsed) if shape else {}
    if call.service == "ec2":
        return {"requestId": request_id, **(elements or {"_return": True})}
    return elements or None


def _in_camel_case(shape: Shape, value: Any) -> Any:
    """The service's own names, which for EC2 are those of its XML; EC2's lists are wrapped in `items`."""
    if isinstance(shape, StructureShape):
        return {
            _wire_name(member, name): _in_camel_case(member, value[name])
            for name, member in shape.members.items()
            if name in value
        }
    if isinstance(shape, ListShape):
        each = [_in_camel_case(shape.member, item) for item in value]
        is_ec2 = shape.member.serialization.get("name") == "item"
        return ({"items": each} if each else {}) if is_ec2 else each
    if isinstance(value, datetime):
        return int(value.timestamp() * 1000)
    return value


def _wire_name(member: Shape, name: str) -> str:
    wire = member.serialization.get("name", name)
    return wire[0].lower() + wire[1:]
