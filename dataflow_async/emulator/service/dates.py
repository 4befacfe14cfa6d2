"""Dates as the service writes and reads them; without a zone they are UTC+9 (contract/notes.md#ruling-61, contract/notes.md#ruling-66)."""

import re
from datetime import UTC, date, datetime, timedelta, timezone
from functools import lru_cache
from math import floor

KST = timezone(timedelta(hours=9))
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FORM = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2})?",
    re.ASCII,
)
YEARS = range(1970, 9999)
"""Years that a period may include; the calendar ends with 9999, and one more day must follow every date."""


@lru_cache(
    maxsize=2**16
)  # a client that polls reads the same dates repeatedly; they are a third of the cost of a page
def with_zone(seconds: float) -> str:
    """Return a date with its zone: ``2026-11-01T00:00:00.000+09:00``."""
    whole = floor(seconds)
    microseconds = round((seconds - whole) * 1_000_000)  # then cut to milliseconds, as datetime does
    if microseconds == 1_000_000:
        whole, microseconds = whole + 1, 0
    return f"{_to_the_second(whole)}.{microseconds // 1000:03}+09:00"


@lru_cache(
    maxsize=1024
)  # what happens in one second has a date each, and datetime takes twice as long as the rest
def _to_the_second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, KST).isoformat()[:19]


def without_zone(seconds: float) -> str:
    """Return a date without a zone, as triggers have it: ``2026-11-01T00:00:00.000``."""
    return with_zone(seconds)[:23]


def parsed(text: str) -> float | None:
    """Return seconds since the epoch, or None if the text is no date."""
    if not _FORM.fullmatch(text):
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if moment.year not in YEARS:
        return None
    return ((moment if moment.tzinfo else moment.replace(tzinfo=KST)) - _EPOCH).total_seconds()


def shifted(text: str, by: float) -> str:
    """Return a date ``by`` seconds later in the same form; a text that is no date is returned unchanged."""
    seconds = parsed(text)
    if seconds is None:
        return text
    return (with_zone if text[-6:-5] in {"+", "-"} else without_zone)(seconds + by)


def day(seconds: float) -> date:
    """Return the calendar day in UTC+9."""
    return datetime.fromtimestamp(seconds, KST).date()
