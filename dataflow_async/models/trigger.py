"""Triggers: when a workflow starts."""

from collections.abc import Sequence
from datetime import datetime, time, tzinfo
from enum import StrEnum
from itertools import islice
from typing import Any, Literal

import attrs
from attrs import frozen

from dataflow_async import defaults
from dataflow_async.errors import InvalidRequest
from dataflow_async.models import checks, schedule_days
from dataflow_async.models.base import Response, Value
from dataflow_async.models.moment import KST, Moment, read_moment
from dataflow_async.models.naming import known_members, to_wire
from dataflow_async.models.schedule import RULE, Interval, RuleType, check_combination, check_rule
from dataflow_async.models.schedule_cron import read_cron
from dataflow_async.models.schedule_runs import runs_after
from dataflow_async.models.schedule_words import in_words


class TriggerType(StrEnum):
    """Types of a trigger. What an EVENT needs is not documented; its rule is passed on as given."""

    SCHEDULED = "SCHEDULED"
    EVENT = "EVENT"
    NONE = "NONE"


TriggerTypeName = TriggerType | Literal["SCHEDULED", "EVENT", "NONE"]
"""A kind of trigger, or its text."""


LastDay = Literal["LAST"]
"""The last day of a month."""
TimeOfDay = time | str
"""A time of day, or its text: ``HH:MM`` in UTC+9."""
_DATES = frozenset(map(str, (schedule_days.LAST, *range(1, 32))))


# Each of these three returns a member in the one form in which rules compare equal, and what has no such form unchanged.


def _days_given(days: str | Sequence[str] | None) -> str | Sequence[str] | None:
    return tuple(days) if isinstance(days, list) else days


def _date_given(day: int | str | None) -> int | str | None:
    if day == "LAST":
        return schedule_days.LAST
    return int(day) if isinstance(day, str) and day in _DATES else day


def _moment_given(moment: datetime | str | None) -> datetime | str | None:
    read = read_moment(moment) if isinstance(moment, str) else moment
    if not isinstance(read, datetime):
        return moment
    if isinstance(moment, str):  # text goes out as it is
        sent = read.replace(tzinfo=None, microsecond=0).isoformat()
        return read if sent == moment else moment
    return read if read.tzinfo else read.replace(tzinfo=KST)


