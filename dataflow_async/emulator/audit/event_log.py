"""The history of a server: it records events in the order in which they take effect."""

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, TextIO, get_args

from dataflow_async.emulator import defaults
from dataflow_async.emulator.api.responses import Answer
from dataflow_async.emulator.audit.events import (
    AnswerLost,
    AnswerSent,
    Event,
    RequestReceived,
    ServerStarted,
    SignatureChecked,
    StateChanged,
    StatusReported,
    parse,
    to_line,
)
from dataflow_async.emulator.service.lifecycle import Status
from dataflow_async.emulator.service.state import Execution

_WRITES = {
    **{f"create{thing}": ("created", thing.lower()) for thing in ("Job", "Workflow", "Trigger")},
    **{f"update{thing}": ("updated", thing.lower()) for thing in ("Job", "Workflow")},
    **{f"delete{thing}": ("deleted", thing.lower()) for thing in ("Job", "Workflow", "Trigger")},
    "updateJobExecuteConfig": ("updated", "job"),
    "executeWorkflow": ("started", "workflow"),
}
"""The change that a successful call makes; changes of runs are recorded where they happen, whatever causes them."""
_ENDINGS: dict[str, str] = {
    Status.COMPLETED: "finished",
    Status.FAILED: "failed",
    Status.CANCELED: "canceled",
}
"""The change for each end of a run."""
_REPORTS = frozenset({"executeJob", "getJobExecutionById", "getJobExecutions", "getWorkflowExecutions"})
"""Calls whose answers contain statuses of runs."""

_Row = tuple[Any, ...]
"""The name of an event's class, and its values. An event itself takes twice the time to make, and full collections of garbage
would walk it, as they would a row with the class; most are never read."""
_CLASSES: dict[str, type[Event]] = {it.__name__: it for it in get_args(Event)}


class History:
    """The events of a server.

    Always true: events are numbered from 1 without gaps, also across a log that several processes have written one after the
    other; an event is in the log before the next one takes effect; and a status is reported only when it differs from the one
    reported before. An event that is recorded later than its effect would break the order, on which `verify_history` relies.

    Args:
        time: The emulator's clock.
        limit: Events that are kept; older ones are dropped, and counted.
        log: A file to which each event is also appended, as a line of JSON.
    """

    def __init__(
        self, time: Callable[[], float], limit: int = defaults.HISTORY_LIMIT, log: Path | None = None
    ) -> None:
        if limit < 0:
            raise ValueError(f"history_limit must be 0 or more, got {limit!r}")
        self._time = time
        self._rows: deque[_Row] = deque(maxlen=limit)
        self._last = 0
        self._requests = 0
        self._reported: dict[str, str] = {}
        self._path = log
        self._file: TextIO | None = None
        self._logged = 0
        """The number of the newest event in the log when it was last closed."""
        self.acting: int | None = None
        """The request that causes runs to begin and end just now; None outside a request."""

    def __iter__(self) -> Iterator[Event]:
        return map(_event, tuple(self._rows))

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def last(self) -> int:
        """The number of the newest event; 0 before the first."""
        return self._last

    @property
    def requests(self) -> int:
        """How many requests were received."""
        return self._requests

    @property
    def dropped(self) -> int:
        """How many events were dropped because there were more than the limit."""
        return self._last - len(self._rows)

    def since(self, number: int) -> list[Event]:
        """Return the events after the one with this number."""
        return list(map(_event, islice(self._rows, max(0, number - self.dropped), None)))

    def to_jsonl(self, since: int = 0) -> str:
        """Return the events after ``since`` as JSON Lines."""
        return "".join(map(to_line, self.since(since)))

    def write(self, path: str | Path) -> None:
        """Write the events as JSON Lines; `read_history` reads them back."""
        Path(path).write_text(self.to_jsonl(), encoding="ascii")

    # --- what the server events --------------------------------------------------------------------------------------

    def open(self) -> None:
        """Open the log, if there is to be one, behind what it holds already, and event the start.

        Earlier events, of a saved state or of test controls, are written first.

        Raises:
            OSError: The log can't be opened.
            ValueError: It holds something other than a history.
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
        """Continue the numbers of a log after its last complete line: a killed process may have left an incomplete one."""
        file.seek(0)
        whole, last = 0, self._logged
        for line in file:
            for event in parse([line]):
                whole += len(line)
                last = max(last, event.number)
                if isinstance(event, RequestReceived):
                    self._requests = max(self._requests, event.request)
        file.truncate(whole)
        self._catch_up(file, last)

    def _catch_up(self, file: TextIO, last: int) -> None:
        """Renumber the kept events to follow event ``last`` of the log, and write those that it does not contain."""
        ahead = last - self._logged
        renumbered = ((name, number + ahead, *rest) for name, number, *rest in self._rows)
        self._rows = deque(renumbered, self._rows.maxlen)
        self._last += ahead
        file.writelines(map(to_line, self.since(last)))

    def close(self) -> None:
        """Close the log."""
        if self._file is not None:
            self._file.close()
            self._file = None
            self._logged = self._last

    def new_request(self) -> int:
        """Return the number of the next request."""
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
        self._record(RequestReceived, request, method, target, operation, access_key, kept)
        self._record(SignatureChecked, request, objection)

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
        """Record a run that this server has not launched."""
        self._record(StateChanged, None, "restored", "execution", execution.execution_id, execution.job_id)

    def ended(self, execution: Execution, outcome: str) -> None:
        """Record that a run was canceled, or ended by a test control."""
        what = _ENDINGS.get(outcome, outcome)
        self._record(StateChanged, self.acting, what, "execution", execution.execution_id, execution.job_id)

    def done(self, request: int, operation: str, ids: Mapping[str, str], answer: Answer) -> None:
        """Record the changes and the reported statuses of a call."""
        if operation in _WRITES:
            what, resource = _WRITES[operation]
            name = f"{resource}Id"
            self._record(
                StateChanged, request, what, resource, ids[name] if name in ids else answer.body[name]
            )
        elif operation in _REPORTS:
            self._report(request, answer.body)

    def answered(self, request: int, status: int, faults: tuple[str, ...] = ()) -> None:
        """Record that an answer was sent."""
        self._record(AnswerSent, request, status, faults)

    def lost(self, request: int | None, reason: str, faults: tuple[str, ...] = ()) -> None:
        """Record that an answer was not sent, or not completely."""
        self._record(AnswerLost, request, reason, faults)

    def _report(self, request: int, body: Any) -> None:
        reported = self._reported
        new = []
        for row in body.get("list", (body,)):
            execution_id, status = row["jobExecutionId"], str(row["status"])
            if reported.get(execution_id) != status:
                reported[execution_id] = status
                new.append((execution_id, status))
        if new:
            self._record(StatusReported, request, tuple(new))

    def _record(self, kind: type[Event], *values: Any) -> None:
        self._last += 1
        row = (kind.__name__, self._last, self._time(), *values)
        self._rows.append(row)
        if self._file is not None:
            self._file.write(to_line(_event(row)))


def _event(row: _Row) -> Event:
    name, *values = row
    return _CLASSES[name](*values)
