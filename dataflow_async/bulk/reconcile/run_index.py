"""Listed runs that are not recorded, found by when they were created and by what they echo. Pure.

A thousand lost launches against twenty thousand runs are twenty million pairs. So each launch is shown only the runs that
are not provably older and do not provably echo something else.

There may be a hundred thousand of them. So they are kept as `PlainRun`, which is nothing to walk for garbage collection, and
only those that a launch is shown become a `ListedRun`.
"""

from __future__ import annotations

import unicodedata
from array import array
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, KeysView, Mapping
from functools import cached_property
from itertools import chain
from operator import itemgetter
from typing import Any, NamedTuple, Protocol, TypeAlias

from attrs import define

from dataflow_async.bulk.digests import parameters_digest
from dataflow_async.bulk.reconcile.dating import DateReader, PlainDate, PrintedDates
from dataflow_async.bulk.reconcile.steps import Steps, at_once, emptied, in_order, slices
from dataflow_async.errors import InvalidRequest
from dataflow_async.models.execution import TERMINAL, ExecutionStatus, JobExecution
from dataflow_async.models.moment import Printed, printed
from dataflow_async.models.page import Page
from dataflow_async.wire.listed_rows import (
    ListedPage,
    ListedRow,
    ModelPage,
    ParametersSource,
    RunSource,
    parameters_of,
)
from dataflow_async.wire.run_rows import execution_of

_UNREADABLE = b"?"
"""Stands for the digest of parameters that can't be digested: no launch has it."""


PlainRun: TypeAlias = tuple[
    RunSource,
    str,
    str,
    PlainDate | None,
    str | None,
    str | None,
    str | None,
    ParametersSource | None,
    bool,
]
"""What a `ListedRun` is made of, as a tuple of Python's own, of texts, numbers and bytes."""

EchoingRun: TypeAlias = tuple[PlainRun, Mapping[str, Any] | None]
"""A run, and the parameters that it echoes, which a `PlainRun` keeps as text alone."""

_created: Callable[[PlainRun], PlainDate | None] = itemgetter(3)
_echo: Callable[[PlainRun], ParametersSource | None] = itemgetter(7)
_directly: Callable[[PlainRun], bool] = itemgetter(8)


class Sought(Protocol):
    """A launch for which runs are looked for."""

    @property
    def key(self) -> str:
        """Names it within its journal."""

    @property
    def sent(self) -> Mapping[str, str]:
        """The parameters that it was sent with, those that are known."""


@define(eq=False)
class ListedRun:
    """A run that a listing shows and that is not recorded."""

    _run: RunSource
    """The run, or what it is decoded from."""
    job_id: str
    execution_id: str
    """As it is recorded."""
    _created: PlainDate | None
    _end: str | None
    """When it ended, as printed."""
    status: str | None
    name: str | None
    """What it echoes under the name that ``correlation_parameter`` gave, if that is text."""
    _echo: ParametersSource | None
    """What `echoed` is read from."""
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
    def echoed(self) -> Mapping[str, Any] | None:
        """The parameters that it echoes; None while it echoes nothing, as in state READY, and may do so yet."""
        if self._echo is None:
            return None
        self._echo = echoed = parameters_of(self._echo)
        return echoed

    @cached_property
    def parameters(self) -> bytes | None:
        """Digest of the parameters it echoes; None where it echoes none."""
        return echoed_digest(self.echoed)

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
        return self._echo is None


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


def listed_run(execution: JobExecution, correlation_parameter: str | None) -> EchoingRun:
    """Return a run that was read whole, with what is read from it once."""
    page = ModelPage(Page([execution]))
    created = PrintedDates()[page.rows[0].created_date]
    return listed_row(page, 0, created, execution.job_id, correlation_parameter)


