"""The rule of a trigger under the wire's names: its words, and what the service allows of them."""

import re
from datetime import datetime
from enum import StrEnum
from typing import Any

from dataflow_async.models import checks
from dataflow_async.models.moment import write_moment

_MINUTE = r"[0-5][0-9]"
_TIME_OF_DAY = r"([01][0-9]|2[0-3]):[0-5][0-9]"
_DAY = r"-1|[1-9]|[12][0-9]|3[01]"
RULE = ("type", "interval", "time", "dayOfWeek", "dateOfMonth", "executionDate")
"""Members of a trigger's rule that requests may hold, by the wire's names."""
WEEKDAYS = ("MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY")
"""Days of the week as the service names them, in the order of ``date.weekday()``."""


class RuleType(StrEnum):
    """Execution options of a trigger."""

    RECURRING = "RECURRING"
    ONE_TIME = "ONE_TIME"
    NONE = "NONE"


class Interval(StrEnum):
    """Cycles of a RECURRING rule."""

    HOUR = "HOUR"
    DAY = "DAY"
    WEEK = "WEEK"
    MONTH = "MONTH"


_APPLIES: dict[str, tuple[str, ...]] = {
    Interval.HOUR: ("interval", "time"),
    Interval.DAY: ("interval", "time"),
    Interval.WEEK: ("interval", "time", "dayOfWeek"),
    Interval.MONTH: ("interval", "time", "dateOfMonth"),
    RuleType.ONE_TIME: ("executionDate",),
    RuleType.NONE: (),
}


def check_rule(members: dict[str, Any]) -> None:
    """Check a rule in place; ``dateOfMonth`` becomes text, ``executionDate`` text in UTC+9.

    Members that have no meaning for its type are checked as well, and stay.

    Raises:
        InvalidRequest: A member is missing or malformed.
    """
    kind = checks.one_of(members.get("type"), RuleType, "rule.type")
    members["type"] = kind
    interval = members.get("interval")
    if kind == RuleType.RECURRING or interval is not None:
        interval = members["interval"] = checks.one_of(interval, Interval, "rule.interval")
    if kind == RuleType.RECURRING or members.get("time") is not None:
        _check_time(interval, members.get("time"))
    if interval == Interval.WEEK or members.get("dayOfWeek") is not None:
        members["dayOfWeek"] = _weekdays(members.get("dayOfWeek"))
    if interval == Interval.MONTH or members.get("dateOfMonth") is not None:
        members["dateOfMonth"] = _day_of_month(members.get("dateOfMonth"))
    if kind == RuleType.ONE_TIME or members.get("executionDate") is not None:
        date = members.get("executionDate")
        members["executionDate"] = (
            write_moment(date, "rule.executionDate")
            if isinstance(date, datetime)
            else checks.text(date, "rule.executionDate")
        )


def check_combination(members: dict[str, Any]) -> None:
    """Check that a rule, which is right otherwise, has no member without a meaning for its type.

    Raises:
        InvalidRequest: It has one.
    """
    kind = members["type"]
    meaning = members["interval"] if kind == RuleType.RECURRING else kind
    for name in RULE:
        if name in members and name != "type" and name not in _APPLIES[meaning]:
            raise checks.refuse(f"rule.{name}", members[name], f"left out for {meaning}")


def _check_time(interval: str | None, time: object) -> None:
    forms: tuple[str, ...]
    minute, of_day = "a minute from '00' to '59'", "a time of day 'HH:MM'"
    if interval is None:
        allowed, forms = f"{minute} or {of_day}", (_MINUTE, _TIME_OF_DAY)
    elif interval == Interval.HOUR:
        allowed, forms = f"{minute} for HOUR", (_MINUTE,)
    else:
        allowed, forms = of_day, (_TIME_OF_DAY,)
    if not (isinstance(time, str) and any(re.fullmatch(form, time) for form in forms)):
        raise checks.refuse("rule.time", time, allowed)


def _weekdays(days: object) -> list[str]:
    rows = checks.sequence(days, "rule.dayOfWeek")
    if not rows:
        raise checks.refuse("rule.dayOfWeek", days, "one day or more for WEEK")
    return [checks.one_of(day, WEEKDAYS, f"rule.dayOfWeek[{index}]") for index, day in enumerate(rows)]


def _day_of_month(day: object) -> str:
    text = str(day) if type(day) is int else day
    if isinstance(text, str) and re.fullmatch(_DAY, text):
        return text
    raise checks.refuse("rule.dateOfMonth", day, "1 to 31, or -1 for the last day, for MONTH")
