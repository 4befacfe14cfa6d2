"""Moments and periods as a person writes them: ``24h``, ``7d``, ``2026-11-29``, ``2026-11-29T06:00``."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from dataflow_async.cli.exit_codes import CommandFailed, ExitCode
from dataflow_async.cli.text import escaped
from dataflow_async.models.moment import KST

_AGE = re.compile(r"(\d{1,6})(m|h|d|w)", re.ASCII)
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def since(text: str, now: datetime | None = None, option: str = "--since") -> datetime:
    """Return the moment that a text names: an age such as ``24h``, or a date, in UTC+9 unless it says otherwise."""
    found: datetime | None = None
    with suppress(ValueError, OverflowError):
        if age := _AGE.fullmatch(text):
            found = (now or datetime.now(UTC)) - timedelta(**{_UNITS[age[2]]: int(age[1])})
        else:
            found = datetime.fromisoformat(text)
    if found is None:
        raise CommandFailed(
            f"{option} must be an age like 24h or 7d, or a date like 2026-11-29T06:00 (UTC+9), got {escaped(text)}",
            ExitCode.USAGE,
        )
    return found if found.tzinfo else found.replace(tzinfo=KST)
