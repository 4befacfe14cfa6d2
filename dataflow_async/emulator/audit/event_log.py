"""What happened on a server, in the order in which it took effect, as typed events.

Every request leaves `RequestReceived`, `SignatureChecked`, and `AnswerSent` or `AnswerLost`; in between, what it changed
(`StateChanged`) and the statuses of runs that its answer reported (`StatusReported`). Keys and signatures are never recorded.
"""

import json
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, TextIO

from dataflow_async.emulator import defaults
from dataflow_async.emulator.api.responses import Answer
from dataflow_async.emulator.service.lifecycle import Status
from dataflow_async.emulator.service.state import Execution


class ServerStarted(NamedTuple):
    """The server began to listen; requests in flight before it are cut off."""

    number: int
    """Place in the history, from 1, without gaps."""
    time: float
    """The emulator's clock, seconds since the epoch."""


class RequestReceived(NamedTuple):
    """A request came in."""

    number: int
    time: float
    request: int
    """Number of the request; the other records refer to it."""
    method: str
    target: str
    """Path and query as received, still encoded."""
    operation: str | None
    """operationId, or None if it is no call of the API."""
    access_key: bool
    """Whether it carried an access key."""
    body: Any
    """The body as a JSON value; None if there is none, if it is no JSON, or if it was not read."""


class SignatureChecked(NamedTuple):
    """The gateway checked the signature of a request."""

    number: int
    time: float
    request: int
    objection: str | None
    """Why the request was refused, or None if it was accepted."""


class StateChanged(NamedTuple):
    """The state of the service changed."""

    number: int
    time: float
    request: int | None
    """The request that did it, or None for what time, a test or the control path has done."""
    what: str
    """``created``, ``updated``, ``deleted``, ``started`` (a workflow), ``launched``, ``restored`` (from a saved state) or
    ``canceled`` (a run), or how a run was ended by hand: ``finished``, ``failed``."""
    resource: str
    """``job``, ``workflow``, ``trigger`` or ``execution``."""
    resource_id: str
    job_id: str | None = None
    """Of a run: its job."""
    parameters: Mapping[str, Any] | None = None
    """Of a run that was launched: its parameters."""


class StatusReported(NamedTuple):
    """An answer reported statuses of runs that differ from those reported before."""

    number: int
    time: float
    request: int
    statuses: tuple[tuple[str, str], ...]
    """Pairs of execution id and status."""


class AnswerSent(NamedTuple):
    """The answer to a request was sent."""

    number: int
    time: float
    request: int
    status: int
    faults: tuple[str, ...] = ()
    """Names of the faults that were injected into the request."""


class AnswerLost(NamedTuple):
    """A request, or a connection, got no complete answer."""

    number: int
    time: float
    request: int | None
    """None for a connection that never carried one."""
    reason: str
    """The name of the fault that did it, ``the connection was closed``, or ``the server stopped``."""
    faults: tuple[str, ...] = ()


Event = (
    ServerStarted
    | RequestReceived
    | SignatureChecked
    | StateChanged
    | StatusReported
    | AnswerSent
    | AnswerLost
)


def _type_name(kind: type[Event]) -> str:
    """The type of an event in JSON Lines: the class name in snake case."""
    return re.sub(r"(?<=.)(?=[A-Z])", "_", kind.__name__).lower()


_TYPES: dict[str, type[Event]] = {
    _type_name(it): it
    for it in (
        ServerStarted,
        RequestReceived,
        SignatureChecked,
        StateChanged,
        StatusReported,
        AnswerSent,
        AnswerLost,
    )
}

_WRITES = {
    **{f"create{thing}": ("created", thing.lower()) for thing in ("Job", "Workflow", "Trigger")},
    **{f"update{thing}": ("updated", thing.lower()) for thing in ("Job", "Workflow")},
    **{f"delete{thing}": ("deleted", thing.lower()) for thing in ("Job", "Workflow", "Trigger")},
    "updateJobExecuteConfig": ("updated", "job"),
    "executeWorkflow": ("started", "workflow"),
}
"""What a call does when it succeeds; changes of runs are recorded where they happen, whatever causes them."""
_ENDINGS: dict[str, str] = {
    Status.COMPLETED: "finished",
    Status.FAILED: "failed",
    Status.CANCELED: "canceled",
}
"""The word for each way of ending a run."""
_REPORTS = frozenset({"executeJob", "getJobExecutionById", "getJobExecutions", "getWorkflowExecutions"})
"""Calls whose answers state the status of runs."""


