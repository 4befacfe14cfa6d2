"""Triggers: when a workflow starts."""

import re
from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

from attrs import frozen

from dataflow_async.models import checks
from dataflow_async.models.base import Response, Value
from dataflow_async.models.moment import Moment, write_moment
from dataflow_async.models.naming import known_members, to_wire

_MINUTE = re.compile(r"[0-5][0-9]", re.ASCII)
_TIME_OF_DAY = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]", re.ASCII)
_DAY = re.compile(r"-1|[1-9]|[12][0-9]|3[01]", re.ASCII)
RULE = ("type", "interval", "time", "dayOfWeek", "dateOfMonth", "executionDate")
"""Members of a trigger's rule that requests may hold, by the wire's names."""
_WEEKDAYS = ("MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY")


class TriggerType(StrEnum):
    """Types of a trigger. What an EVENT needs is not documented; its rule is passed on as given."""

    SCHEDULED = "SCHEDULED"
    EVENT = "EVENT"
    NONE = "NONE"


TriggerTypeName = TriggerType | Literal["SCHEDULED", "EVENT", "NONE"]
"""A kind of trigger, or its text."""


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


@frozen(eq=False, repr=False)
class TriggerRule(Value):
    """When a trigger fires, in a request. The class methods make the combinations that are allowed.

    Attributes:
        type: RECURRING, ONE_TIME or NONE.
        interval: HOUR, DAY, WEEK or MONTH; RECURRING only.
        time: Minute ``MM`` for HOUR, else time of day ``HH:MM``, in UTC+9.
        day_of_week: Days by their English names in capitals; WEEK only.
        date_of_month: 1 to 31, or -1 for the last day; MONTH only, sent as text.
        execution_date: The single run; an aware time is turned into UTC+9, text goes out as it is.
    """

    type: RuleType | str
    interval: Interval | str | None = None
    time: str | None = None
    day_of_week: Sequence[str] | None = None
    date_of_month: int | str | None = None
    execution_date: datetime | str | None = None

    @classmethod
    def hourly(cls, minute: int) -> "TriggerRule":
        """Return the rule for every hour at ``minute``, 0 to 59.

        Raises:
            InvalidRequest: ``minute`` is out of its range.
        """
        return cls(RuleType.RECURRING, Interval.HOUR, f"{checks.whole(minute, 'minute', 0, 59):02}")

    @classmethod
    def daily(cls, time: str) -> "TriggerRule":
        """Return the rule for every day at ``HH:MM`` in UTC+9."""
        return cls(RuleType.RECURRING, Interval.DAY, time)

    @classmethod
    def weekly(cls, days: Sequence[str], time: str) -> "TriggerRule":
        """Return the rule for these days of the week (``"MONDAY"`` ...) at ``HH:MM`` in UTC+9."""
        return cls(RuleType.RECURRING, Interval.WEEK, time, day_of_week=days)

    @classmethod
    def monthly(cls, day: int, time: str) -> "TriggerRule":
        """Return the rule for this day of the month, 1 to 31 or -1 for the last, at ``HH:MM`` in UTC+9."""
        return cls(RuleType.RECURRING, Interval.MONTH, time, date_of_month=day)

    @classmethod
    def once(cls, moment: datetime | str) -> "TriggerRule":
        """Return the rule for one moment; a naive time is UTC+9."""
        return cls(RuleType.ONE_TIME, execution_date=moment)

    @classmethod
    def manual(cls) -> "TriggerRule":
        """Return the rule of a workflow that starts only when it is executed by hand."""
        return cls(RuleType.NONE)


