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

from attrs import define

from dataflow_async.bulk.digests import parameters_digest
from dataflow_async.bulk.reconcile.dating import DateReader, PlainDate
from dataflow_async.bulk.reconcile.steps import Steps, at_once, in_order, slices
from dataflow_async.errors import InvalidRequest
from dataflow_async.models.execution import TERMINAL, ExecutionStatus, JobExecution
from dataflow_async.models.moment import Printed, printed
from dataflow_async.models.page import Page
from dataflow_async.wire.listed_rows import ListedPage, ListedRow, ModelPage, RunSource
from dataflow_async.wire.run_rows import execution_of

_UNREADABLE = b"?"
"""Stands for the digest of parameters that can't be digested: no launch has it."""


@define(eq=False)
class ListedRun:
    """A run that a listing shows and that is not recorded.

    There may be a hundred thousand of them. So they keep the run as its text, which is nothing to walk for garbage collection.
    """

    _run: RunSource
    """The run, or what it is decoded from."""
    job_id: str
    execution_id: str
    """As it is recorded."""
    _created: PlainDate | None
    _end: str | None
    """When it ended, as printed."""
    status: str | None
    parameters: bytes | None
    """Digest of the parameters it echoes; None where it echoes none."""
    name: str | None
    """What it echoes under the name that ``correlation_parameter`` gave, if that is text."""
    echoed: Mapping[str, Any] | None
    """The parameters that it echoes; None while it echoes nothing, as in state READY, and may do so yet."""
    started_directly: bool
    """Whether it shows neither a trigger nor a workflow that started it."""
    is_odd: bool = False
    """Whether its text can't be read, or shows another run."""

    @property
    def execution(self) -> JobExecution:
        """The run; of one that can't be read no more than its id and status."""
        if isinstance(self._run, JobExecution):
            return self._run
        try:
            run = execution_of(self._run, self.job_id)
            self.is_odd = stored_id(run) != self.execution_id
        except ValueError:
            self.is_odd = True
        if self.is_odd:
            run = JobExecution(self.execution_id, self.job_id, status=self.status)
        self._run = run
        return run

    @property
    def created(self) -> Printed | None:
        """When it was created."""
        return None if self._created is None else Printed(*self._created)

    @property
    def ended(self) -> Printed | None:
        """When it ended, or was created where that is not shown; None while it goes on."""
        return (printed(self._end) or self.created) if self.status in TERMINAL else None

    @property
    def is_ready(self) -> bool:
        """Whether it waits to be started."""
        return self.status == ExecutionStatus.READY

    @property
    def may_still_echo(self) -> bool:
        """Whether it may echo parameters yet that it does not echo now."""
        return self.echoed is None


def is_direct(row: ListedRow) -> bool:
    """Return whether a run shows neither a trigger nor a workflow that started it."""
    return row.trigger_id is None and row.type in (None, "JOB")


def echo(parameters: Mapping[str, Any] | None, status: str | None) -> Mapping[str, Any] | None:
    """Return the parameters that a run of a status echoes; None while it echoes nothing, as in state READY."""
    if not parameters and (parameters is None or status == ExecutionStatus.READY):
        return None
    return parameters


def echoed_name(parameters: Mapping[str, Any] | None, correlation_parameter: str | None) -> str | None:
    """Return what is echoed under the name of ``correlation_parameter``, if that is text."""
    if parameters is None or correlation_parameter is None:
        return None
    value = parameters.get(correlation_parameter)
    return value if isinstance(value, str) else None


def echoed_digest(parameters: Mapping[str, Any] | None) -> bytes | None:
    """Return the digest of the parameters that a run echoes; None where it echoes none."""
    try:
        return parameters_digest(parameters)
    except InvalidRequest:
        return _UNREADABLE


def folded(text: str) -> str:
    """Return what is left of a text where a service changes case, white space or Unicode form on its way back."""
    return "".join(unicodedata.normalize("NFKC", text).casefold().split())


def listed_run(execution: JobExecution, correlation_parameter: str | None) -> ListedRun:
    """Return a run that was read whole, with what is read from it once."""
    page = ModelPage(Page([execution]))
    created = printed(page.rows[0].created_date)
    return listed_row(page, 0, created, execution.job_id, correlation_parameter)


def listed_row(
    page: ListedPage, index: int, created: PlainDate | None, job_id: str, correlation_parameter: str | None
) -> ListedRun:
    """Return the run of a row, with what is read from it once."""
    row, parameters = page.rows[index], page.parameters(index)
    return ListedRun(
        page.source(index),
        job_id,
        as_stored(row.job_execution_id),
        created,
        row.end_date,
        row.status,
        echoed_digest(parameters),
        echoed_name(parameters, correlation_parameter),
        echo(parameters, row.status),
        is_direct(row),
    )


def as_stored(execution_id: str) -> str:
    """Return the id of a run as it is recorded: half a surrogate pair has no form in UTF-8."""
    if execution_id.isascii():
        return execution_id
    return execution_id.encode("utf-8", "backslashreplace").decode()


def stored_id(execution: JobExecution) -> str:
    """Return the id of a run as it is recorded."""
    return as_stored(execution.job_execution_id)


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
            (created.at + created.grain, run)
            for run in some
            if (created := run.created) is not None and created.zoned is zoned
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
        sent: The parameters that each launch in question was sent with; `echoing` is asked for no others.
    """

    def __init__(self, sent: Iterable[Mapping[str, str]] = (), runs: Iterable[ListedRun] = ()) -> None:
        pairs = {pair for parameters in sent for pair in parameters.items()}
        self._names = frozenset(name for name, _ in pairs)
        self._runs: dict[str, ListedRun] = {}
        self._by_key: defaultdict[str, list[ListedRun]] = defaultdict(list)
        """By the folded key that they echo; `_exact` and its values likewise."""
        self._without_key: list[ListedRun] = []
        self._exact: dict[tuple[str, str], list[ListedRun]] = {
            (name, folded(value)): [] for name, value in pairs
        }
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
            elif (runs := self._exact.get((name, folded(value)))) is not None:
                runs.append(run)

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
        exact = {name: self._exact[name, folded(value)] for name, value in sent.items()}
        name = min(exact, key=lambda name: len(exact[name]))
        return self._not_forgotten([*exact[name], *self._loose.get(name, ())])

    def with_key_or_without_one(self, key: str) -> list[ListedRun]:
        """Return the runs that echo a key, about, or no text under the name of ``correlation_parameter``."""
        return self._not_forgotten([*self._by_key.get(folded(key), ()), *self._without_key])


def is_since(run: ListedRun, moment: float, reader: DateReader) -> bool:
    """Return whether a run is not provably older than a moment in server time, as `RunIndex.since`."""
    span = reader.read(run.created)
    return span is None or span.latest > moment
