"""Cron lines, and what of them a trigger can express.

Source: https://man7.org/linux/man-pages/man5/crontab.5.html
"""

import re
from typing import NamedTuple

from dataflow_async.errors import InvalidRequest
from dataflow_async.models import checks
from dataflow_async.models.schedule import WEEKDAYS
from dataflow_async.models.schedule_days import LAST

_NICKNAMES = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
_PART = re.compile(r"(\*|(?P<first>\w+)(-(?P<last>\w+))?)(/(?P<step>[0-9]{1,2}))?", re.ASCII)


class CronRule(NamedTuple):
    """What a cron line means for a trigger. Without an hour it is due every hour, without days every day."""

    minute: int
    hour: int | None = None
    weekdays: tuple[str, ...] | None = None
    day_of_month: int | None = None


class _Field(NamedTuple):
    """One of the five fields: what it allows, and the names of some of its values."""

    name: str
    allowed: range
    names: dict[str, int]
    size: int
    """Values that differ: 0 and 7 are both Sunday."""


_MINUTE = _Field("minute", range(60), {}, 60)
_HOUR = _Field("hour", range(24), {}, 24)
_DATE = _Field("day_of_month", range(1, 32), {"L": LAST}, 31)
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_MONTH = _Field("month", range(1, 13), {name: number for number, name in enumerate(_MONTHS, 1)}, 12)
_DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_WEEKDAY = _Field("day_of_week", range(8), {name: number for number, name in enumerate(_DAYS)}, 7)


class CronField(NamedTuple):
    """The values that a cron line names in one field."""

    field: _Field
    text: str
    values: frozenset[int]

    @property
    def is_open(self) -> bool:
        """Return whether it restricts nothing."""
        return len(self.values - {LAST}) == self.field.size

    @property
    def has_star(self) -> bool:
        """Return whether it starts with a star: cron joins the two fields of days by AND then, else by OR."""
        return self.text.startswith("*")

    def refuse(self, allowed: str) -> InvalidRequest:
        """Return the error that says why no rule can express it."""
        return checks.refuse(f"cron.{self.field.name}", self.text, allowed)


class CronFields(NamedTuple):
    """The five fields of a cron line."""

    minute: CronField
    hour: CronField
    date: CronField
    month: CronField
    weekday: CronField

    @property
    def is_either_day(self) -> bool:
        """Return whether a day that fits one of the two fields of days will do: neither begins with a star."""
        return not (self.date.has_star or self.weekday.has_star)


def cron_fields(line: object) -> CronFields:
    """Return the fields of a cron line, or of a nickname such as ``@daily``.

    Raises:
        InvalidRequest: It is no cron line.
    """
    text = checks.text(line, "cron").strip()
    texts = _NICKNAMES.get(text.lower(), text).split()
    if len(texts) != 5:
        raise checks.refuse("cron", line, "five fields: minute, hour, day of month, month, day of week")
    kinds = (_MINUTE, _HOUR, _DATE, _MONTH, _WEEKDAY)
    return CronFields(*(_read(kind, text) for kind, text in zip(kinds, texts, strict=True)))


def read_cron(line: object) -> CronRule:
    """Return what a cron line of five fields, or a nickname such as ``@daily``, means for a trigger.

    Raises:
        InvalidRequest: It is no cron line, or no rule of the service is due at the same moments; the message says why.
    """
    fields = cron_fields(line)
    minute, hour, _, month, _ = fields
    if not month.is_open:
        raise month.refuse("'*': no rule is limited to some months")
    if len(minute.values) != 1:
        raise minute.refuse("one minute: a rule is due at most once an hour; make a trigger for each")
    weekdays, day_of_month = _days(fields)
    if hour.is_open and weekdays is None and day_of_month is None:
        return CronRule(min(minute.values))
    if len(hour.values) != 1:
        raise hour.refuse("one hour, or '*' on all days: a rule is due once a day; make a trigger for each")
    return CronRule(min(minute.values), min(hour.values), weekdays, day_of_month)


def _days(fields: CronFields) -> tuple[tuple[str, ...] | None, int | None]:
    """Return the days of the week and the day of the month, of which one at most is not None."""
    date, weekday = fields.date, fields.weekday
    if (date.is_open and weekday.is_open) or (fields.is_either_day and (date.is_open or weekday.is_open)):
        return None, None
    if date.is_open:
        chosen = sorted((number - 1) % 7 for number in weekday.values)
        return tuple(WEEKDAYS[number] for number in chosen), None
    if not weekday.is_open:
        raise weekday.refuse("'*' beside a day of the month: a rule has one or the other")
    if len(date.values) != 1:
        raise date.refuse("one day, 'L' for the last, or '*': a rule has one day; make a trigger for each")
    return None, min(date.values)


def _read(field: _Field, text: str) -> CronField:
    values = {value for part in text.split(",") for value in _part(field, part)}
    return CronField(field, text, frozenset({value % 7 for value in values} if field is _WEEKDAY else values))


def _part(field: _Field, part: str) -> range:
    match = _PART.fullmatch(part)
    if match is None:
        raise _malformed(field, part)
    step = int(match["step"] or 1)
    first, last = field.allowed[0], field.allowed[-1]
    if match["first"]:
        first = last = _value(field, match["first"], part)
    if match["last"]:
        last = _value(field, match["last"], part)
    is_range = first != last or match["last"]
    if step == 0 or last < first or (match["step"] and not is_range) or (first == LAST and is_range):
        raise _malformed(field, part)
    return range(first, last + 1, step)


def _value(field: _Field, text: str, part: str) -> int:
    value = field.names.get(text.upper())
    if value is None and text.isdigit() and len(text) <= 2:
        value = int(text)
    if value is None or (value not in field.allowed and value != LAST):
        raise _malformed(field, part)
    return value


def _malformed(field: _Field, part: str) -> InvalidRequest:
    names = f", {'/'.join(field.names)}" if field.names else ""
    allowed = f"{field.allowed[0]} to {field.allowed[-1]}{names}, '*', or a range, with '/STEP' if need be"
    return checks.refuse(f"cron.{field.name}", part, allowed)