class History:
    """The records of a server.

    Args:
        time: The emulator's clock.
        limit: Records that are kept; older ones are dropped, and counted.
        log: A file to which each record is also appended, a line of JSON at once.
    """

    def __init__(
        self, time: Callable[[], float], limit: int = defaults.HISTORY_LIMIT, log: Path | None = None
    ) -> None:
        if limit < 0:
            raise ValueError(f"history_limit must be 0 or more, got {limit!r}")
        self._time = time
        self._records: deque[Event] = deque(maxlen=limit)
        self._last = 0
        self._requests = 0
        self._reported: dict[str, str] = {}
        self._path = log
        self._file: TextIO | None = None
        self._logged = 0
        """The number of the newest record in the log when it was last closed."""
        self.acting: int | None = None
        """The request on whose behalf runs begin and end, while there is one."""

    def __iter__(self) -> Iterator[Event]:
        return iter(tuple(self._records))

    def __len__(self) -> int:
        return len(self._records)

    @property
    def last(self) -> int:
        """The number of the newest record; 0 before the first."""
        return self._last

    @property
    def requests(self) -> int:
        """How many requests have come in."""
        return self._requests

    @property
    def dropped(self) -> int:
        """How many records were dropped because there were more than the limit."""
        return self._records[0].number - 1 if self._records else self._last

    def since(self, number: int) -> list[Event]:
        """The records after the one with this number."""
        if not self._records:
            return []
        return list(islice(self._records, max(0, number + 1 - self._records[0].number), None))

    def to_jsonl(self, since: int = 0) -> str:
        """The records after ``since`` as JSON Lines."""
        return "".join(map(_line, self.since(since)))

    def write(self, path: str | Path) -> None:
        """Write the records as JSON Lines; `read_history` reads them back."""
        Path(path).write_text(self.to_jsonl(), encoding="ascii")

    # --- what the server records --------------------------------------------------------------------------------------

    def open(self) -> None:
        """Open the log, if there is to be one, behind what it holds already, and record the start.

        Events recorded before, of a saved state or by hand, are written first.

        Raises:
            OSError: The log can't be opened.
            ValueError: It holds something else than a history.
        """
        if self._path is not None and self._file is None:
            file = self._path.open("a+", encoding="ascii", buffering=1)
            try:
                self._continue(file)
            except BaseException:
                file.close()
                raise
            self._file = file
        self._record(ServerStarted)

    def _continue(self, file: TextIO) -> None:
        """Go on with the numbers of a log, behind its last whole line: a killed process may have left half of one."""
        file.seek(0)
        whole, last = 0, self._logged
        for line in file:
            for record in parse([line]):
                whole += len(line)
                last = max(last, record.number)
                if isinstance(record, RequestReceived):
                    self._requests = max(self._requests, record.request)
        file.truncate(whole)
        self._catch_up(file, last)

    def _catch_up(self, file: TextIO, last: int) -> None:
        """Number what is kept so that it goes on behind record ``last`` of the log, and write what is not in it yet."""
        ahead = last - self._logged
        renumbered = (it._replace(number=it.number + ahead) for it in self._records)
        self._records = deque(renumbered, self._records.maxlen)
        self._last += ahead
        file.writelines(map(_line, self.since(last)))

    def close(self) -> None:
        """Close the log."""
        if self._file is not None:
            self._file.close()
            self._file = None
            self._logged = self._last

    def new_request(self) -> int:
        """The number of the next request."""
        self._requests += 1
        return self._requests

    def received(
        self,
        request: int,
        method: str,
        target: str,
        operation: str | None,
        objection: str | None,
        *,
        access_key: bool,
        body: Any,
        size: int,
    ) -> None:
        """Record a request and the check of its signature; ``size`` is the length of its body in bytes."""
        kept = body if size <= defaults.MAX_RECORDED_BODY else f"({size} bytes)"
        now = self._time()
        self._add(RequestReceived(self._last + 1, now, request, method, target, operation, access_key, kept))
        self._add(SignatureChecked(self._last + 1, now, request, objection))

    def launched(self, execution: Execution) -> None:
        """Record that a run begins."""
        self._record(
            StateChanged,
            self.acting,
            "launched",
            "execution",
            execution.execution_id,
            execution.job_id,
            execution.parameters,
        )

    def restored(self, execution: Execution) -> None:
        """Record that a run is there that this server has not launched."""
        self._record(StateChanged, None, "restored", "execution", execution.execution_id, execution.job_id)

    def ended(self, execution: Execution, outcome: str) -> None:
        """Record that a run was canceled, or ended by hand."""
        what = _ENDINGS.get(outcome, outcome)
        self._record(StateChanged, self.acting, what, "execution", execution.execution_id, execution.job_id)

    def done(self, request: int, operation: str, ids: Mapping[str, str], answer: Answer) -> None:
        """Record what a call changed and reported."""
        if operation in _WRITES:
            what, resource = _WRITES[operation]
            name = f"{resource}Id"
            self._record(
                StateChanged, request, what, resource, ids[name] if name in ids else answer.body[name]
            )
        elif operation in _REPORTS:
            self._report(request, answer.body)

    def answered(self, request: int, status: int, faults: tuple[str, ...] = ()) -> None:
        """Record that an answer went out."""
        self._add(AnswerSent(self._last + 1, self._time(), request, status, faults))

    def lost(self, request: int | None, reason: str, faults: tuple[str, ...] = ()) -> None:
        """Record that an answer did not go out, or not whole."""
        self._record(AnswerLost, request, reason, faults)

    def _report(self, request: int, body: Any) -> None:
        reported = self._reported
        news = []
        for row in body.get("list", (body,)):
            execution_id, status = row["jobExecutionId"], str(row["status"])
            if reported.get(execution_id) != status:
                reported[execution_id] = status
                news.append((execution_id, status))
        if news:
            self._record(StatusReported, request, tuple(news))

    def _record(self, kind: Callable[..., Event], *values: Any) -> None:
        self._add(kind(self._last + 1, self._time(), *values))

    def _add(self, record: Event) -> None:
        self._last += 1
        self._records.append(record)
        if self._file is not None:
            self._file.write(_line(record))


