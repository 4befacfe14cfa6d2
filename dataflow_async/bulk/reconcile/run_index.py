"""Listed runs that are not recorded, found by when they were created and by what they echo. Pure.

A thousand lost launches against twenty thousand runs are twenty million pairs. So each launch is shown only the runs that
are not provably older and do not provably echo something else.
"""

from __future__ import annotations

import unicodedata
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from operator import itemgetter
from typing import Any, NamedTuple

from attrs import frozen

from dataflow_async.bulk.digests import parameters_digest
from dataflow_async.bulk.reconcile.dating import DateReader
from dataflow_async.bulk.reconcile.steps import Steps, at_once, in_order, slices
from dataflow_async.errors import InvalidRequest
from dataflow_async.models.execution import ExecutionStatus, JobExecution
from dataflow_async.models.moment import Printed, printed
from dataflow_async.wire import jsontext
from dataflow_async.wire.run_rows import RowSource, execution_of

_UNREADABLE = b"?"
"""Stands for the digest of parameters that can't be digested: no launch has it."""


@frozen
class ListedRun:
    """A run that a listing shows and that is not recorded.

    There may be a hundred thousand of them. So they keep the run as its text, which is nothing to walk for garbage collection.
    """

    _run: JobExecution | RowSource
    """The run, or what it is decoded from."""
    job_id: str
    execution_id: str
    """As it is recorded."""
    created: Printed | None
    ended: Printed | None
    """When it ended, or was created where that is not shown; None while it goes on."""
    parameters: bytes | None
    """Digest of the parameters it echoes; None where it echoes none."""
    name: str | None
    """What it echoes under the name that ``correlation_parameter`` gave, if that is text."""
    echoed: Mapping[str, Any] | None
    """The parameters that it echoes; None while it echoes nothing, as in state READY, and may do so yet."""
    started_directly: bool
    """Whether it shows neither a trigger nor a workflow that started it."""
    is_ready: bool
    """Whether it waits to be started."""

    @property
    def execution(self) -> JobExecution:
        """The run."""
        run = self._run
        if not isinstance(run, JobExecution):
            run = execution_of(run, self.job_id)
            object.__setattr__(self, "_run", run)
        return run

    @property
    def may_still_echo(self) -> bool:
        """Whether it may echo parameters yet that it does not echo now."""
        return self.echoed is None


def started_directly(execution: JobExecution) -> bool:
    """Return whether a run shows neither a trigger nor a workflow that started it."""
    return execution.trigger_id is None and execution.type in (None, "JOB")


def echo(execution: JobExecution) -> Mapping[str, Any] | None:
    """Return the parameters that a run echoes; None while it echoes nothing, as in state READY."""
    shown = execution.parsed_parameters
    return None if not shown and (shown is None or execution.status == ExecutionStatus.READY) else shown


def echoed_name(execution: JobExecution, correlation_parameter: str | None) -> str | None:
    """Return what a run echoes under the name of ``correlation_parameter``, if that is text."""
    value = (
        (execution.parsed_parameters or {}).get(correlation_parameter)
        if correlation_parameter is not None
        else None
    )
    return value if isinstance(value, str) else None


def date_of(execution: JobExecution, member: str) -> Printed | None:
    """Return a date of a run as it was printed, by the wire's name of the member."""
    return printed(execution.raw.get(member))


def folded(text: str) -> str:
    """Return what is left of a text where a service changes case, white space or Unicode form on its way back."""
    return "".join(unicodedata.normalize("NFKC", text).casefold().split())


def listed_run(execution: JobExecution, correlation_parameter: str | None) -> ListedRun:
    """Return a run with what is read from it, once."""
    created = date_of(execution, "createdDate")
    return ListedRun(
        _kept(execution),
        execution.job_id,
        stored_id(execution),
        created,
        (date_of(execution, "endDate") or created) if execution.is_terminal else None,
        echoed_digest(execution),
        echoed_name(execution, correlation_parameter),
        echo(execution),
        started_directly(execution),
        execution.status == ExecutionStatus.READY,
    )


def _kept(execution: JobExecution) -> JobExecution | RowSource:
    """Return a run as its text, if it has one."""
    try:
        return jsontext.write(execution.raw) if execution.raw else execution
    except InvalidRequest:
        return execution


def stored_id(execution: JobExecution) -> str:
    """Return the id of a run as it is recorded: half a surrogate pair has no form in UTF-8."""
    text = execution.job_execution_id
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def echoed_digest(execution: JobExecution) -> bytes | None:
    """Return the digest of the parameters that a run echoes; None where it echoes none."""
    try:
        return parameters_digest(execution.parsed_parameters)
    except InvalidRequest:
        return _UNREADABLE


class _Dated(NamedTuple):
    """Runs whose dates have one form, in the order of these."""

    zoned: bool
    dates: list[float]
    """The latest moments that they leave open, as printed."""
    runs: list[ListedRun]


def _dated(runs: Iterable[ListedRun], *, zoned: bool) -> Steps[_Dated]:
    """Sort the runs whose dates have a zone, or none."""
    pairs: list[tuple[float, ListedRun]] = []
    for some in slices(runs):
        pairs += [
            (run.created.at + run.created.grain, run)
            for run in some
            if run.created is not None and run.created.zoned is zoned
        ]
        yield
    made = _Dated(zoned, [], [])
    for ordered in slices((yield from in_order(pairs, itemgetter(0)))):
        for date, run in ordered:
            made.dates.append(date)
            made.runs.append(run)
        yield
    return made


