"""Times as the service writes them.

The service prints local times, mostly without a zone; a time without one is UTC+9.
"""

import re
from datetime import datetime, timedelta, timezone
from typing import NamedTuple

from dataflow_async.models import checks

KST = timezone(timedelta(hours=9), "KST")
"""Korea Standard Time, the zone of every time that names none."""

Moment = datetime | str
"""An aware time, or the text as received where it can't be read."""

_ISO = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)?"

_ZONE = r"(Z|[+-][0-9]{2}(:?[0-9]{2}(:?[0-9]{2})?)?)$"
_GRAINS = {0: 86_400.0, 2: 3_600.0, 4: 60.0, 6: 1.0}
"""Seconds that a time of so many digits leaves open."""


def read_moment(text: str) -> Moment:
    """Return the aware time that ``text`` names, or ``text`` itself if it names none.

    Raises:
        TypeError: ``text`` is not a string.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return text
    return moment if moment.tzinfo else moment.replace(tzinfo=KST)


def proven_time(moment: Moment | None) -> float | None:
    """Return the seconds since the epoch of a time that named its zone, None otherwise.

    A zone that had to be inferred is good for display, not for proof.
    """
    return None if not isinstance(moment, datetime) or moment.tzinfo is KST else moment.timestamp()


class Printed(NamedTuple):
    """A date as the service prints it."""

    at: float
    """Unix seconds; without a zone, UTC+9 is taken for it."""
    grain: float
    """Seconds that its last digit leaves open: 1.0 for whole seconds."""
    zoned: bool


def printed(date: object) -> Printed | None:
    """Return a date as it was printed; None where there is none, or none that can be read."""
    if not isinstance(date, str):
        return None
    moment = read_moment(date)
    if not isinstance(moment, datetime):
        return None
    try:
        return Printed(moment.timestamp(), _grain(date), moment.tzinfo is not KST)
    except (OverflowError, ValueError):
        return None


def _grain(date: str) -> float:
    """Return the seconds that the last digit of an ISO 8601 text leaves open.

    Zeros at the end of a fraction are padding: a clock of whole seconds is often printed as ``12:00:07.000``.
    """
    if date[13:14] == ":" == date[16:17]:  # nearly always: 2026-11-01T12:00:07
        if date[19:20] not in (".", ","):
            return 1.0
        fraction = date[20:].partition("+")[0].partition("-")[0].rstrip("Z0")
        return 10.0 ** -len(fraction) if fraction else 1.0
    _, _, time = date.replace(" ", "T", 1).partition("T")
    whole, _, fraction = re.sub(_ZONE, "", time).replace(",", ".").partition(".")
    fraction = fraction.rstrip("0")
    return 10.0 ** -len(fraction) if fraction else _GRAINS.get(sum(map(str.isdigit, whole)), 1.0)


def write_moment(value: datetime | str, field: str) -> str:
    """Return ``value`` as ``YYYY-MM-DDTHH:MM:SS`` in UTC+9; a naive time is UTC+9 already.

    Raises:
        InvalidRequest: ``value`` is neither a datetime nor ISO 8601 text of one.
    """
    moment = read_moment(value) if isinstance(value, str) and re.fullmatch(_ISO, value, re.ASCII) else value
    if not isinstance(moment, datetime):
        raise checks.refuse(field, value, "a datetime or text like 2026-11-01T00:00:00")
    if moment.tzinfo:
        try:
            moment = moment.astimezone(KST)
        except OverflowError:
            raise checks.refuse(field, value, "in the years 1 to 9999 in UTC+9") from None
    return moment.replace(tzinfo=None, microsecond=0).isoformat()
