"""When a trigger is due: calendar arithmetic in UTC+9, without a clock (contract/notes.md#ruling-53)."""

from calendar import monthrange
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from typing import Any

from dataflow_async.emulator.service import dates

Rule = dict[str, Any]

_HOUR = 3600.0
_DAY = timedelta(days=1)
_WEEKDAYS = ("MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY")


def next_after(rule: Rule, moment: float) -> float | None:
    """Return the first time after a moment at which a rule is due, or None if there is none.

    Args:
        rule: A trigger rule with the wire's names, checked before. An ``executionDate`` is free text; one that is no date
            is never due. A ``dateOfMonth`` that a month does not have is left out in that month.
        moment: Seconds since the epoch.
    """
    if rule["type"] == "ONE_TIME":
        once = dates.parsed(rule["executionDate"])
        return once if once is not None and once > moment else None
    if rule["type"] != "RECURRING":
        return None
    if rule["interval"] == "HOUR":
        due = moment // _HOUR * _HOUR + int(rule["time"]) * 60
        return due if due > moment else due + _HOUR
    falls_on, clock_time = _DAYS[rule["interval"]], time.fromisoformat(rule["time"])
    day = dates.day(moment)
    while not falls_on(rule, day) or (due := _at(day, clock_time)) <= moment:
        day += _DAY
    return due


def _at(day: date, clock_time: time) -> float:
    return datetime.combine(day, clock_time, dates.KST).timestamp()


def _in_week(rule: Rule, day: date) -> bool:
    return _WEEKDAYS[day.weekday()] in rule["dayOfWeek"]


def _in_month(rule: Rule, day: date) -> bool:
    date_of_month = int(rule["dateOfMonth"])
    last = monthrange(day.year, day.month)[1]
    return day.day == (last if date_of_month == -1 else date_of_month)


_DAYS: dict[str, Callable[[Rule, date], bool]] = {
    "DAY": lambda _rule, _day: True,
    "WEEK": _in_week,
    "MONTH": _in_month,
}
