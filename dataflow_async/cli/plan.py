"""The launches of a backfill: one for each day, hour, week or month of a period, or for each time of a cron rule. Pure."""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterator
from datetime import date, datetime, timedelta

from dataflow_async.cli.exit_codes import CommandFailed, ExitCode
from dataflow_async.cli.text import escaped
from dataflow_async.models.schedule_cron import CronFields, cron_fields
from dataflow_async.models.schedule_days import LAST

_EVERY = re.compile(r"([1-9]\d{0,4})(min|h|d|w|M)", re.ASCII)
_STEPS = {"min": "minutes", "h": "hours", "d": "days", "w": "weeks"}


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


def due(line: str, first: datetime, last: datetime) -> Iterator[datetime]:
    """Iterate over the times of a period at which a cron line is due.

    Raises:
        InvalidRequest: It is no cron line.
    """
    fields = cron_fields(line)
    day = first.replace(hour=0, minute=0, second=0, microsecond=0)
    while day <= last:
        if _has_day(fields, day):
            for hour in sorted(fields.hour.values):
                for minute in sorted(fields.minute.values):
                    at = day.replace(hour=hour, minute=minute)
                    if first <= at <= last:
                        yield at
        if day.date() == date.max:
            return
        day += timedelta(days=1)


def _has_day(fields: CronFields, day: datetime) -> bool:
    if day.month not in fields.month.values:
        return False
    is_last = day.day == calendar.monthrange(day.year, day.month)[1]
    of_month = day.day in fields.date.values or (is_last and LAST in fields.date.values)
    of_week = day.isoweekday() % 7 in fields.weekday.values
    return of_month or of_week if fields.is_either_day else of_month and of_week