def listed_row(
    page: ListedPage, index: int, created: PlainDate | None, job_id: str, correlation_parameter: str | None
) -> EchoingRun:
    """Return the run of a row, with what is read from it once."""
    row = page.rows[index]
    echoed = echo(page.parameters(index), row.status)
    plain = (
        page.source(index),
        job_id,
        as_stored(row.job_execution_id),
        created,
        row.end_date,
        row.status,
        echoed_name(echoed, correlation_parameter),
        None if echoed is None else page.parameters_source(index),
        is_direct(row),
    )
    return plain, echoed


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
    dates: array[float]
    """The latest moments that they leave open, as printed."""
    ids: list[str]

    def since(self, moment: float, reader: DateReader) -> Iterator[str]:
        """Return the ids of those that are not provably older than a moment in server time."""
        shift = reader.shift(zoned=self.zoned)
        start = 0 if shift is None else bisect_right(self.dates, moment + shift.least)
        return map(self.ids.__getitem__, range(start, len(self.ids)))


def _dated(dates: Iterable[tuple[str, PlainDate | None]], *, zoned: bool) -> Steps[_Dated]:
    """Sort the runs whose dates have a zone, or none."""
    pairs: list[tuple[float, str]] = []
    for some in slices(dates):
        pairs += [
            (created[0] + created[1], execution_id)
            for execution_id, created in some
            if created is not None and created[2] is zoned
        ]
        yield
    made = _Dated(zoned, array("d"), [])
    for ordered in slices((yield from in_order(pairs, itemgetter(0)))):
        for date, execution_id in ordered:
            made.dates.append(date)
            made.ids.append(execution_id)
        yield
    return made


