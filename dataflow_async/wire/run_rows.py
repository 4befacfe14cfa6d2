"""Pages of runs -> what polling reads of them: the id, the status and two dates of each row.

Of a page of a thousand rows, most show nothing new. So a row becomes a whole run only where one is needed, by `execution_of`.

There are two decoders: of the body by msgspec, where the ``speed`` extra is installed, which skips the other members, and of
JSON values. Always true: whatever one of them is not sure of is left to the other, so both show the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, NamedTuple, TypeAlias, cast

from dataflow_async.models.execution import JobExecution
from dataflow_async.wire import decoding, jsontext
from dataflow_async.wire.row_texts import RowTexts

RowSource: TypeAlias = bytes | dict[str, Any]
"""What a run is decoded from: a row's own text, or its JSON value. Text is small, and nothing for garbage collection."""


class RunRow(NamedTuple):
    """A row; without an id where it is about another job, or where its id or status is no text."""

    job_execution_id: str | None = None
    status: str | None = None
    created_date: str | None = None
    """As printed."""
    end_date: str | None = None
    """As printed."""


UNREADABLE = RunRow()
"""A row that shows nothing."""


class RunPage:
    """The rows of a page, made of JSON values.

    Args:
        rows: The rows, in their order.
        values: What each of them was made of.
        job_id: The job they are of.
    """

    def __init__(self, rows: Sequence[RunRow], values: Sequence[Any], job_id: str) -> None:
        self.rows = rows
        self._values = values
        self._job_id = job_id

    def source(self, index: int) -> RowSource:
        """Return what the run of a row with an id can be decoded from later.

        Raises:
            ValueError: It can't be read.
        """
        value: dict[str, Any] = self._values[index]
        return value

    def execution(self, index: int) -> JobExecution:
        """Return the run of a row with an id.

        Raises:
            ValueError: It can't be read.
        """
        return decoding.decode(JobExecution, self._values[index], {"jobId": self._job_id})


class TextPage(RunPage):
    """The same of a body of which only the rows were read. Rows must be asked for in their order."""

    def __init__(self, rows: Sequence[RunRow], body: bytes, job_id: str) -> None:
        super().__init__(rows, (), job_id)
        self._texts = RowTexts(body, rows, lambda body: cast("Sequence[Any]", _splitter()(body).list))

    def source(self, index: int) -> RowSource:
        """Return the text of a row."""
        return self._read(index)[0]

    def execution(self, index: int) -> JobExecution:
        """Return the run of a row."""
        return decoding.decode(JobExecution, self._read(index)[1], {"jobId": self._job_id})

    def split(self, index: int) -> bytes:
        """Return the text of a row, by parsing the body, once for all rows."""
        return self._texts.split(index)

    def _read(self, index: int) -> tuple[bytes, Any]:
        """Return the text of a row and its JSON value."""
        guess, row = self._texts.guess(index), self.rows[index]
        if guess is not None:
            try:
                value = jsontext.read(guess)
            except ValueError:
                value = None
            if _row(value, self._job_id) == (
                row.job_execution_id,
                row.status,
                row.created_date,
                row.end_date,
            ):
                return guess, value
        text = self._texts.split(index)
        return text, jsontext.read(text)


NO_ROWS = RunPage((), (), "")
"""An empty page."""


def execution_of(source: RowSource, job_id: str) -> JobExecution:
    """Return the run of a row.

    Raises:
        ValueError: It can't be read.
    """
    value = jsontext.read(source) if isinstance(source, bytes) else source
    return decoding.decode(JobExecution, value, {"jobId": job_id})


def page_of(values: Sequence[Any], job_id: str) -> RunPage:
    """Return the page whose rows are these JSON values."""
    return RunPage([_row(value, job_id) for value in values], values, job_id)


def _row(value: Any, job_id: str) -> RunRow:
    if type(value) is not dict or value.get("jobId") not in (job_id, None):
        return UNREADABLE
    execution_id, status = value.get("jobExecutionId"), value.get("status")
    if type(execution_id) is not str or not isinstance(status, str | None):
        return UNREADABLE
    return RunRow(execution_id, status, _text(value.get("createdDate")), _text(value.get("endDate")))


def _text(value: Any) -> str | None:
    return value if type(value) is str else None


def read_fast(body: bytes, job_id: str) -> RunPage | None:
    """Return the page that a body holds; None where JSON values must decide whether it is one, and without msgspec."""
    page = decoded_page(_decoder(), body)
    if page is None:
        return None
    for row in page.list:
        if row.job_id != job_id and row.job_id is not None:
            return None
    return TextPage(page.list, body, job_id)


@cache
def _decoder() -> Callable[[bytes], Any] | None:
    return page_decoder(("status", "created_date", "end_date"))


def page_decoder(
    texts: Sequence[str], *, raw: Sequence[str] = (), beside: Sequence[str] = ()
) -> Callable[[bytes], Any] | None:
    """Return msgspec's decoder of pages, looked for at the first page, not at import; None without msgspec.

    Args:
        texts: Members of a row beside its ids that must be text or null.
        raw: Members of a row that are only split off.
        beside: Members of the page that are read beside its rows, and the error that it may be.
    """
    try:
        from msgspec import Raw, defstruct, json
    except ImportError:
        return None
    members: list[Any] = [(name, str | None, None) for name in ("job_execution_id", "job_id", *texts)]
    members += [(name, Raw, Raw()) for name in raw]
    row = defstruct("Row", members, rename="camel", gc=False)
    # mypy takes a class that is made here for no type.
    rows, others = ("list", list[row]), [(name, Any, None) for name in ("error", "error_type", *beside)]  # type: ignore[valid-type]
    return json.Decoder(defstruct("Page", [rows, *others], rename="camel", gc=False)).decode


def decoded_page(decode: Callable[[bytes], Any] | None, body: bytes) -> Any:
    """Return what a decoder of `page_decoder` makes of a body; None where it is no page for sure, and without a decoder."""
    if decode is None:
        return None
    try:
        if not body.isascii():
            body.decode()  # msgspec skips members without checking their encoding
        page = decode(body)
    except (ValueError, RecursionError):
        return None
    return page if page.error is None and page.error_type is None else None


@cache
def _splitter() -> Callable[[bytes], Any]:
    """Return msgspec's decoder of the rows of a page as views of their texts."""
    from msgspec import Raw, defstruct, json

    return json.Decoder(defstruct("Page", [("list", list[Raw])], gc=False)).decode
