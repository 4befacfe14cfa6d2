"""(status, body) -> typed error. Envelopes are told apart by shape, never by status (rulings 20, 92, 96)."""

from __future__ import annotations

import codecs
import html
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, NamedTuple
from urllib.parse import urlsplit

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

KEPT = 300
"""Characters of an unexpected body that an error keeps."""
_LOOKED_AT = 20_000
"""Bytes of a page, or characters of a text, that are looked at: enough for any error page, and read in no time."""
_SHOWN = 2000
"""Characters of a message that an error keeps."""
_FIELDS = 20
"""Members at fault that an error names."""
_BAD_STATE = "bad-state"

_TAG = re.compile(r"<(?:[!/]?[A-Za-z][^<>]*|!--[^<>]*--)>")
_ESCAPED = r"(?:[A-Za-z0-9]|\+|\\?/|\\u002[BbFf]|%2[BbFf]|&#(?:43|47|[xX]2[BbFf]);)"
_SIGNATURE = re.compile(
    rf"(?<![A-Za-z0-9+/]){_ESCAPED}{{43}}(?![A-Za-z0-9+/])(?:=|\\u003[Dd]|%3[Dd]|&#(?:61|[xX]3[Dd]);)?"
)
"""32 bytes in Base64, plain or as JSON, URLs and HTML escape it, with or without its padding."""
_CHARSET = re.compile(r"charset\s*=\s*[\"']?([A-Za-z0-9_.:-]+)", re.IGNORECASE)
_CHARSETS = {
    # What Python calls it: what browsers read it as. Codecs that are no charset of a page are not among them.
    **{name: name for name in ("utf-16", "utf-16-le", "utf-16-be", "cp1252", "cp949", "shift_jis", "cp932")},
    **{name: name for name in ("euc_jp", "gb18030", "big5", "johab")},
    **dict.fromkeys(("iso8859-1", "ascii"), "cp1252"),
    **dict.fromkeys(("gbk", "gb2312"), "gb18030"),
    "euc_kr": "cp949",
}
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
    details: str | None = None
    field_errors: tuple[FieldError, ...] = ()


def failure(operation: str, status: int, headers: Mapping[str, str], body: bytes) -> APIError:
    """Give the typed error for an answer that is not a success. Any bytes will do; never raises."""
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
        error.redirect_host = _redirect_host(headers)
    return error


def _redirect_host(headers: Mapping[str, str]) -> str | None:
    """The host a redirect names; the rest of its URL may hold what is nobody's business."""
    try:
        parts = urlsplit(headers.get("Location", ""))
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return None
    return f"{parts.hostname}{port}" if parts.hostname else None


def request_id(headers: Mapping[str, str]) -> str | None:
    """Give whichever trace id arrived (ruling 19)."""
    return next((_redacted(headers[name]) for name in _REQUEST_IDS if name in headers), None)


def charset_of(headers: Mapping[str, str], body: bytes) -> str:
    """Give the codec that reads a body's text: named by its Content-Type or in the page itself, or UTF-8."""
    named = (
        headers.get("Content-Type", "")[:200],
        body[:1024].decode("ascii", "ignore") if is_page(body) else "",
    )
    given = next(filter(None, map(_CHARSET.search, named)), None)
    try:
        name = codecs.lookup(given[1]).name if given else "utf-8"
    except (LookupError, ValueError):
        return "utf-8"
    return _CHARSETS.get(name, "utf-8")


def is_page(body: bytes) -> bool:
    """Whether a body is HTML or XML, which neither gateway nor service answers with."""
    return body[:100].lstrip().removeprefix(b"\xef\xbb\xbf").startswith(b"<")


def excerpt(body: bytes, charset: str = "utf-8") -> str:
    """Give the first characters of a body, whatever it is."""
    return _redacted(body[: KEPT * 4].decode(charset, "replace"))[:KEPT]


def strip_html(text: str) -> str:
    """Give ``text`` for a person: without tags, entities resolved, white space folded (ruling 23)."""
    return _redacted(" ".join(html.unescape(_TAG.sub(" ", text[:_LOOKED_AT])).split()))


def _redacted(text: str) -> str:
    """Without anything that looks like a signature: a server may echo the request it refuses (promise 8)."""
    return _SIGNATURE.sub("(signature)", text)


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
    text = strip_html(body[:_LOOKED_AT].decode(charset, "replace"))[:KEPT]
    return _Envelope(None, None, text or _reason(status))


def _json(body: bytes, charset: str) -> Any:
    """The value of a body, or None if it is not JSON in UTF-8 nor in the charset that came with it."""
    for read_as in dict.fromkeys(("utf-8", charset)):
        try:
            return jsontext.read(body if read_as == "utf-8" else body[:_LOOKED_AT].decode(read_as).encode())
        except ValueError:
            continue
    return None


def _by_error(status: int, error: dict[str, Any]) -> _Envelope:
    """Read an ``error`` object: the gateway's with a numbered code, or the standardized one (ruling 96).

    Without a code it is nobody's that we know (ruling 92).
    """
    code = _code(error.get("errorCode"))
    message = _words(error.get("message"))
    source: Source | None = None
    if code:
        # A word names what the service alone knows: a thing that is missing, a state (ruling 30).
        source = "gateway" if code.isdigit() and message != _BAD_STATE else "service"
    details = _words(error.get("details")) or _words(error.get("detail"))
    fields = _field_errors(error.get("fieldErrors"))
    return _Envelope(source, code, message or _reason(status), details or None, fields)


def _field_errors(rows: Any) -> tuple[FieldError, ...]:
    if not isinstance(rows, list):
        return ()
    objects = [row for row in rows[:_FIELDS] if isinstance(row, dict)]
    errors = (FieldError(_words(row.get("field")), _words(row.get("message"))) for row in objects)
    return tuple(error for error in errors if any(error))


def _code(value: Any) -> str | None:
    """Codes are text, sometimes numbers; they are compared as text (ruling 22)."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    known = isinstance(value, str | int | float) and not isinstance(value, bool)
    return (_redacted(str(value)[:KEPT]) if known else "") or None


def _words(value: Any) -> str:
    if value is None:
        return ""
    try:
        text = value if isinstance(value, str) else jsontext.beginning(value, _LOOKED_AT)
    except ValueError:  # nested too deeply, or with texts and numbers that JSON has no form for
        return ""
    return strip_html(text)[:_SHOWN]


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
    # Printed as messages without a code; perhaps they are error types: looked for in both (ruling 30).
    if 400 <= status < 500 and _BAD_STATE in (envelope.code, envelope.message):
        return BadState
    return _BY_CODE.get((status, envelope.code or "")) or _BY_STATUS.get(status, APIError)