# --- JSON Lines -------------------------------------------------------------------------------------------------------


def _line(record: Event) -> str:
    content = {"type": _type_name(type(record)), **record._asdict()}
    return json.dumps(content, separators=(",", ":"), default=str) + "\n"


def read_history(path: str | Path) -> list[Event]:
    """Read records from a file of JSON Lines; a last line that was cut off is left out.

    Raises:
        OSError: The file can't be read.
        ValueError: A line is no record; its number is named.
    """
    return list(parse(Path(path).read_text(encoding="utf-8").splitlines(keepends=True)))


def parse(lines: Iterable[str]) -> Iterator[Event]:
    """Turn lines of JSON into records; one without an end is left out.

    Raises:
        ValueError: A line is no record; its number is named.
    """
    for number, line in enumerate(lines, 1):
        if not line.endswith("\n"):
            return
        try:
            content = json.loads(line)
            record = _TYPES[content.pop("type")](**content | _tuples(content))
        except (ValueError, KeyError, TypeError, AttributeError):
            raise ValueError(f"line {number} is no record of a history: {line[:80]!r}") from None
        yield record


def _tuples(content: dict[str, Any]) -> dict[str, Any]:
    """The members that are tuples in a record, for JSON knows arrays only."""
    found: dict[str, Any] = {name: tuple(content[name]) for name in ("faults", "statuses") if name in content}
    if "statuses" in found:
        found["statuses"] = tuple(map(tuple, found["statuses"]))
    return found
