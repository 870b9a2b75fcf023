"""One AWS call as its HTTP request says it: service, region, operation, parameters, and the signature's parts."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from botocore.exceptions import UnknownServiceError
from moto.core.parse import PROTOCOL_PARSERS, RequestParserError
from moto.core.request import Request, determine_request_protocol
from moto.core.routing import get_service_router
from moto.core.utils import get_service_model
from werkzeug.datastructures import Headers
from werkzeug.exceptions import HTTPException

from emulator.errors import AwsError, Refusal, refuse

if TYPE_CHECKING:
    from emulator.credentials import Caller

AMZ_DATE = "%Y%m%dT%H%M%SZ"


@dataclass(frozen=True)
class Signature:
    """The parts of a version 4 signature, from the Authorization header or from a presigned URL."""

    access_key: str
    scope: str
    """`date/region/service/aws4_request`."""
    signed_headers: tuple[str, ...]
    value: str
    date: str
    token: str | None
    expires: datetime | None
    """When a presigned URL ends; none for a signed request."""


@dataclass
class Call:
    """A call of an operation of a service; `caller` is set once `credentials` has checked the signature."""

    environ: dict[str, Any]
    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    service: str
    region: str
    protocol: str
    operation: str
    parameters: Mapping[str, Any]
    signature: Signature
    time: datetime
    caller: Caller = field(init=False)

    @property
    def is_dry_run(self) -> bool:
        """EC2 is asked only whether the call would be allowed."""
        return self.service == "ec2" and bool(self.parameters.get("DryRun"))


def read(environ: dict[str, Any], now: datetime) -> Call:
    """The call in a WSGI request. Raises AwsError for one that is not signed or not known."""
    request = Request(environ)
    body = request.get_data(cache=False)
    # Moto reads the body again, with its length known.
    environ["wsgi.input"] = io.BytesIO(body)
    environ["CONTENT_LENGTH"] = str(len(body))
    environ.pop("HTTP_TRANSFER_ENCODING", None)
    environ.pop("HTTP_X_MOTO_ACCOUNT_ID", None)
    request = Request(environ)
    headers = Headers(request.headers)  # as they were signed

    try:
        signature = _signature(request)
        _, region, service, _ = signature.scope.split("/")
        model = get_service_model(service)
        protocol = determine_request_protocol(model, request.content_type)
        request = _with_target(request, model.metadata.get("targetPrefix"))
        operation, parameters = _operation(request, service, protocol, body)
    except (KeyError, ValueError, UnknownServiceError, RequestParserError) as error:
        raise AwsError("MalformedRequest", f"{request.method} {request.path}: {error!r}") from error
    environ["wsgi.input"] = io.BytesIO(body)
    return Call(
        environ=environ,
        method=request.method,
        path=request.raw_path,
        query=request.query_string.decode(),
        headers=headers,
        body=body,
        service=service,
        region=region,
        protocol=protocol,
        operation=operation,
        parameters=parameters,
        signature=signature,
        time=now,
    )


def _with_target(request: Request, prefix: str | None) -> Request:
    """The request with the X-Amz-Target that moto knows: SDKs differ in how much of the service's name they write, AWS takes all."""
    target = request.headers.get("X-Amz-Target")
    if target and prefix and prefix.rpartition(".")[2] == target.rpartition(".")[0].rpartition(".")[2]:
        request.environ["HTTP_X_AMZ_TARGET"] = f"{prefix}.{target.rpartition('.')[2]}"
    return Request(request.environ)


def _operation(request: Request, service: str, protocol: str, body: bytes) -> tuple[str, Mapping[str, Any]]:
    try:
        operation, in_path = get_service_router(service).match(request)
    except HTTPException as error:
        raise AwsError("InvalidAction", f"{service} has no operation for {request.method} {request.path}") from error
    if service == "s3":
        # An object's bytes are none of the gateway's business.
        return operation.name, in_path
    parsed = PROTOCOL_PARSERS[protocol](operation).parse(
        {
            "method": request.method,
            "values": request.values,
            "headers": request.headers,
            "body": body,
            "url_path": request.path,
            "url_params": in_path,
        }
    )
    return operation.name, parsed


def _signature(request: Request) -> Signature:
    header = request.headers.get("Authorization", "")
    if header.startswith("AWS4-HMAC-SHA256 "):
        parts = dict(part.strip().split("=", 1) for part in header.removeprefix("AWS4-HMAC-SHA256 ").split(","))
        access_key, _, scope = parts["Credential"].partition("/")
        return Signature(
            access_key=access_key,
            scope=scope,
            signed_headers=tuple(parts["SignedHeaders"].split(";")),
            value=parts["Signature"],
            date=request.headers.get("X-Amz-Date", ""),
            token=request.headers.get("X-Amz-Security-Token"),
            expires=None,
        )
    presigned = request.args
    if "X-Amz-Signature" in presigned:
        access_key, _, scope = presigned["X-Amz-Credential"].partition("/")
        signed_at = datetime.strptime(presigned["X-Amz-Date"], AMZ_DATE).replace(tzinfo=UTC)
        return Signature(
            access_key=access_key,
            scope=scope,
            signed_headers=tuple(presigned["X-Amz-SignedHeaders"].split(";")),
            value=presigned["X-Amz-Signature"],
            date=presigned["X-Amz-Date"],
            token=presigned.get("X-Amz-Security-Token"),
            expires=signed_at + timedelta(seconds=int(presigned["X-Amz-Expires"])),
        )
    raise refuse(Refusal.DENIED, "s3", "The request is not signed")
