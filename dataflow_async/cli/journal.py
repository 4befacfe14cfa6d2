"""The journal of a bulk run, for a person: whose it is, how far it has come, and launch by launch."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from dataflow_async import Journal, JournalEntry, JournalPhase
from dataflow_async.cli.output import Column, moment, without_year
from dataflow_async.cli.screen import Screen
from dataflow_async.cli.text import escaped

COLUMNS = [
    Column("intended (KST)", "intendedDate", moment),
    Column("try", "attempt", right=True),
    Column("state", "state"),
    Column("job", "jobId"),
    Column("run", "jobExecutionId"),
    Column("error", "error"),
    Column("key", "key"),
]
_WIDE = 80
"""Columns of a terminal from which the rows are shown with all that they have."""
_FORM = "{:19}  {:>3}  {:9}  {:12}  {:12}  {}"
_NARROW_FORM = "{:11} {:>3} {:9} {:12} {:12} {}"


def show(screen: Screen, journal: Journal, *, rows: bool, status: str | None) -> None:
    """Print a journal; of its rows none, all, or those in a state."""
    counts = {state: str(count) for state, count in journal.counts().items()}
    screen.facts(
        {
            "journal": escaped(str(journal.path)),
            "service": escaped(journal.base_url),
            "access key": escaped(", ".join(journal.access_keys)),
            "format": str(journal.format),
        }
    )
    screen.say()
    if counts:
        width = max(map(len, counts.values()))
        screen.facts({escaped(state): count.rjust(width) for state, count in counts.items()})
    else:
        screen.say("  no launches yet")
    if rows or status is not None:
        screen.say()
        screen.lines(_lines(journal, status, screen.width))


def records(journal: Journal, status: str | None) -> Iterator[dict[str, Any]]:
    """Iterate over the attempts, or those in a state, as JSON."""
    for entry in _entries(journal, status):
        yield {
            "key": entry.key,
            "attempt": entry.attempt,
            "state": entry.state,
            "jobId": entry.job_id,
            "jobExecutionId": entry.execution_id,
            "error": None if entry.phase is JournalPhase.ENDED else entry.status,
            "intendedDate": _moment(entry.intended_from),
        }


def _entries(journal: Journal, status: str | None) -> Iterator[JournalEntry]:
    for entry in journal.rows():
        if status is None or entry.state.casefold() == status.casefold():
            yield entry


def _lines(journal: Journal, status: str | None, width: int | None) -> Iterator[str]:
    """The key comes last: it may be of any length."""
    is_narrow = width is not None and width < _WIDE
    form = _NARROW_FORM if is_narrow else _FORM
    yield form.format(
        "intended" if is_narrow else "intended (KST)", "try", "state", "job", "run or error", "key"
    )
    for entry in _entries(journal, status):
        intended = moment(_moment(entry.intended_from))
        reason = None if entry.phase is JournalPhase.ENDED else entry.status
        yield form.format(
            without_year(intended) if is_narrow else intended,
            entry.attempt,
            escaped(entry.state),
            escaped(entry.job_id),
            escaped(entry.execution_id or reason or "-"),
            escaped(entry.key),
        )


def _moment(seconds: float) -> str:
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
    except (OverflowError, ValueError, OSError):
        return str(seconds)
