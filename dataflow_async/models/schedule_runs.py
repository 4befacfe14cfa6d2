"""The runs that a rule makes: calendar arithmetic in UTC+9, without a clock."""

from calendar import monthrange
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import MAXYEAR, date, datetime, time, timedelta
from typing import Any

from dataflow_async.models import checks
from dataflow_async.models.moment import KST, read_moment
from dataflow_async.models.schedule import WEEKDAYS, Interval, RuleType
from dataflow_async.models.schedule_days import LAST

_HOUR = timedelta(hours=1)
_DAY = timedelta(days=1)


def runs_after(rule: Mapping[str, Any], after: datetime) -> Iterator[datetime]:
    """Yield the moments after ``after`` at which a rule is due, in order, until the calendar ends with the year 9999.

    A day that a month does not have is left out in that month (contract/notes.md#ruling-54).

    Args:
        rule: A rule under the wire's names, checked before.
        after: The moment that all runs are after; a naive one is UTC+9.

    Raises:
        InvalidRequest: The one run is a text that names no time, or ``after`` is no time.
    """
    after = service_time(after, "after")
    if rule["type"] == RuleType.ONE_TIME:
        once = service_time(read_moment(rule["executionDate"]), "rule.executionDate")
        return iter([once] if once > after else [])
    if rule["type"] == RuleType.NONE:
        return iter(())
    if rule["interval"] == Interval.HOUR:
        return _hours(int(rule["time"]), after)
    return _days(rule, after)


def service_time(moment: object, field: str) -> datetime:
    """Return a moment in UTC+9; a naive one is UTC+9 already.

    Raises:
        InvalidRequest: It is no datetime, or outside of the calendar in UTC+9.
    """
    if not isinstance(moment, datetime):
        raise checks.refuse(field, moment, "a time that can be read, to compute runs")
    if moment.tzinfo is None:
        return moment.replace(tzinfo=KST)
    try:
        return moment.astimezone(KST)
    except OverflowError:
        raise checks.refuse(field, moment, "in the years 1 to 9999 in UTC+9") from None


def _hours(minute: int, after: datetime) -> Iterator[datetime]:
    due = after.replace(minute=minute, second=0, microsecond=0)
    with suppress(OverflowError):
        while True:
            if due > after:
                yield due
            due += _HOUR


def _days(rule: Mapping[str, Any], after: datetime) -> Iterator[datetime]:
    clock = time.fromisoformat(rule["time"])
    days = _in_months if rule["interval"] == Interval.MONTH else _in_weeks
    for day in days(rule, after.date()):
        due = datetime.combine(day, clock, KST)
        if due > after:
            yield due


def _in_weeks(rule: Mapping[str, Any], day: date) -> Iterator[date]:
    names = WEEKDAYS if rule["interval"] == Interval.DAY else rule["dayOfWeek"]
    numbers = {WEEKDAYS.index(name) for name in names}
    with suppress(OverflowError):
        while True:
            if day.weekday() in numbers:
                yield day
            day += _DAY


def _in_months(rule: Mapping[str, Any], first: date) -> Iterator[date]:
    number, year, month = int(rule["dateOfMonth"]), first.year, first.month
    while year <= MAXYEAR:
        length = monthrange(year, month)[1]
        day = length if number == LAST else number
        if day <= length:
            yield date(year, month, day)
        year, month = (year, month + 1) if month < 12 else (year + 1, 1)
