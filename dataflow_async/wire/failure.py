"""(status, body) -> typed error. Two envelopes exist, told apart by shape, never by status (ruling 20)."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, NamedTuple

from dataflow_async.errors import (
    APIError,
    AuthenticationFailed,
    BadRequest,
    BadState,
    InvalidRequest,
    NotFound,
    PermissionDenied,
    QuotaExceeded,
    RateLimited,
    ServerError,
    Source,
)
from dataflow_async.wire import jsontext

KEPT = 300
"""Characters of an unexpected body that an error keeps."""
_LOOKED_AT = 20_000
"""Bytes of a body that is no envelope which are looked at: enough for the text of any error page."""

_TAG = re.compile(r"<(?:[!/]?[A-Za-z][^<>]*|!--[^<>]*--)>")
_ESCAPED = r"(?:[A-Za-z0-9]|\+|\\?/|\\u002[BbFf]|%2[BbFf]|&#(?:43|47|[xX]2[BbFf]);)"
_SIGNATURE = re.compile(
    rf"(?<![A-Za-z0-9+/]){_ESCAPED}{{43}}(?![A-Za-z0-9+/])(?:=|\\u003[Dd]|%3[Dd]|&#(?:61|[xX]3[Dd]);)?"
)
"""32 bytes in Base64, plain or as JSON, URLs and HTML escape it, with or without its padding."""
_REQUEST_IDS = ("x-ncp-apigw-request-id", "x-ncp-trace-id", "x-ncp-request-id")

_BY_STATUS: dict[int, type[APIError]] = {
    400: BadRequest,
    401: AuthenticationFailed,
    403: PermissionDenied,
    404: NotFound,
    409: BadState,
    413: BadRequest,
    429: RateLimited,
}
_BY_CODE: dict[tuple[int, str], type[APIError]] = {
    (401, "210"): PermissionDenied,
    (429, "400"): QuotaExceeded,
}


class _Envelope(NamedTuple):
    source: Source | None
    code: str | None
    message: str
    details: str | None


def failure(operation: str, status: int, headers: Mapping[str, str], body: bytes) -> APIError:
    """Give the typed error for an answer that is not a success. Any bytes will do; never raises."""
    envelope = _read(status, body)
    return _kind(status, envelope)(
        envelope.message,
        status=status,
        code=envelope.code,
        details=envelope.details,
        source=envelope.source,
        operation=operation,
        request_id=request_id(headers),
        body=excerpt(body),
    )


def request_id(headers: Mapping[str, str]) -> str | None:
    """Give whichever trace id arrived (ruling 19)."""
    return next((_redacted(headers[name]) for name in _REQUEST_IDS if name in headers), None)


def excerpt(body: bytes) -> str:
    """Give the first characters of a body, whatever it is."""
    return _redacted(body[: KEPT * 4].decode("utf-8", "replace"))[:KEPT]


def strip_html(text: str) -> str:
    """Give ``text`` for a person: without tags, entities resolved, white space folded (ruling 23)."""
    return _redacted(" ".join(html.unescape(_TAG.sub(" ", text)).split()))


def _redacted(text: str) -> str:
    """Without anything that looks like a signature: a server may echo the request it refuses (promise 8)."""
    return _SIGNATURE.sub("(signature)", text)


def _read(status: int, body: bytes) -> _Envelope:
    try:
        content = jsontext.read(body)
    except ValueError:
        content = None
    if isinstance(content, dict):
        error = content.get("error")
        if isinstance(error, dict):
            return _Envelope(
                "gateway",
                _code(error.get("errorCode")),
                _words(error.get("message")) or _reason(status),
                _words(error.get("details")) or None,
            )
        if "detail" in content or "errorType" in content:
            kind = _code(content.get("errorType"))
            return _Envelope("service", kind, _words(content.get("detail")) or kind or _reason(status), None)
    text = strip_html(body[:_LOOKED_AT].decode("utf-8", "replace"))[:KEPT]
    return _Envelope(None, None, text or _reason(status), None)


def _code(value: Any) -> str | None:
    """Codes are text, sometimes numbers; they are compared as text (ruling 22)."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    known = isinstance(value, str | int | float) and not isinstance(value, bool)
    return _redacted(str(value)) if known else None


def _words(value: Any) -> str:
    if value is None:
        return ""
    try:
        return strip_html(value if isinstance(value, str) else jsontext.write(value).decode())
    except InvalidRequest:  # nested too deeply, or with texts and numbers that JSON has no form for
        return ""


def _reason(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "no reason given"


def _kind(status: int, envelope: _Envelope) -> type[APIError]:
    if status >= 500:
        return ServerError
    # Printed as messages without a code; perhaps they are error types: looked for in both (ruling 30).
    if 400 <= status < 500 and "bad-state" in (envelope.code, envelope.message):
        return BadState
    return _BY_CODE.get((status, envelope.code or "")) or _BY_STATUS.get(status, APIError)