class RunIndex:
    """Runs, by date and by echo.

    Always true: a run that is forgotten is in no answer, and a run that echoes nothing under a name is among those that
    may echo any value. A run that an index leaves out counts as another launch's. A run is one `ListedRun` in all answers:
    once it has proved odd, it stays so.

    Args:
        launches: Those in question; it is asked about no others.
        runs: The first runs.
    """

    def __init__(self, launches: Iterable[Sought] = (), runs: Iterable[EchoingRun] = ()) -> None:
        self._by_key: dict[str, list[str]] = {}
        """Ids by the folded key that runs echo; `_exact` and its values likewise."""
        self._exact: dict[tuple[str, str], list[str]] = {}
        for launch in launches:
            self._by_key[folded(launch.key)] = []
            self._exact.update(((name, folded(value)), []) for name, value in launch.sent.items())
        self._names = frozenset(name for name, _ in self._exact)
        self._runs: dict[str, PlainRun] = {}
        self._shown: dict[str, ListedRun] = {}
        """Those of them that were in an answer."""
        self._without_key: dict[str, None] = {}
        """Their ids; garbage collections walk a list or a set of texts, and not a dictionary."""
        self._loose: defaultdict[str, list[str]] = defaultdict(list)
        self._sorted: dict[bool, tuple[_Dated, ...]] = {}
        for run, echoed in runs:
            self.add(run, echoed)

    def __len__(self) -> int:
        """Return the number of runs."""
        return len(self._runs)

    @property
    def ids(self) -> KeysView[str]:
        """The ids of the runs."""
        return self._runs.keys()

    def add(self, run: PlainRun, echoed: Mapping[str, Any] | None) -> None:
        """Add a run and what it echoes, once however often it comes."""
        _, _, execution_id, _, _, _, key, _, _ = run
        if execution_id in self._runs:
            return
        self._runs[execution_id] = run
        self._sorted.clear()
        if key is None:
            self._without_key[execution_id] = None
        elif (ids := self._by_key.get(folded(key))) is not None:
            ids.append(execution_id)
        if self._names:
            self._add_echo(execution_id, echoed)

    def _add_echo(self, execution_id: str, shown: Mapping[str, Any] | None) -> None:
        for name in self._names if shown is None else self._names & shown.keys():
            if shown is None or not isinstance(value := shown[name], str):
                self._loose[name].append(execution_id)
            elif (ids := self._exact.get((name, folded(value)))) is not None:
                ids.append(execution_id)

    def forget(self, ids: Iterable[str]) -> None:
        """Leave runs out from now on: they are recorded."""
        for execution_id in ids:
            self._runs.pop(execution_id, None)

    def emptied(self) -> Steps[None]:
        """Release all runs, in steps: to free a hundred thousand at once takes long."""
        self._sorted.clear()
        yield from emptied(self._runs, self._shown, self._without_key)

    def named(self, key: str) -> list[ListedRun]:
        """Return the runs that echo a key."""
        return [run for run in self._of(self._by_key[folded(key)]) if run.name == key]

    def digests(self, until: Collection[bytes] = ()) -> Steps[set[bytes]]:
        """Return the digests of the parameters that runs echo; no more once one of ``until`` is among them."""
        found: set[bytes] = set()
        for some in slices(self._runs.values()):
            texts = (text for text in map(_echo, some) if text is not None)
            digests = (echoed_digest(parameters_of(text)) for text in texts)
            found.update(digest for digest in digests if digest is not None)
            if not found.isdisjoint(until):
                break
            yield
        return found

    def since(self, moment: float, reader: DateReader, *, directly: bool = False) -> Iterator[ListedRun]:
        """Return the runs that are not provably older than a moment in server time.

        Args:
            moment: Unix seconds.
            reader: Reads their dates.
            directly: Whether to return only those that were started directly, as far as they show.
        """
        forms = self._by_date(directly=directly)
        return self._of(chain.from_iterable(form.since(moment, reader) for form in forms))

    def _of(self, ids: Iterable[str]) -> Iterator[ListedRun]:
        """Return these runs but for those that are forgotten."""
        for execution_id in ids:
            if execution_id in self._runs:
                if execution_id not in self._shown:
                    self._shown[execution_id] = ListedRun(*self._runs[execution_id])
                yield self._shown[execution_id]

    def _by_date(self, *, directly: bool) -> tuple[_Dated, ...]:
        """Return the runs without a date, those with a zone and those without one, each in order; made once."""
        if directly not in self._sorted:
            at_once(self.arrange(directly=directly))
        return self._sorted[directly]

    def arrange(self, *, directly: bool) -> Steps[None]:
        """Put the runs in order for `since`, which else does so at once when it is asked."""
        dates: list[tuple[str, PlainDate | None]] = []
        undated = _Dated(False, array("d"), [])
        for some in slices(self._runs.items()):
            dates += [
                (execution_id, _created(run)) for execution_id, run in some if not directly or _directly(run)
            ]
            yield
        for these in slices(dates):
            undated.ids.extend(execution_id for execution_id, created in these if created is None)
            yield
        zoned = yield from _dated(dates, zoned=True)
        zoneless = yield from _dated(dates, zoned=False)
        self._sorted[directly] = undated, zoned, zoneless

    def echoing(self, sent: Mapping[str, str]) -> Iterator[ListedRun] | None:
        """Return the runs that may have been sent these parameters; None if they distinguish nothing.

        Only where the service is known to echo parameters: then those that echo others were not.
        """
        if not sent:
            return None
        exact = {name: self._exact[name, folded(value)] for name, value in sent.items()}
        name = min(exact, key=lambda name: len(exact[name]))
        return self._of(chain(exact[name], self._loose.get(name, ())))

    def with_key_or_without_one(self, key: str) -> Iterator[ListedRun]:
        """Return the runs that echo a key, about, or no text under the name of ``correlation_parameter``."""
        return self._of(chain(self._by_key[folded(key)], self._without_key))


def is_since(run: ListedRun, moment: float, reader: DateReader) -> bool:
    """Return whether a run is not provably older than a moment in server time, as `RunIndex.since`."""
    span = reader.read(run.created)
    return span is None or span.latest > moment
