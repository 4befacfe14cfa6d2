"""The journal of a bulk run, for a person: whose it is, how far it has come, and launch by launch."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from dataflow_async import Journal, JournalEntry, JournalPhase
from dataflow_async.cli.output import Column
from dataflow_async.cli.screen import Screen
from dataflow_async.cli.text import printable

COLUMNS = [
    Column("intended (UTC)", "intendedDate"),
    Column("try", "attempt", right=True),
    Column("state", "state"),
    Column("job", "jobId"),
    Column("run", "jobExecutionId"),
    Column("error", "error"),
    Column("key", "key"),
]


def show(screen: Screen, journal: Journal, *, rows: bool, status: str | None) -> None:
    """Print a journal; of its rows none, all, or those in a state."""
    counts = {state: str(count) for state, count in journal.counts().items()}
    screen.facts(
        {
            "journal": printable(str(journal.path)),
            "service": printable(journal.base_url),
            "access key": printable(", ".join(journal.access_keys)),
            "format": str(journal.format),
        }
    )
    screen.say()
    if counts:
        width = max(map(len, counts.values()))
        screen.facts({printable(state): count.rjust(width) for state, count in counts.items()})
    else:
        screen.say("  no launches yet")
    if rows or status is not None:
        screen.say()
        screen.lines(_lines(journal, status))


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
            "intendedDate": _moment(entry.intended_from).replace(" ", "T") + "+00:00",
        }


def _entries(journal: Journal, status: str | None) -> Iterator[JournalEntry]:
    for entry in journal.rows():
        if status is None or entry.state.casefold() == status.casefold():
            yield entry


def _lines(journal: Journal, status: str | None) -> Iterator[str]:
    """The key comes last: it may be of any length."""
    yield f"{'intended (UTC)':19}  try  {'state':9}  {'job':12}  {'run or error':12}  key"
    for entry in _entries(journal, status):
        yield _line(entry)


def _line(entry: JournalEntry) -> str:
    reason = None if entry.phase is JournalPhase.ENDED else entry.status
    columns = (
        f"{_moment(entry.intended_from):19}",
        f"{entry.attempt:3}",
        f"{printable(entry.state):9}",
        f"{printable(entry.job_id):12}",
        f"{printable(entry.execution_id or reason or '-'):12}",
        printable(entry.key),
    )
    return "  ".join(columns)


def _moment(seconds: float) -> str:
    try:
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}"
    except (OverflowError, ValueError, OSError):
        return str(seconds)