class RunIndex:
    """Runs, by date and by echo.

    Always true: a run that is forgotten is in no answer, and a run that echoes nothing under a name is among those that
    may echo any value. A run that an index leaves out counts as another launch's.

    Args:
        names: Names of all parameters that a launch in question was sent with.
    """

    def __init__(self, names: Iterable[str] = (), runs: Iterable[ListedRun] = ()) -> None:
        self._names = frozenset(names)
        self._runs: dict[str, ListedRun] = {}
        self._by_key: defaultdict[str, list[ListedRun]] = defaultdict(list)
        """By the folded key that they echo; `_exact` and its values likewise."""
        self._without_key: list[ListedRun] = []
        self._exact: defaultdict[tuple[str, str], list[ListedRun]] = defaultdict(list)
        self._loose: defaultdict[str, list[ListedRun]] = defaultdict(list)
        self._sorted: dict[bool, tuple[_Dated, ...]] = {}
        for run in runs:
            self.add(run)

    def __len__(self) -> int:
        """Return the number of runs."""
        return len(self._runs)

    def __contains__(self, execution_id: str) -> bool:
        """Return whether a run is there."""
        return execution_id in self._runs

    def add(self, run: ListedRun) -> None:
        """Add a run, once however often it comes."""
        if run.execution_id in self._runs:
            return
        self._runs[run.execution_id] = run
        self._sorted.clear()
        if run.name is None:
            self._without_key.append(run)
        else:
            self._by_key[folded(run.name)].append(run)
        shown = run.echoed
        for name in self._names if shown is None else self._names & shown.keys():
            if shown is None or not isinstance(value := shown[name], str):
                self._loose[name].append(run)
            else:
                self._exact[name, folded(value)].append(run)

    def forget(self, ids: Iterable[str]) -> None:
        """Leave runs out from now on: they are recorded."""
        for execution_id in ids:
            self._runs.pop(execution_id, None)

    def named(self, key: str) -> list[ListedRun]:
        """Return the runs that echo a key."""
        return self._not_forgotten(run for run in self._by_key.get(folded(key), ()) if run.name == key)

    def any_echoes(self, digests: Mapping[bytes, int]) -> Steps[bool]:
        """Return whether a run echoes parameters that launches of ours carry, by the number of these."""
        for some in slices(self._runs.values()):
            if any(run.parameters is not None and digests.get(run.parameters) for run in some):
                return True
            yield
        return False

    def digests(self) -> Steps[set[bytes]]:
        """Return the digests of all parameters that runs echo."""
        found: set[bytes] = set()
        for some in slices(self._runs.values()):
            found.update(run.parameters for run in some if run.parameters is not None)
            yield
        return found

    def since(self, moment: float, reader: DateReader, *, directly: bool = False) -> Iterator[ListedRun]:
        """Return the runs that are not provably older than a moment in server time.

        Args:
            moment: Unix seconds.
            reader: Reads their dates.
            directly: Whether to return only those that were started directly, as far as they show.
        """
        for form in self._by_date(directly=directly):
            shift = reader.shift(zoned=form.zoned)
            start = 0 if shift is None else bisect_right(form.dates, moment + shift.least)
            for at in range(start, len(form.runs)):
                if form.runs[at].execution_id in self._runs:
                    yield form.runs[at]

    def _not_forgotten(self, runs: Iterable[ListedRun]) -> list[ListedRun]:
        return [run for run in runs if run.execution_id in self._runs]

    def _by_date(self, *, directly: bool) -> tuple[_Dated, ...]:
        """Return the runs without a date, those with a zone and those without one, each in order; made once."""
        if directly not in self._sorted:
            at_once(self.arrange(directly=directly))
        return self._sorted[directly]

    def arrange(self, *, directly: bool) -> Steps[None]:
        """Put the runs in order for `since`, which else does so at once when it is asked."""
        runs: list[ListedRun] = []
        undated = _Dated(False, [], [])
        for some in slices(self._runs.values()):
            runs += [run for run in some if not directly or run.started_directly]
            yield
        for some in slices(runs):
            undated.runs.extend(run for run in some if run.created is None)
            yield
        zoned = yield from _dated(runs, zoned=True)
        zoneless = yield from _dated(runs, zoned=False)
        self._sorted[directly] = undated, zoned, zoneless

    def echoing(self, sent: Mapping[str, str]) -> list[ListedRun] | None:
        """Return the runs that may have been sent these parameters; None if they distinguish nothing.

        Only where the service is known to echo parameters: then those that echo others were not.
        """
        if not sent:
            return None
        exact = {name: self._exact.get((name, folded(value)), ()) for name, value in sent.items()}
        name = min(exact, key=lambda name: len(exact[name]))
        return self._not_forgotten([*exact[name], *self._loose.get(name, ())])

    def with_key_or_without_one(self, key: str) -> list[ListedRun]:
        """Return the runs that echo a key, about, or no text under the name of ``correlation_parameter``."""
        return self._not_forgotten([*self._by_key.get(folded(key), ()), *self._without_key])


def is_since(run: ListedRun, moment: float, reader: DateReader) -> bool:
    """Return whether a run is not provably older than a moment in server time, as `RunIndex.since`."""
    span = reader.read(run.created)
    return span is None or span.latest > moment
