"""Dates as the service writes and reads them; without a zone they are UTC+9 (rulings 61 and 66)."""

import re
from datetime import UTC, date, datetime, timedelta, timezone
from functools import lru_cache

KST = timezone(timedelta(hours=9))
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FORM = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2})?",
    re.ASCII,
)
YEARS = range(1970, 9999)
"""Years a period may touch; the calendar ends with 9999, and a day has to fit behind every date."""


@lru_cache(
    maxsize=2**16
)  # whoever waits reads the same dates again and again; they are a third of the cost of a page
def with_zone(seconds: float) -> str:
    """``2026-11-01T00:00:00.000+09:00``."""
    return datetime.fromtimestamp(seconds, KST).isoformat(timespec="milliseconds")


def without_zone(seconds: float) -> str:
    """``2026-11-01T00:00:00.000``, as triggers have it."""
    return with_zone(seconds)[:23]


def parsed(text: str) -> float | None:
    """Seconds since the epoch, or nothing if this is no date."""
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
    """A date some seconds later, in the form it has; a text that is no date as it is."""
    seconds = parsed(text)
    if seconds is None:
        return text
    return (with_zone if text[-6:-5] in {"+", "-"} else without_zone)(seconds + by)


def day(seconds: float) -> date:
    """The calendar day in UTC+9."""
    return datetime.fromtimestamp(seconds, KST).date()
