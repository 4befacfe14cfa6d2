"""The launches of a backfill: one for each day, hour, week or month of a period, or for each time of a cron rule. Pure."""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterator
from datetime import datetime, timedelta

from attrs import frozen

from dataflow_async.cli.exit_codes import CommandFailed, ExitCode
from dataflow_async.cli.text import escaped

_EVERY = re.compile(r"([1-9]\d{0,4})(min|h|d|w|M)", re.ASCII)
_STEPS = {"min": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_MONTHS = {name.upper(): number for number, name in enumerate(calendar.month_abbr) if name}
_DAYS = {name: number for number, name in enumerate(("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"))}
_FIELDS: tuple[tuple[str, int, int, dict[str, int]], ...] = (
    ("minute", 0, 59, {}),
    ("hour", 0, 23, {}),
    ("day of month", 1, 31, {}),
    ("month", 1, 12, _MONTHS),
    ("day of week", 0, 7, _DAYS),
)
_PART = re.compile(r"(?:\*|(\w+)(?:-(\w+))?)(?:/(\d+))?", re.ASCII)


def _refuse(option: str, text: str, allowed: str) -> CommandFailed:
    return CommandFailed(f"{option} must be {allowed}, got {escaped(text)}", ExitCode.USAGE)


def moment(text: str, option: str) -> datetime:
    """Read a date or a time; the zone is the service's, UTC+9, so none is named."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is not None:
        raise _refuse(option, text, "a date like 2026-01-31 or a time like 2026-01-31T06:00, in UTC+9")
    return found


def end_of(text: str) -> datetime:
    """Read the end of a period, which belongs to it: a date stands for its whole day."""
    found = moment(text, "--to")
    is_date = "T" not in text and " " not in text
    return found + timedelta(days=1, microseconds=-1) if is_date else found


def steps(first: datetime, last: datetime, every: str) -> Iterator[datetime]:
    """Iterate from the first moment to the last one in equal steps: ``1d``, ``6h``, ``15min``, ``1w`` or ``1M``."""
    if not (found := _EVERY.fullmatch(every)):
        raise _refuse("--every", every, "a number of min, h, d, w or M (months), such as 1d")
    count, unit = int(found[1]), found[2]
    number = 0
    while True:
        try:
            at = (
                _month_later(first, number * count)
                if unit == "M"
                else first + timedelta(**{_STEPS[unit]: number * count})
            )
        except (OverflowError, ValueError):
            return
        if at > last:
            return
        yield at
        number += 1


def _month_later(first: datetime, months: int) -> datetime:
    """Count months from the first moment; the 31st is the last day of a shorter month."""
    years, month = divmod(first.month - 1 + months, 12)
    year = first.year + years
    day = min(first.day, calendar.monthrange(year, month + 1)[1])
    return first.replace(year=year, month=month + 1, day=day)


@frozen
class Cron:
    """A rule of five fields: minute, hour, day of month, month, day of week (0 and 7 are Sunday)."""

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    is_either_day: bool
    """Both kinds of day are restricted: a day that fits one of them will do, as cron has it."""

    @classmethod
    def parse(cls, text: str) -> Cron:
        """Read a rule.

        Raises:
            CommandFailed: It has not five fields, or a field is malformed.
        """
        fields = text.split()
        if len(fields) != len(_FIELDS):
            raise _refuse("--cron", text, "five fields: minute, hour, day of month, month, day of week")
        minutes, hours, days, months, weekdays = (
            _field(text, *kind) for text, kind in zip(fields, _FIELDS, strict=True)
        )
        return cls(
            tuple(sorted(minutes)),
            tuple(sorted(hours)),
            frozenset(days),
            frozenset(months),
            frozenset(day % 7 for day in weekdays),
            not fields[2].startswith("*") and not fields[4].startswith("*"),
        )

    def times(self, first: datetime, last: datetime) -> Iterator[datetime]:
        """Iterate over the times of a period."""
        day = first.replace(hour=0, minute=0, second=0, microsecond=0)
        while day <= last:
            if self._has_day(day):
                for hour in self.hours:
                    for minute in self.minutes:
                        at = day.replace(hour=hour, minute=minute)
                        if first <= at <= last:
                            yield at
            day += timedelta(days=1)

    def _has_day(self, day: datetime) -> bool:
        if day.month not in self.months:
            return False
        of_month, of_week = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        return of_month or of_week if self.is_either_day else of_month and of_week


def _field(text: str, name: str, low: int, high: int, names: dict[str, int]) -> set[int]:
    found: set[int] = set()
    for part in text.split(","):
        match = _PART.fullmatch(part)
        if match is None:
            raise _refuse(f"--cron: {name}", text, f"{low} to {high}, with * , - and /")
        begin, end, step = match[1], match[2], int(match[3] or 1)
        first = low if begin is None else _value(begin, names)
        last = _value(end, names) if end else high if begin is None or match[3] else first
        if first is None or last is None or not low <= first <= last <= high or step < 1:
            raise _refuse(f"--cron: {name}", text, f"{low} to {high}, with * , - and /")
        found.update(range(first, last + 1, step))
    return found


def _value(text: str, names: dict[str, int]) -> int | None:
    return int(text) if text.isdigit() else names.get(text.upper())