@frozen(eq=False, repr=False)
class TriggerRule(Value):
    """When a trigger fires, in a request. The class methods make the combinations that are allowed, and check what they get.

    ``str(rule)`` is the rule in words: ``Monday to Friday at 09:30 (UTC+9)``. Rules that the class methods make are equal
    where they say the same. A rule that is made by its members is checked when it is sent, or when its runs are computed.

    Attributes:
        type: RECURRING, ONE_TIME or NONE.
        interval: HOUR, DAY, WEEK or MONTH; RECURRING only.
        time: Minute ``MM`` for HOUR, else time of day ``HH:MM``, in UTC+9; an aware time is turned into UTC+9, and the days with it.
        day_of_week: Days by their English names or the first three letters, ranges included; WEEK only.
        date_of_month: 1 to 31, or -1 or ``"LAST"`` for the last day; MONTH only, sent as text.
        execution_date: The single run; an aware time is turned into UTC+9, text goes out as it is.
    """

    type: RuleType | str
    interval: Interval | str | None = None
    time: TimeOfDay | None = None
    day_of_week: str | Sequence[str] | None = attrs.field(default=None, converter=_days_given)
    date_of_month: int | str | None = attrs.field(default=None, converter=_date_given)
    execution_date: datetime | str | None = attrs.field(default=None, converter=_moment_given)

    @classmethod
    def hourly(cls, minute: int) -> "TriggerRule":
        """Return the rule for every hour at ``minute``, 0 to 59.

        Raises:
            InvalidRequest: ``minute`` is out of its range.
        """
        return cls(RuleType.RECURRING, Interval.HOUR, f"{checks.whole(minute, 'minute', 0, 59):02}")

    @classmethod
    def daily(cls, time: TimeOfDay) -> "TriggerRule":
        """Return the rule for every day.

        Args:
            time: ``HH:MM`` in UTC+9, or a time of whole minutes. An aware one is turned into UTC+9; its zone must have one
                offset all the year.

        Raises:
            InvalidRequest: The time is none of these.
        """
        return _checked(cls(RuleType.RECURRING, Interval.DAY, time))

    @classmethod
    def weekly(cls, days: str | Sequence[str], time: TimeOfDay) -> "TriggerRule":
        """Return the rule for some days of the week.

        Args:
            days: ``"MON-FRI"``, ``"SAT,SUN"``, ``"FRIDAY"``, or several such texts. Days are those of the zone of ``time``.
            time: As in `daily`; ``time(20, tzinfo=UTC)`` on Monday becomes 05:00 on Tuesday.

        Raises:
            InvalidRequest: A day or the time is none of these.
        """
        return _checked(cls(RuleType.RECURRING, Interval.WEEK, time, day_of_week=days))

    @classmethod
    def monthly(cls, day: int | LastDay, time: TimeOfDay) -> "TriggerRule":
        """Return the rule for one day of the month.

        Args:
            day: 1 to 31, or -1 or ``"LAST"`` for the last day. Months without the day are assumed to be skipped; the
                service does not document that (contract/notes.md#ruling-54).
            time: As in `daily`; ``time(20, tzinfo=UTC)`` on the last day becomes 05:00 on day 1.

        Raises:
            InvalidRequest: The day or the time is none of these, or UTC+9 has another day for it in some months.
        """
        return _checked(cls(RuleType.RECURRING, Interval.MONTH, time, date_of_month=day))

    @classmethod
    def once(cls, moment: datetime | str) -> "TriggerRule":
        """Return the rule for one moment; a naive time is UTC+9, an aware one is turned into it, and text goes out as it is.

        Raises:
            InvalidRequest: It is neither a datetime nor text.
        """
        return _checked(cls(RuleType.ONE_TIME, execution_date=moment))

    @classmethod
    def manual(cls) -> "TriggerRule":
        """Return the rule of a workflow that starts only when it is executed by hand."""
        return cls(RuleType.NONE)

    @classmethod
    def from_cron(cls, line: str, *, zone: tzinfo = KST) -> "TriggerRule":
        """Return the rule that is due when a cron line is: ``"30 9 * * 1-5"`` is 09:30 from Monday to Friday.

        Args:
            line: Minute, hour, day of month, month and day of week; also ``L`` for the last day of the month, and
                nicknames such as ``@daily``.
            zone: The zone that cron runs in; UTC+9 unless given. It must have one offset all the year.

        Raises:
            InvalidRequest: It is no cron line, or no rule is due at the same moments; the message says why.
        """
        cron = read_cron(line)
        time_ = time(cron.hour or 0, cron.minute, tzinfo=zone)
        if cron.hour is None:
            return cls.hourly(int(schedule_days.in_service_time(time_, "cron")[0][-2:]))
        if cron.weekdays is not None:
            return cls.weekly(cron.weekdays, time_)
        return cls.daily(time_) if cron.day_of_month is None else cls.monthly(cron.day_of_month, time_)

    def next_runs(self, n: int, *, after: datetime) -> list[datetime]:
        """Return the coming runs, as aware times in UTC+9: fewer than ``n`` where the rule has no more.

        No clock is read: ``rule.next_runs(3, after=datetime.now(UTC))``. It is what the rule says; the service may be late.

        Args:
            n: How many runs, 1 to 100,000.
            after: The moment that all of them are after; a naive one is UTC+9.

        Raises:
            InvalidRequest: The rule is wrong, its one run is a text that names no time, or an argument is.
        """
        checks.whole(n, "n", 1, defaults.MAX_NEXT_RUNS)
        return [*islice(runs_after(rule_to_wire(self), after), n)]

    def __str__(self) -> str:
        """Return the rule in words, or its members where it is wrong."""
        try:
            return in_words(rule_to_wire(self))
        except InvalidRequest:
            return repr(self)


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
    if isinstance(rule, TriggerRuleInfo):
        members = to_wire(rule.to_rule())
    elif isinstance(rule, TriggerRule) and given_type != TriggerType.EVENT:
        members = rule_to_wire(rule)
    else:
        members = to_wire(rule) if isinstance(rule, TriggerRule) else checks.mapping(rule, "rule")
    if given_type is not None:
        given_type = checks.one_of(given_type, TriggerType, "type")
    if given_type == TriggerType.EVENT:
        return given_type, members
    members = known_members(checks.members(members, "rule"), RULE, "rule")
    check_rule(members)
    follows = TriggerType.NONE if members["type"] == RuleType.NONE else TriggerType.SCHEDULED
    return given_type or str(follows), members


def rule_to_wire(rule: TriggerRule) -> dict[str, Any]:
    """Return a rule under the wire's names: full names of days, times in UTC+9, and the days that they fall on there.

    Raises:
        InvalidRequest: A member is missing, malformed or without a meaning for the rule's type.
    """
    members, later = to_wire(rule), 0
    if isinstance(rule.time, time):
        members["time"], later = schedule_days.in_service_time(rule.time)
    if rule.day_of_week is not None:
        members["dayOfWeek"] = schedule_days.weekdays(rule.day_of_week, later)
    check_rule(members)
    check_combination(members)
    if later and rule.interval == Interval.MONTH:
        members["dateOfMonth"] = schedule_days.day_of_month(members["dateOfMonth"], later)
    return members


def _checked(rule: TriggerRule) -> TriggerRule:
    """Return a rule in the one form in which rules that say the same are equal."""
    members = rule_to_wire(rule)
    return attrs.evolve(
        rule,
        time=members.get("time"),
        day_of_week=members.get("dayOfWeek"),
        date_of_month=members.get("dateOfMonth"),
    )
