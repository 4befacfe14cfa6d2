"""A rule in words."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any

from dataflow_async.models.moment import KST, read_moment
from dataflow_async.models.schedule import WEEKDAYS, Interval, RuleType
from dataflow_async.models.schedule_days import EVERY_MONTH, LAST


def in_words(rule: Mapping[str, Any]) -> str:
    """Return a rule under the wire's names, checked before, as an English phrase: ``Monday to Friday at 09:30 (UTC+9)``."""
    if rule["type"] == RuleType.NONE:
        return "only when started by hand"
    if rule["type"] == RuleType.ONE_TIME:
        return f"once, {_moment(rule['executionDate'])}"
    if rule["interval"] == Interval.HOUR:
        return f"every hour at minute {rule['time']}"
    if rule["interval"] == Interval.DAY:
        days = "every day"
    elif rule["interval"] == Interval.WEEK:
        days = _weekdays(rule["dayOfWeek"])
    else:
        days = _day_of_month(int(rule["dateOfMonth"]))
    return f"{days} at {rule['time']} (UTC+9)"


def _moment(text: str) -> str:
    moment = read_moment(text)
    if not isinstance(moment, datetime):
        return f"at {text!r}"
    try:
        moment = moment.astimezone(KST)
    except OverflowError:
        return f"at {text!r}"
    clock = moment.strftime("%H:%M:%S").removesuffix(":00")
    return f"on {moment.date()} at {clock} (UTC+9)"


def _weekdays(days: Sequence[str]) -> str:
    numbers = sorted({WEEKDAYS.index(day) for day in days})
    if len(numbers) == len(WEEKDAYS):
        return "every day"
    parts: list[str] = []
    for _, group in groupby(enumerate(numbers), key=lambda it: it[1] - it[0]):
        names = [WEEKDAYS[number].title() for _, number in group]
        parts += [f"{names[0]} to {names[-1]}"] if len(names) > 2 else names
    *first, last = parts
    listed = f"{', '.join(first)} and {last}" if first else last
    return listed if " to " in listed else f"every {listed}"


def _day_of_month(day: int) -> str:
    if day == LAST:
        return "on the last day of every month"
    which = "every month" if day in EVERY_MONTH else "every month that has it"
    return f"on day {day} of {which}"
