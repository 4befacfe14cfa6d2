"""The page model: a bounded excerpt of a server's state, faults and history, as plain data."""

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice
from urllib.parse import urlencode

import attrs

from dataflow_async.emulator.audit.events import (
    AnswerLost,
    AnswerSent,
    Event,
    RequestReceived,
    SignatureChecked,
    StateChanged,
)
from dataflow_async.emulator.core import Core
from dataflow_async.emulator.faults.plan import Fault
from dataflow_async.emulator.service.lifecycle import Status
from dataflow_async.emulator.service.state import Execution, Job

ROWS = 100
"""Rows of a table."""
MOST_SEARCHED = 10_000
"""Newest jobs and runs that are counted and searched, so that the page never slows the service."""
RECORDS = 1_000
"""Newest events of the history that are shown; a request leaves three to five."""


@attrs.frozen
class Selection:
    """The selected jobs and runs."""

    status: str = ""
    """The only status, or any if empty."""
    find: str = ""
    """Text in the id of a run, or in the id or the name of a job, whatever the case."""

    def __str__(self) -> str:
        """Return the selection as a query string, without the question mark."""
        return urlencode(attrs.asdict(self, filter=lambda _, value: value != ""), errors="replace")

    def finds(self, *texts: str) -> bool:
        """Return whether one of these texts contains the search text."""
        return any(self.find.casefold() in text.casefold() for text in texts)


@attrs.frozen
class Run:
    """A run at a moment."""

    run_id: str
    job_id: str
    job_name: str
    status: str
    parameters: dict[str, object]
    created_at: float
    seconds: float
    """Emulated seconds of work so far."""
    has_ended: bool

    @classmethod
    def of(cls, it: Execution, now: float, speed: float) -> "Run":
        """Return the run as it is at a moment."""
        lifecycle = it.lifecycle
        return cls(
            it.execution_id,
            it.job_id,
            it.job_name,
            str(lifecycle.status(now)),
            it.parameters,
            lifecycle.created_at,
            lifecycle.durations(now)[1] * speed,
            lifecycle.ended(now) is not None,
        )


@attrs.define
class LogEntry:
    """A request, a lost connection, or a change without a request, as the history records it."""

    key: str
    time: float
    request: RequestReceived | None = None
    signature_checked: bool = False
    objection: str | None = None
    """Why its signature was refused, if it was."""
    effects: list[StateChanged] = attrs.field(factory=list)
    end: AnswerSent | AnswerLost | None = None


@attrs.frozen
class PageModel:
    """Everything the page shows."""

    now: float
    speed: float
    selection: Selection
    totals: dict[str, int]
    """Numbers of things, by their plural name."""
    statuses: dict[str, int]
    """Numbers of the newest runs, by status."""
    jobs: list[Job]
    runs: list[Run]
    faults: list[Fault]
    log: list[LogEntry]
    connection: tuple[str, str, str] | None = None
    """Address, access key and secret key, for people on this machine."""

    @classmethod
    def of(cls, server: Core, selection: Selection, url: str | None = None) -> "PageModel":
        """Return the model of a server now.

        Args:
            server: The server.
            selection: The jobs and runs to show.
            url: The address that the page was asked from; None if its reader must not see the keys.
        """
        state, now = server.state, server.state.settle()
        newest = list(islice(reversed(state.executions.values()), MOST_SEARCHED))
        return cls(
            now,
            server.speed,
            selection,
            {
                "jobs": len(state.jobs),
                "runs": len(state.executions),
                "workflows": len(state.workflows),
                "triggers": len(state.triggers),
                "requests": server.history.requests,
            },
            _counted(newest, now),
            list(islice(_jobs(state.jobs, selection), ROWS)),
            [Run.of(it, now, server.speed) for it in islice(_runs(newest, selection, now), ROWS)],
            list(server.faults),
            log_entries(server.history.since(server.history.last - RECORDS))[:ROWS],
            None if url is None else (url, server.access_key, server.secret_key),
        )


def _counted(runs: Iterable[Execution], now: float) -> dict[str, int]:
    """Return numbers of runs by status in the usual order, scripted statuses last."""
    counts = Counter(str(it.lifecycle.status(now)) for it in runs)
    return {str(status): counts.pop(status, 0) for status in Status} | dict(sorted(counts.items()))


def _jobs(jobs: dict[str, Job], selection: Selection) -> Iterator[Job]:
    newest = islice(reversed(jobs.values()), MOST_SEARCHED)
    return (it for it in newest if selection.finds(it.job_id, it.name))


def _runs(newest: Iterable[Execution], selection: Selection, now: float) -> Iterator[Execution]:
    for it in newest:
        if selection.status and it.lifecycle.status(now) != selection.status:
            continue
        if selection.finds(it.execution_id, it.job_id, it.job_name):
            yield it


def log_entries(records: Iterable[Event]) -> list[LogEntry]:
    """Group events by request, newest first; a request that was received before these events is left out."""
    made: list[LogEntry] = []
    open_: dict[int, LogEntry] = {}
    for record in records:
        match record:
            case RequestReceived():
                open_[record.request] = LogEntry(f"request-{record.request}", record.time, record)
                made.append(open_[record.request])
            case StateChanged(request=None) | AnswerLost(request=None):
                made.append(_alone(record))
            case SignatureChecked() | StateChanged() | AnswerSent() | AnswerLost() if record.request in open_:
                _add_to(open_[record.request], record)
    return made[::-1]


def _alone(record: StateChanged | AnswerLost) -> LogEntry:
    entry = LogEntry(f"record-{record.number}", record.time)
    _add_to(entry, record)
    return entry


def _add_to(entry: LogEntry, record: SignatureChecked | StateChanged | AnswerSent | AnswerLost) -> None:
    match record:
        case SignatureChecked():
            entry.signature_checked, entry.objection = True, record.objection
        case StateChanged():
            entry.effects.append(record)
        case AnswerSent() | AnswerLost():
            entry.end = record
