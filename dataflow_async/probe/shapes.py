"""The shape of a value: what a report says of a text instead of the text.

A shape is made of fixed words, numbers and classes of characters. Where a word of the service is kept (a status, a code, the
name of a member), it must have the form of such a word.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

from dataflow_async.probe.exchange import Exchange

KST = timezone(timedelta(hours=9))
"""The zone of a date that names none, as the contract has it."""
OTHER = "other"
"""What stands for a word that does not have the form of one."""
_CONSTANT = re.compile(r"[A-Z]+(_[A-Z]+)*", re.ASCII)
_MEMBER = re.compile(r"[a-z]+([A-Z][a-z]*)*", re.ASCII)
_CODE = re.compile(r"[0-9]{1,6}|[A-Z][A-Za-z]*|[a-z]+(-[a-z]+)*", re.ASCII)
_HEADER = re.compile(r"[a-z]+(-[a-z]+)*", re.ASCII)
_TYPE = re.compile(r"[a-z]+/[a-z+.-]+(; ?charset=[a-z0-9-]+)?", re.ASCII | re.IGNORECASE)
_DATE = re.compile(
    r"(?P<day>\d{4}-\d\d-\d\d)(?P<t>[T ])\d\d:\d\d:\d\d(\.(?P<fraction>\d+))?(?P<zone>Z|[+-]\d\d:?\d\d)?",
    re.ASCII,
)
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)
LATEST = 10**15
"""Milliseconds since the epoch: far beyond any date."""
_IDS = (("digits", r"[0-9]+"), ("hex", r"[0-9a-f]+"), ("letters and digits", r"[A-Za-z0-9]+"))


def _word(form: re.Pattern[str], value: object, longest: int) -> str:
    return value if isinstance(value, str) and len(value) <= longest and form.fullmatch(value) else OTHER


def constant(value: object) -> str:
    """Return a status or type if it has the form of one, such as ``RUNNING``."""
    return _word(_CONSTANT, value, 24)


def member(value: object) -> str:
    """Return the name of a member if it has the form of one, such as ``createdDate``."""
    return _word(_MEMBER, value, 32)


def header(value: object) -> str:
    """Return the name of a header if it has the form of one."""
    return _word(_HEADER, value, 48)


def content_type(value: object) -> str:
    """Return a content type if it has the form of one."""
    return _word(_TYPE, value, 48).lower().replace("; ", ";")


def date(value: object) -> str:
    """Return the form of a date: digits of its fraction of a second and its zone, such as ``3 digits +09:00``."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return "number"
    found = _DATE.fullmatch(value) if isinstance(value, str) else None
    if not found:
        return OTHER
    digits = len(found["fraction"] or "")
    separator = "" if found["t"] == "T" else " after a space"
    return f"{digits} digits {found['zone'] or 'no zone'}{separator}"


def moment(value: object) -> float | None:
    """Return a date as seconds since the epoch; without a zone it is read as UTC+9."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value / 1000 if abs(value) < LATEST else None
    if date(value) in {OTHER, "number"}:
        return None
    try:
        read = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return (read if read.tzinfo else read.replace(tzinfo=KST)).timestamp()


def identifier(value: object) -> str:
    """Return the shape of an id, such as ``12 letters and digits``."""
    if not isinstance(value, str):
        return "number" if isinstance(value, int) else OTHER
    if _UUID.fullmatch(value):
        return "uuid"
    return next((f"{len(value)} {name}" for name, form in _IDS if re.fullmatch(form, value)), OTHER)


def identifiers(values: Sequence[object]) -> list[str]:
    """Return the shapes of ids; by chance one of letters and digits has digits alone, so the widest of a length holds."""
    shapes = {identifier(value) for value in values}
    order = [name for name, _ in _IDS]
    widest: dict[str, str] = {}
    for shape in sorted(shapes):
        length, _, name = shape.partition(" ")
        known = widest.get(length)
        if known is None or name not in order or order.index(name) > order.index(known):
            widest[length] = name
    return sorted(f"{length} {name}".strip() for length, name in widest.items())


def direction(values: Sequence[float | None]) -> str | None:
    """Return how times follow each other: ``newest first``, ``oldest first``, ``no order``, None if that can't be known."""
    times = [value for value in values if value is not None]
    if len(set(times)) < 2 or len(times) < len(values):
        return None
    if times == sorted(times, reverse=True):
        return "newest first"
    return "oldest first" if times == sorted(times) else "no order"


def answer(exchange: Exchange | None) -> str | None:
    """Return the shape of an answer: its status, whose envelope it has, its code. None where there was none.

    ``200``, ``404 service not-found``, ``401 gateway 200``, ``400 standardized NotFound``, ``502 page``.
    """
    if exchange is None or not exchange.status:
        return None
    if exchange.is_success:
        return f"{exchange.status} {success(exchange)}"
    return " ".join(str(part) for part in (exchange.status, *_envelope(exchange)) if part)


def success(exchange: Exchange) -> str:
    """Return in a word what a success holds."""
    value = exchange.json
    if not exchange.body:
        return "empty"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "error" if "errorType" in value or isinstance(value.get("error"), dict) else "object"
    return "array" if isinstance(value, list) else OTHER


def _envelope(exchange: Exchange) -> tuple[str, ...]:
    value, error = exchange.members, exchange.members.get("error")
    if not exchange.body:
        return ("empty",)
    if isinstance(error, dict):
        code = _code(error.get("errorCode"))
        return ("standardized" if "detail" in error or "fieldErrors" in error else "gateway", code)
    if "errorType" in value:
        return ("service", _code(value["errorType"]))
    if "responseError" in value:
        return ("responseError", "")
    if "code" in value and ("msg" in value or "message" in value):
        return ("code and message", _code(value["code"]))
    if {"timestamp", "status", "path"} <= value.keys():
        return ("spring", "")
    start = exchange.body.lstrip()[:1]
    return ("page" if start == b"<" else "object" if value else "text",)


def _code(value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{_word(_CODE, str(value), 6)} as a number"
    return _word(_CODE, value, 48) if value is not None else "no code"
