"""Values of conditions and defaults as text: the wire has no other form for them."""

from __future__ import annotations

import math
import re
from datetime import date, datetime
from decimal import Decimal

from dataflow_async.errors import InvalidRequest
from dataflow_async.models import checks
from dataflow_async.pipeline.columns import family

Scalar = str | int | float | Decimal | bool | date | datetime
"""What a column can be compared with or filled with."""

_WORDS = {
    "number": "a finite number",
    "text": "text",
    "date": "a date, such as datetime.date(2026, 1, 31) or '2026-01-31'",
    "time": "a time, such as datetime.datetime(2026, 1, 31, 9) or '2026-01-31 09:00:00'",
    "boolean": "True or False",
}


def value_text(value: object, kind: str | None, what: str) -> str:
    """Return a value as the text that the wire has for it.

    Args:
        value: The value.
        kind: Type of the column; None if it is unknown.
        what: What the value is, for errors.

    Raises:
        InvalidRequest: The value does not fit the type.
    """
    group = None if kind is None else family(kind)
    if group is not None and group not in _WORDS:
        raise InvalidRequest(f"{what} must be of a type with single values, got {kind}", field=what)
    text = value if isinstance(value, str) else _written(value)
    if kind != "timestampwithtimezone" and _has_zone(value, group):
        raise InvalidRequest(
            f"{what} must be a time without zone, got {value!r}: the zone of stored times is not documented",
            field=what,
        )
    fits = text is not None and (group is None or _fits(value, text, group))
    if text is None or not fits:
        allowed = "text, a number, a bool, a date or a time" if group is None else _WORDS[group]
        raise checks.refuse(f"{what}{f' ({kind})' if kind else ''}", value, allowed)
    return text


def _written(value: object) -> str | None:
    """Return the text of a value that is no text; None for what no column holds."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return repr(value) if math.isfinite(value) else None
    if isinstance(value, Decimal):
        return str(value) if value.is_finite() else None
    if isinstance(value, datetime):
        return value.isoformat(sep=" ")
    return value.isoformat() if isinstance(value, date) else None


def _fits(value: object, text: str, group: str) -> bool:
    if isinstance(value, bool):
        return group == "boolean"
    if isinstance(value, int | float | Decimal):
        return group == "number"
    if isinstance(value, datetime):
        return group == "time"
    if isinstance(value, date):
        return group in {"date", "time"}
    return _reads(text, group)


def _has_zone(value: object, group: str | None) -> bool:
    if isinstance(value, str) and group == "time" and _reads(value, group):
        value = datetime.fromisoformat(value)
    return isinstance(value, datetime) and value.tzinfo is not None


def _reads(text: str, group: str) -> bool:
    """Return whether a text reads as a value of this kind, in the form that Spark reads too."""
    if group in _FORMS and not _FORMS[group].fullmatch(text):
        return False
    try:
        if group in {"date", "time"}:
            datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


_FORMS = {
    "number": re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE),
    "date": re.compile(r"\d{4}-\d\d-\d\d", re.ASCII),
    "time": re.compile(r"\d{4}-\d\d-\d\d([ T]\d\d:\d\d.*)?", re.ASCII),
    "boolean": re.compile(r"true|false", re.IGNORECASE),
}
"""Texts as Spark reads them: Python alone reads ``1_000`` and ``20260131`` as well."""
