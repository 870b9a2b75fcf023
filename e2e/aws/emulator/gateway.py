"""The one door: every request to the emulator passes here on its way to moto."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode

from werkzeug.wrappers import Response

from emulator import access, call, credentials, errors, validation
from emulator.calls import Calls, Entry
from emulator.control import Control
from emulator.faults import Faults
from emulator.trail.delivery import Delivery
from emulator.trail.record import error_of

log = logging.getLogger(__name__)

Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class Gateway:
    """A WSGI application in front of moto's."""

    def __init__(self, moto: Wsgi, root_secret: str, delivery: Delivery) -> None:
        self._moto = moto
        self._root_secret = root_secret
        self._delivery = delivery
        self._faults = Faults()
        self._calls = Calls()
        self._control = Control(self._faults, self._calls)

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ["PATH_INFO"].startswith("/_emulator/"):
            return self._control(environ, start_response)
        return self._answer(environ)(environ, start_response)

    def _answer(self, environ: dict[str, Any]) -> Response:
        try:
            asked = call.read(environ, datetime.now(UTC))
        except errors.AwsError as error:
            return Response(f"<Error><Code>{error.code}</Code><Message>{error.message}</Message></Error>", error.status)
        entry = self._calls.begin(asked.time, asked.service, asked.operation, asked.region)
        try:
            asked.caller = credentials.authenticate(asked, self._root_secret)
            entry.account, entry.caller = asked.caller.account, asked.caller.arn
            response = self._served(asked, entry)
            self._faults.strike(asked, entry, response)
        except errors.AwsError as error:
            entry.error = error.code
            response = errors.response(error, asked)
        entry.status = response.status_code
        return response

    def _served(self, asked: call.Call, entry: Entry) -> Response:
        """The response to an authenticated call. The caller's trails record it, refusals and errors too."""
        try:
            self._faults.strike(asked, entry)
            validation.validate(asked)
            access.authorise(asked)
            response = self._ask_moto(asked)
        except errors.AwsError as error:
            self._delivery.note(asked, None, error)
            raise
        told = error_of(asked, response)
        entry.error = told.code if told else None
        self._delivery.note(asked, response, told)
        return response

    def _ask_moto(self, asked: call.Call) -> Response:
        environ = asked.environ | {"HTTP_X_MOTO_ACCOUNT_ID": asked.caller.account}
        if asked.signature.expires is not None:
            environ |= _as_signed_request(asked)
        try:
            return Response.from_app(self._moto, environ, buffered=True)
        except errors.AwsError:
            raise
        except Exception as error:
            log.exception("moto failed in %s:%s", asked.service, asked.operation)
            raise errors.refuse(errors.Refusal.INTERNAL, asked.service, repr(error)) from error


def _as_signed_request(asked: call.Call) -> dict[str, Any]:
    """A presigned request as a signed one, which moto routes and reads better; its signature has been checked."""
    pairs = parse_qsl(asked.query, keep_blank_values=True)
    query = urlencode([pair for pair in pairs if not pair[0].lower().startswith("x-amz-")])
    signature = asked.signature
    return {
        "QUERY_STRING": query,
        "RAW_URI": asked.path + (f"?{query}" if query else ""),
        "HTTP_AUTHORIZATION": f"AWS4-HMAC-SHA256 Credential={signature.access_key}/{signature.scope}, "
        f"SignedHeaders={';'.join(signature.signed_headers)}, Signature={signature.value}",
    }
