"""Days and times as people write them, turned into those of a rule: full English names, and UTC+9."""

from collections.abc import Iterable
from datetime import datetime, time, timedelta

from dataflow_async.models import checks
from dataflow_async.models.schedule import WEEKDAYS

LAST = -1
"""The last day of a month, on the wire."""
_AHEAD = timedelta(hours=9)
"""What the service's time is ahead of UTC."""
_DAY = timedelta(days=1)
_WEEK = timedelta(weeks=1)
EVERY_MONTH = range(1, 29)
"""Days that every month has."""
_PROBES = [datetime(2026, 1, 1) + week * _WEEK for week in range(15 * 52)]  # noqa: DTZ001  # of any zone
"""Moments at which a zone's offset is compared: no daylight saving time falls between two."""


def weekdays(days: object, later: int = 0) -> tuple[str, ...]:
    """Return the full names of the days that come ``later`` days after these, Monday first, each once.

    Args:
        days: ``"MON-FRI"``, ``"SAT,SUN"``, or several such texts. A day is its English name, or the first three letters;
            capitals don't matter. A range includes both ends, and may go over Sunday.
        later: Days that UTC+9 is later than the zone of these.

    Raises:
        InvalidRequest: There is no day, or none of that name.
    """
    field = "rule.dayOfWeek"
    parts = days.split(",") if isinstance(days, str) else checks.sequence(days, field)
    chosen = {number for index, part in enumerate(parts) for number in _range(part, f"{field}[{index}]")}
    if not chosen:
        raise checks.refuse(field, days, "one day or more for WEEK")
    return tuple(WEEKDAYS[number] for number in sorted((number + later) % 7 for number in chosen))


def _range(part: object, field: str) -> Iterable[int]:
    ends = [_number(name) for name in part.split("-")] if isinstance(part, str) else []
    match ends:
        case [int(day)]:
            return (day,)
        case [int(first), int(last)]:
            return ((first + step) % 7 for step in range((last - first) % 7 + 1))
    raise checks.refuse(field, part, f"a day or a range such as 'MON-FRI' of {', '.join(WEEKDAYS)}")


def _number(name: str) -> int | None:
    given = name.strip().upper()
    return next((number for number, day in enumerate(WEEKDAYS) if given in (day, day[:3])), None)


def in_service_time(clock: time, field: str = "rule.time") -> tuple[str, int]:
    """Return a time of day as ``HH:MM`` in UTC+9, and how many days later than in its own zone that is.

    A naive time is UTC+9 already. The offset of a zone must be the same all the year: a rule can't follow daylight saving time.

    Raises:
        InvalidRequest: It is no whole minute in UTC+9, or its zone has several offsets.
    """
    since_midnight = timedelta(
        hours=clock.hour, minutes=clock.minute, seconds=clock.second, microseconds=clock.microsecond
    )
    days, rest = divmod(since_midnight + _AHEAD - _offset(clock, field), _DAY)
    minutes, odd = divmod(rest, timedelta(minutes=1))
    if odd:
        raise checks.refuse(field, clock, "a whole minute in UTC+9")
    return f"{minutes // 60:02}:{minutes % 60:02}", days


def _offset(clock: time, field: str) -> timedelta:
    if clock.tzinfo is None:
        return _AHEAD
    offsets = {clock.tzinfo.utcoffset(None)}
    if offsets == {None}:
        offsets = {clock.tzinfo.utcoffset(probe.replace(tzinfo=clock.tzinfo)) for probe in _PROBES}
    offset = offsets.pop()
    if offset is None or offsets:
        raise checks.refuse(
            field, clock, "of a zone with one offset all the year, because rules are in UTC+9 and fixed"
        )
    return offset


def day_of_month(day: str, later: int) -> str:
    """Return the day of the month that always comes ``later`` days after this one.

    Raises:
        InvalidRequest: Months differ: the day after the 28th is the 29th or the 1st, and no rule says that.
    """
    number: int | None = int(day)
    for _ in range(abs(later)):
        number = None if number is None else _next_date(number) if later > 0 else _date_before(number)
    if number is None:
        allowed = "a day that UTC+9 has the same number for in all months at that time"
        raise checks.refuse("rule.dateOfMonth", day, allowed)
    return str(number)


def _next_date(day: int) -> int | None:
    if day == LAST:
        return 1
    return day + 1 if day + 1 in EVERY_MONTH else None


def _date_before(day: int) -> int | None:
    if day == 1:
        return LAST
    return day - 1 if day in EVERY_MONTH else None
