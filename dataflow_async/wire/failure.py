"""Status and body -> typed error. The shape of a body says whose it is; a status alone never does."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, NamedTuple

from dataflow_async import defaults
from dataflow_async.errors import (
    APIError,
    AuthenticationFailed,
    BadRequest,
    BadState,
    FieldError,
    NotFound,
    PermissionDenied,
    QuotaExceeded,
    RateLimited,
    ServerError,
    Source,
)
from dataflow_async.wire import jsontext
from dataflow_async.wire.excerpts import excerpt, redacted, strip_html
from dataflow_async.wire.headers import charset_of, redirect_host, request_id

_BAD_STATE = "bad-state"

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
    details: str | None = None
    field_errors: tuple[FieldError, ...] = ()


def failure(operation: str, status: int, headers: Mapping[str, str], body: bytes) -> APIError:
    """Return the typed error for an answer that is not a success; takes any bytes and never raises."""
    charset = charset_of(headers, body)
    envelope = _read(status, body, charset)
    error = _kind(status, envelope)(
        envelope.message,
        status=status,
        code=envelope.code,
        details=envelope.details,
        field_errors=envelope.field_errors,
        source=envelope.source,
        operation=operation,
        request_id=request_id(headers),
        body=excerpt(body, charset),
    )
    if 300 <= status < 400:
        error.redirect_host = redirect_host(headers)
    return error


def _read(status: int, body: bytes, charset: str) -> _Envelope:
    content = _json(body, charset)
    if isinstance(content, dict):
        error = content.get("error")
        if isinstance(error, dict):
            return _by_error(status, error)
        if "detail" in content or "errorType" in content:
            kind = _code(content.get("errorType"))
            words = _words(content.get("detail"))
            return _Envelope("service" if kind else None, kind, words or kind or _reason(status))
    text = strip_html(body[: defaults.ERROR_BODY_SEARCHED].decode(charset, "replace"))[: defaults.BODY_SHOWN]
    return _Envelope(None, None, text or _reason(status))


def _json(body: bytes, charset: str) -> Any:
    """Return the value of a body, or None if it is JSON neither in UTF-8 nor in the charset that came with it."""
    for read_as in dict.fromkeys(("utf-8", charset)):
        try:
            return jsontext.read(
                body if read_as == "utf-8" else body[: defaults.ERROR_BODY_SEARCHED].decode(read_as).encode()
            )
        except ValueError:
            continue
    return None


def _by_error(status: int, error: dict[str, Any]) -> _Envelope:
    """Read an ``error`` object: the gateway's with a numbered code, or the standardized one with a word.

    One without a code comes from neither gateway nor service.
    """
    code = _code(error.get("errorCode"))
    message = _words(error.get("message"))
    source: Source | None = None
    if code:
        # A word names what is in the service alone: a thing that is missing, a state.
        source = "gateway" if code.isdigit() and message != _BAD_STATE else "service"
    details = _words(error.get("details")) or _words(error.get("detail"))
    fields = _field_errors(error.get("fieldErrors"))
    return _Envelope(source, code, message or _reason(status), details or None, fields)


def _field_errors(rows: Any) -> tuple[FieldError, ...]:
    if not isinstance(rows, list):
        return ()
    objects = [row for row in rows[: defaults.FIELD_ERRORS_SHOWN] if isinstance(row, dict)]
    errors = (FieldError(_words(row.get("field")), _words(row.get("message"))) for row in objects)
    return tuple(error for error in errors if any(error))


def _code(value: Any) -> str | None:
    """Return a code as text: some answers hold it as a number."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    known = isinstance(value, str | int | float) and not isinstance(value, bool)
    return (redacted(str(value)[: defaults.BODY_SHOWN]) if known else "") or None


def _words(value: Any) -> str:
    if value is None:
        return ""
    try:
        text = value if isinstance(value, str) else jsontext.beginning(value, defaults.ERROR_BODY_SEARCHED)
    except ValueError:  # nested too deeply, or with texts and numbers that JSON has no form for
        return ""
    return strip_html(text)[: defaults.ERROR_MESSAGE_SHOWN]


def _reason(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "no reason given"


def _kind(status: int, envelope: _Envelope) -> type[APIError]:
    if envelope.code == "NotFound" and envelope.source == "service":
        return NotFound
    if status >= 500:
        return ServerError
    # Printed as messages without a code; perhaps they are error types: both are compared.
    if 400 <= status < 500 and _BAD_STATE in (envelope.code, envelope.message):
        return BadState
    return _BY_CODE.get((status, envelope.code or "")) or _BY_STATUS.get(status, APIError)
