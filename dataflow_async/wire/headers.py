"""What headers say: which trace id, which charset, which other host, and how long to wait."""

from __future__ import annotations

import codecs
import re
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from dataflow_async import defaults
from dataflow_async.wire.excerpts import is_page, redacted

_CHARSET = r"charset\s*=\s*[\"']?([A-Za-z0-9_.:-]+)"
_CHARSETS = {
    # What Python calls it: what browsers read it as. Codecs that are no charset of a page are not among them.
    **{name: name for name in ("utf-16", "utf-16-le", "utf-16-be", "cp1252", "cp949", "shift_jis", "cp932")},
    **{name: name for name in ("euc_jp", "gb18030", "big5", "johab")},
    **dict.fromkeys(("iso8859-1", "ascii"), "cp1252"),
    **dict.fromkeys(("gbk", "gb2312"), "gb18030"),
    "euc_kr": "cp949",
}
_REQUEST_IDS = ("x-ncp-apigw-request-id", "x-ncp-trace-id", "x-ncp-request-id")


def request_id(headers: Mapping[str, str]) -> str | None:
    """Return whichever trace id arrived; None without one."""
    return next((redacted(headers[name]) for name in _REQUEST_IDS if name in headers), None)


def redirect_host(headers: Mapping[str, str]) -> str | None:
    """Return the host and port that a redirect names, without the rest of its URL, which may hold secrets."""
    try:
        parts = urlsplit(headers.get("Location", ""))
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return None
    return f"{parts.hostname}{port}" if parts.hostname else None


def charset_of(headers: Mapping[str, str], body: bytes) -> str:
    """Return the codec that reads a body's text: named by its Content-Type or in the page itself, or UTF-8."""
    named = (
        headers.get("Content-Type", "")[:200],
        body[:1024].decode("ascii", "ignore") if is_page(body) else "",
    )
    given = next(filter(None, (re.search(_CHARSET, text, re.IGNORECASE) for text in named)), None)
    try:
        name = codecs.lookup(given[1]).name if given else "utf-8"
    except (LookupError, ValueError):
        return "utf-8"
    return _CHARSETS.get(name, "utf-8")


def retry_after(text: str | None, now: float) -> float | None:
    """Return the seconds of a ``Retry-After``: a number or an HTTP date; never raises.

    Negative, absurd (a day or more) and unreadable values are None, as if the header were absent.
    """
    if not text:
        return None
    seconds = _seconds(text.strip(), now)
    return seconds if seconds is not None and 0 <= seconds < defaults.RETRY_AFTER_IGNORED else None


def _seconds(text: str, now: float) -> float | None:
    if text.isascii() and text.replace(".", "", 1).isdigit():
        return float(text)
    date = http_date(text)
    return None if date is None else date - now


def http_date(text: str | None) -> float | None:
    """Return the Unix time of an HTTP date, or None if it is none; never raises."""
    if not text:
        return None
    try:
        date = parsedate_to_datetime(text)
        return date.replace(tzinfo=date.tzinfo or UTC).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
