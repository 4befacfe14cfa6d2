"""A file of launches: one JSON object a line, or CSV whose columns are parameters. Read from any file, pipe or terminal."""

from __future__ import annotations

import codecs
import csv
import io
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self, cast

import attrs

from dataflow_async import InvalidRequest, Launch
from dataflow_async.bulk.launch_keys import LaunchKeys
from dataflow_async.wire import jsontext
from dataflow_async.wire.request import check_id

_MEMBERS = [member.name for member in attrs.fields(Launch)]
_OWN_COLUMNS = frozenset({"job", "job_id", "key", "trigger_id", "workflow_id"})
_SETTING = "condition."
_NUMBERS = frozenset({"numWorker", "num_worker", "timeout"})
_CHUNK = 1 << 20


class LaunchFile:
    """The launches of a file, which is read twice: all lines are checked before the first one is sent.

    What can be read only once (a pipe, ``-``, ``/dev/stdin``, ``<(...)``) is copied to a file without a name first:
    read a second time it would be empty, and nothing would be launched.

    Args:
        path: The file; ``-`` is standard input.
        job: Id or name of the job of launches that name none.
    """

    def __init__(self, path: Path, job: str | None = None) -> None:
        self.name = "standard input" if str(path) == "-" else str(path)
        self.jobs: dict[str, str] = {}
        """Ids of jobs that the file names by ``job``; to be filled in before `launches`."""
        self._path = path
        self._job = job
        self._file: IO[bytes]
        self._begin = 0

    def __enter__(self) -> Self:
        """Open the file.

        Raises:
            InvalidRequest: It can't be read.
        """
        try:
            self._file = sys.stdin.buffer if str(self._path) == "-" else self._path.open("rb")
            if self._file.seekable():
                self._begin = self._file.tell()
            else:
                with self._file as source:
                    self._file = cast("IO[bytes]", tempfile.TemporaryFile())
                    shutil.copyfileobj(source, self._file, _CHUNK)
        except OSError as error:
            raise InvalidRequest(f"{self.name}: {error.strerror or error}", field="launches") from None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self._file.close()

    def checked_count(self) -> int:
        """Count the launches, once all of them are known to be fit to be sent, and note the jobs they name.

        Raises:
            InvalidRequest: A line is no launch; the message names line and member.
        """
        count, keys = 0, LaunchKeys()
        for number, members in self._rows():
            try:
                launch = self._launch(members)
                check_id(launch.job_id, "job_id")
                keys.name(launch)
            except InvalidRequest as error:
                raise InvalidRequest(f"{self.name}, line {number}: {error}", field=error.field) from None
            count += 1
        return count

    def launches(self) -> Iterator[Launch]:
        """Read the launches one by one; lines without text are passed over."""
        return (self._launch(members) for _, members in self._rows())

    def _launch(self, members: dict[str, Any]) -> Launch:
        members = dict(members)
        name = members.pop("job", None)
        if name is None and "job_id" not in members:
            name = self._job
        if name is not None:
            if not isinstance(name, str):
                raise InvalidRequest(f"job must be the name of a job, got {name!r}", field="job")
            members["job_id"] = self.jobs.setdefault(name, name)
        return Launch(**members)

    def _rows(self) -> Iterator[tuple[int, dict[str, Any]]]:
        self._file.seek(self._begin)
        first = self._file.read(_CHUNK).lstrip(b"\xef\xbb\xbf \t\r\n")
        self._file.seek(self._begin)
        if not first:
            return
        yield from self._csv_rows() if self._is_csv(first) else self._json_rows()

    def _is_csv(self, first: bytes) -> bool:
        """Go by the name, else by the first character: a line of launches is an object."""
        suffix = self._path.suffix.lower()
        return suffix == ".csv" or (
            suffix not in {".jsonl", ".json", ".ndjson"} and not first.startswith(b"{")
        )

    # --- JSON Lines ----------------------------------------------------------------------------------------

    def _json_rows(self) -> Iterator[tuple[int, dict[str, Any]]]:
        for number, line in enumerate(self._file, 1):
            if text := line.removeprefix(b"\xef\xbb\xbf").strip():
                yield number, self._json_row(text, f"{self.name}, line {number}")

    def _json_row(self, line: bytes, where: str) -> dict[str, Any]:
        job = "job_id" if self._job is None else "job_id unless --job names it"
        allowed = f"it must be a JSON object with {job}, and any of job, {', '.join(_MEMBERS[1:])}"
        try:
            members = jsontext.read(line)
        except ValueError:
            members = None
        has_job = isinstance(members, dict) and (members.keys() & {"job", "job_id"} or self._job)
        if not isinstance(members, dict) or not has_job:
            raise InvalidRequest(f"{where}: {allowed}", field="launches")
        if unknown := [name for name in members if name not in {*_MEMBERS, "job"}]:
            raise InvalidRequest(f"{where}: {allowed}; there is no {unknown[0]!r}", field=unknown[0])
        return members

    # --- CSV -----------------------------------------------------------------------------------------------

    def _csv_rows(self) -> Iterator[tuple[int, dict[str, Any]]]:
        text = io.TextIOWrapper(self._file, self._encoding(), newline="")
        try:
            rows = csv.reader(text, strict=True)
            head = [name.strip() for name in next(rows)]
            self._check_head(head)
            for cells in rows:
                if any(cell.strip() for cell in cells):
                    yield rows.line_num, self._csv_row(head, cells, f"{self.name}, line {rows.line_num}")
        except csv.Error as error:
            raise InvalidRequest(f"{self.name}, line {rows.line_num}: {error}", field="launches") from None
        finally:
            text.detach()

    def _encoding(self) -> str:
        """UTF-8, or CP949, in which spreadsheets of a Korean Windows write CSV."""
        decoder = codecs.getincrementaldecoder("utf-8")()
        self._file.seek(self._begin)
        try:
            while chunk := self._file.read(_CHUNK):
                decoder.decode(chunk)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return "cp949"
        finally:
            self._file.seek(self._begin)
        return "utf-8-sig"

    def _check_head(self, head: list[str]) -> None:
        doubled = [name for name in head if head.count(name) > 1 or not name]
        if doubled:
            raise InvalidRequest(
                f"{self.name}, line 1: each column must have a name of its own, got {doubled[0]!r} twice or empty",
                field="launches",
            )
        if not _OWN_COLUMNS & {"job", "job_id"} & set(head) and self._job is None:
            raise InvalidRequest(
                f"{self.name}, line 1: a column job_id or job is missing, and --job is not given",
                field="launches",
            )

    def _csv_row(self, head: list[str], cells: list[str], where: str) -> dict[str, Any]:
        if len(cells) != len(head):
            raise InvalidRequest(
                f"{where}: it must have as many cells as the head, {len(head)}, got {len(cells)}",
                field="launches",
            )
        row = {name: cell for name, cell in zip(head, cells, strict=True) if cell}
        members: dict[str, Any] = {name: row.pop(name) for name in _OWN_COLUMNS & row.keys()}
        settings = {
            name.removeprefix(_SETTING): row.pop(name) for name in [*row] if name.startswith(_SETTING)
        }
        if settings:
            members["condition"] = {name: _number(name, text, where) for name, text in settings.items()}
        if row:
            members["parameters"] = {name.removeprefix("parameters."): cell for name, cell in row.items()}
        return members


def _number(name: str, text: str, where: str) -> str | int:
    if name not in _NUMBERS:
        return text
    try:
        return int(text)
    except ValueError:
        raise InvalidRequest(f"{where}: {name} must be a whole number, got {text!r}", field=name) from None
