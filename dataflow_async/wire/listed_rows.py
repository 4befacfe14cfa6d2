"""Pages of runs -> what reconciliation reads of them: of each row the id, status and dates, what started it, what it echoes.

A list of a hundred thousand runs is read at least twice, and most of its rows are of runs that are recorded, or were read
before. So a row becomes a whole run only where it may be a lost launch's own.

There are two readers, as in `run_rows`: of the body by msgspec, where the ``speed`` extra is installed, and of the runs that the
full decoder makes. Always true: a body with anything odd in what is read here is left to the full decoder, so both show
the same; a row that one of them misses would look absent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeAlias

from dataflow_async import defaults
from dataflow_async.errors import InvalidRequest
from dataflow_async.models.execution import JobExecution
from dataflow_async.wire import jsontext
from dataflow_async.wire.run_rows import RowSource, TextPage, decoded_page, page_decoder

if TYPE_CHECKING:
    from dataflow_async.models.page import Page

RunSource: TypeAlias = JobExecution | RowSource
"""A run, or what it is decoded from."""

ParametersSource: TypeAlias = bytes | Mapping[str, Any]
"""Parameters, or their text, which is nothing to walk for garbage collection."""


class ListedRow(Protocol):
    """What is read of a row."""

    @property
    def job_execution_id(self) -> str:
        """Its id."""

    @property
    def status(self) -> str | None:
        """Its state."""

    @property
    def created_date(self) -> str | None:
        """As printed; so are the other two."""

    @property
    def start_date(self) -> str | None:
        """When it began to run."""

    @property
    def end_date(self) -> str | None:
        """When it ended."""

    @property
    def trigger_id(self) -> str | None:
        """What started it, if that was a trigger."""

    @property
    def type(self) -> str | None:
        """What started it: JOB or WORKFLOW so far."""


class ListedPage(Protocol):
    """The rows of a page that have an id, in their order."""

    @property
    def rows(self) -> Sequence[ListedRow]:
        """Those with an id."""

    @property
    def unreadable(self) -> int:
        """Number of the others."""

    @property
    def count(self) -> int | None:
        """The total, or the rows of this page: the docs disagree."""

    def parameters(self, index: int) -> Mapping[str, Any] | None:
        """Return the parameters that a row echoes; None where it echoes none, or none that can be read."""

    def parameters_source(self, index: int) -> ParametersSource | None:
        """Return what `parameters_of` reads them from later; whatever where there are none."""

    def source(self, index: int) -> RunSource:
        """Return what the run of a row can be decoded from later. Rows must be asked for in their order."""


def parameters_of(source: ParametersSource) -> Mapping[str, Any] | None:
    """Return the parameters that a text holds, or are there already; None where it can't be read."""
    if not isinstance(source, bytes):
        return source
    try:
        shown: Mapping[str, Any] | None = jsontext.read(source)
    except ValueError:
        return None
    return shown


class _Row(NamedTuple):
    job_execution_id: str
    status: str | None
    created_date: str | None
    start_date: str | None
    end_date: str | None
    trigger_id: str | None
    type: str | None


class ModelPage:
    """A page of whole runs.

    Args:
        page: The page.
    """

    def __init__(self, page: Page[JobExecution]) -> None:
        self._runs = page.items
        self.rows: Sequence[ListedRow] = [_row(run) for run in page.items]
        self.unreadable = len(page.raw.get("list") or page.items) - len(page.items)
        self.count = page.count

    def parameters(self, index: int) -> Mapping[str, Any] | None:
        """Return the parameters that a row echoes."""
        return self._runs[index].parsed_parameters

    def parameters_source(self, index: int) -> ParametersSource | None:
        """Return them as text, if they can be written."""
        shown = self._runs[index].parsed_parameters
        try:
            return None if shown is None else jsontext.write(shown)
        except InvalidRequest:
            return shown

    def source(self, index: int) -> RunSource:
        """Return the run as its text, which is nothing to walk for garbage collection, if it has one."""
        run = self._runs[index]
        try:
            return jsontext.write(run.raw) if run.raw else run
        except InvalidRequest:
            return run


def _row(run: JobExecution) -> _Row:
    created, began, ended = (
        date if isinstance(date := run.raw.get(name), str) else None
        for name in ("createdDate", "startDate", "endDate")
    )
    status = None if run.status is None else str(run.status)  # as text, not as a member of an enumeration
    return _Row(run.job_execution_id, status, created, began, ended, run.trigger_id, run.type)


class _BodyPage:
    """A page of which only the rows were read."""

    unreadable = 0

    def __init__(self, content: Any, body: bytes, job_id: str) -> None:
        self.rows: Any = content.list
        self.count: int | None = content.count if type(content.count) is int else None
        self._texts = TextPage(content.list, body, job_id)
        self._asked = 0

    def parameters(self, index: int) -> Mapping[str, Any] | None:
        return parameters_of(self.parameters_source(index))

    def parameters_source(self, index: int) -> bytes:
        return bytes(self.rows[index].parsed_parameters)

    def source(self, index: int) -> RowSource:
        """Return the text of a row; where many of a page are needed, it is parsed once for all of them."""
        self._asked += 1
        if self._asked > defaults.ROWS_WORTH_SPLITTING:
            return self._texts.split(index)
        try:
            return self._texts.source(index)
        except ValueError:  # it holds a number that is none
            return self._texts.split(index)


def is_loaded() -> bool:
    """Return whether `load` has been called, or a page was read."""
    return _decoder.cache_info().currsize > 0


def load() -> None:
    """Load what bodies are read with; else the first page does, which takes it 40 ms longer."""
    _decoder()


def read_fast(body: bytes, job_id: str) -> ListedPage | None:
    """Return the page that a body holds; None where the full decoder must read it, and without msgspec."""
    page = decoded_page(_decoder(), body)
    if page is None:
        return None
    for row in page.list:
        if (row.job_id != job_id and row.job_id is not None) or not row.job_execution_id:
            return None
        shown = row.parsed_parameters
        if len(shown) and bytes(shown)[:1] != b"{" and bytes(shown) != b"null":
            return None
    return _BodyPage(page, body, job_id)


@cache
def _decoder() -> Callable[[bytes], Any] | None:
    members = ("status", "created_date", "start_date", "end_date", "trigger_id", "type")
    return page_decoder(members, raw=("parsed_parameters",), beside=("count",))
