"""Moments and periods as a person writes them: ``24h``, ``7d``, ``2026-11-29``, ``2026-11-29T06:00``."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

from dataflow_async.cli.exit_codes import CommandFailed, ExitCode
from dataflow_async.cli.text import escaped

_AGE = re.compile(r"(\d{1,6})(m|h|d|w)", re.ASCII)
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_KST = timezone(timedelta(hours=9), "KST")


def since(text: str, now: datetime | None = None, option: str = "--since") -> datetime:
    """Return the moment that a text names: an age such as ``24h``, or a date, in UTC+9 unless it says otherwise."""
    if age := _AGE.fullmatch(text):
        return (now or datetime.now(UTC)) - timedelta(**{_UNITS[age[2]]: int(age[1])})
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise CommandFailed(
            f"{option}: an age like 24h or 7d, or a date like 2026-11-29T06:00 (UTC+9), is needed, got {escaped(text)}",
            ExitCode.USAGE,
        ) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=_KST)