@frozen(eq=False, repr=False)
class TriggerRuleInfo(Response):
    """The rule of a trigger in an answer; members that do not apply are absent.

    Attributes:
        type: RECURRING, ONE_TIME or NONE.
        interval: HOUR, DAY, WEEK or MONTH.
        time: Minute ``MM`` for HOUR, else time of day ``HH:MM``, in UTC+9.
        day_of_week: Days by their English names in capitals; one plain text in the oldest answers.
        date_of_month: 1 to 31, or -1 for the last day.
        execution_date: The single run of ONE_TIME.
    """

    type: RuleType | str | None = None
    interval: Interval | str | None = None
    time: str | None = None
    day_of_week: list[str] | str | None = None
    date_of_month: str | int | None = None
    execution_date: Moment | None = None

    def to_rule(self) -> TriggerRule:
        """Return the same rule in the form that requests take.

        Raises:
            InvalidRequest: A member came in a form that can't be read, so it can't be sent back.
        """
        checks.readable(self.unreadable, self.unreadable, self.raw, "rule")
        days = [self.day_of_week] if isinstance(self.day_of_week, str) else self.day_of_week
        kind = checks.text(self.type, "rule.type")
        return TriggerRule(kind, self.interval, self.time, days, self.date_of_month, self.execution_date)


@frozen(eq=False, repr=False)
class Trigger(Response):
    """A trigger. Alone it starts nothing: put it into the nodes of a workflow.

    Source: https://api.ncloud-docs.com/docs/analytics-dataflow-gettriggerbyid

    Attributes:
        trigger_id: Trigger id.
        name: Its name.
        type: SCHEDULED, EVENT or NONE.
        trigger_rule: When it fires.
        created_date: When it was made: an aware time, or the text as received where it can't be read.
        updated_date: When it was last changed; as ``created_date``.
    """

    trigger_id: str
    name: str | None = None
    type: TriggerType | str | None = None
    trigger_rule: TriggerRuleInfo | None = None
    created_date: Moment | None = None
    updated_date: Moment | None = None


def trigger_to_wire(rule: object, given_type: str | None) -> tuple[str, dict[str, Any]]:
    """Return the type of a trigger and its rule under the wire's names after a check; the type follows from the rule unless given.

    Raises:
        InvalidRequest: A member is missing, malformed or not allowed.
    """
    rule = rule.to_rule() if isinstance(rule, TriggerRuleInfo) else rule
    members = to_wire(rule) if isinstance(rule, TriggerRule) else checks.mapping(rule, "rule")
    if given_type is not None:
        given_type = checks.one_of(given_type, TriggerType, "type")
    if given_type == TriggerType.EVENT:
        return given_type, members
    members = known_members(checks.members(members, "rule"), RULE, "rule")
    _check_rule(members)
    follows = TriggerType.NONE if members["type"] == RuleType.NONE else TriggerType.SCHEDULED
    return given_type or str(follows), members


def _check_rule(members: dict[str, Any]) -> None:
    """Check a rule in place; ``dateOfMonth`` becomes text, ``executionDate`` text in UTC+9."""
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


def _check_time(interval: str | None, time: object) -> None:
    forms: tuple[re.Pattern[str], ...]
    minute, of_day = "a minute from '00' to '59'", "a time of day 'HH:MM'"
    if interval is None:
        allowed, forms = f"{minute} or {of_day}", (_MINUTE, _TIME_OF_DAY)
    elif interval == Interval.HOUR:
        allowed, forms = f"{minute} for HOUR", (_MINUTE,)
    else:
        allowed, forms = of_day, (_TIME_OF_DAY,)
    if not (isinstance(time, str) and any(form.fullmatch(time) for form in forms)):
        raise checks.refuse("rule.time", time, allowed)


def _weekdays(days: object) -> list[str]:
    rows = checks.sequence(days, "rule.dayOfWeek")
    if not rows:
        raise checks.refuse("rule.dayOfWeek", days, "one day or more for WEEK")
    return [checks.one_of(day, _WEEKDAYS, f"rule.dayOfWeek[{index}]") for index, day in enumerate(rows)]


def _day_of_month(day: object) -> str:
    text = str(day) if type(day) is int else day
    if isinstance(text, str) and _DAY.fullmatch(text):
        return text
    raise checks.refuse("rule.dateOfMonth", day, "1 to 31, or -1 for the last day, for MONTH")
