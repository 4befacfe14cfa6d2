"""What is to be seen of a server: a bounded look at its state, its faults and its history, as plain data."""

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice
from urllib.parse import urlencode

import attrs

from dataflow_async.emulator.audit.event_log import (
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
"""Rows of a table; more help nobody."""
LOOKED_AT = 10_000
"""Newest jobs and runs that are counted and searched, so that a look never holds up the service."""
RECORDS = 1_000
"""Newest records of the history that are looked at; a request leaves three to five."""


@attrs.frozen
class Wanted:
    """Which jobs and runs are asked for."""

    status: str = ""
    """The only status, or any if empty."""
    find: str = ""
    """Text in the id of a run, or in the id or the name of a job, whatever the case."""

    def __str__(self) -> str:
        """As a query string, without the question mark."""
        return urlencode(attrs.asdict(self, filter=lambda _, value: value != ""), errors="replace")

    def finds(self, *texts: str) -> bool:
        """Whether one of these texts is found."""
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
    over: bool

    @classmethod
    def of(cls, it: Execution, now: float, speed: float) -> "Run":
        """The run as it is at a moment."""
        life = it.life
        return cls(
            it.execution_id,
            it.job_id,
            it.job_name,
            str(life.status(now)),
            it.parameters,
            life.created_at,
            life.running(now) * speed,
            life.ended(now) is not None,
        )


@attrs.define
class Entry:
    """A request, a lost connection, or what happened without a request, as the history tells it."""

    key: str
    time: float
    request: RequestReceived | None = None
    signature_checked: bool = False
    objection: str | None = None
    """Why its signature was refused, if it was."""
    effects: list[StateChanged] = attrs.field(factory=list)
    end: AnswerSent | AnswerLost | None = None


@attrs.frozen
class Sight:
    """All that the page shows."""

    now: float
    speed: float
    wanted: Wanted
    totals: dict[str, int]
    """How many things there are, by their name."""
    statuses: dict[str, int]
    """How many of the newest runs are in which state."""
    jobs: list[Job]
    runs: list[Run]
    faults: list[Fault]
    log: list[Entry]

    @classmethod
    def of(cls, server: Core, wanted: Wanted) -> "Sight":
        """Look at a server now."""
        state, now = server.state, server.state.settle()
        newest = list(islice(reversed(state.executions.values()), LOOKED_AT))
        return cls(
            now,
            server.speed,
            wanted,
            {
                "jobs": len(state.jobs),
                "runs": len(state.executions),
                "workflows": len(state.workflows),
                "triggers": len(state.triggers),
                "requests": server.history.requests,
            },
            _counted(newest, now),
            list(islice(_jobs(state.jobs, wanted), ROWS)),
            [Run.of(it, now, server.speed) for it in islice(_runs(newest, wanted, now), ROWS)],
            list(server.faults),
            entries(server.history.since(server.history.last - RECORDS))[:ROWS],
        )


def _counted(runs: Iterable[Execution], now: float) -> dict[str, int]:
    """States in their usual order, those that only a script knows behind them."""
    counts = Counter(str(it.life.status(now)) for it in runs)
    return {str(status): counts.pop(status, 0) for status in Status} | dict(sorted(counts.items()))


def _jobs(jobs: dict[str, Job], wanted: Wanted) -> Iterator[Job]:
    newest = islice(reversed(jobs.values()), LOOKED_AT)
    return (it for it in newest if wanted.finds(it.job_id, it.name))


def _runs(newest: Iterable[Execution], wanted: Wanted, now: float) -> Iterator[Execution]:
    for it in newest:
        if wanted.status and it.life.status(now) != wanted.status:
            continue
        if wanted.finds(it.execution_id, it.job_id, it.job_name):
            yield it


def entries(records: Iterable[Event]) -> list[Entry]:
    """Put together, newest first, what belongs to one request; one that was received before these records is left out."""
    made: list[Entry] = []
    open_: dict[int, Entry] = {}
    for record in records:
        match record:
            case RequestReceived():
                open_[record.request] = Entry(f"request-{record.request}", record.time, record)
                made.append(open_[record.request])
            case StateChanged(request=None) | AnswerLost(request=None):
                made.append(_alone(record))
            case SignatureChecked() | StateChanged() | AnswerSent() | AnswerLost() if record.request in open_:
                _tell(open_[record.request], record)
    return made[::-1]


def _alone(record: StateChanged | AnswerLost) -> Entry:
    entry = Entry(f"record-{record.number}", record.time)
    _tell(entry, record)
    return entry


def _tell(entry: Entry, record: SignatureChecked | StateChanged | AnswerSent | AnswerLost) -> None:
    match record:
        case SignatureChecked():
            entry.signature_checked, entry.objection = True, record.objection
        case StateChanged():
            entry.effects.append(record)
        case AnswerSent() | AnswerLost():
            entry.end = record
