"""Prints data: a table for people, JSON, JSON Lines, YAML or CSV for programs. Texts of the service stay text."""

from __future__ import annotations

import csv
import io
import json
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from enum import Enum, StrEnum
from importlib import import_module
from typing import TYPE_CHECKING, Any

import attrs
from attrs import frozen

from dataflow_async.cli.exit_codes import CommandFailed, ExitCode
from dataflow_async.cli.text import escaped
from dataflow_async.models.moment import KST

if TYPE_CHECKING:
    from rich.text import Text

    from dataflow_async.models.base import Response

_GAP = 2
"""Spaces between two columns."""
_NARROWEST, _NARROWEST_OF_ALL = 8, 4
"""Columns of the terminal to which a name is shortened at most; in a terminal too narrow for that, the second."""
_FORMULA = ("=", "+", "-", "@")
"""What a spreadsheet takes for the begin of a formula."""
_STYLES = {"COMPLETED": "green", "FAILED": "red", "CANCELED": "yellow", "RUNNING": "cyan", "UNCERTAIN": "red"}


class Format(StrEnum):
    """Forms of output."""

    TABLE = "table"
    JSON = "json"
    JSONL = "jsonl"
    YAML = "yaml"
    CSV = "csv"


def plain(value: Any) -> str:
    """Show a value as it is; a dash for none."""
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return ", ".join(f"{key}={plain(member)}" for key, member in value.items()) or "-"
    if isinstance(value, list | tuple):
        return ", ".join(map(plain, value)) or "-"
    return str(value)


def moment(value: Any) -> str:
    """Show a time in UTC+9, as the console does; text that names no time as it is."""
    if not isinstance(value, str):
        return plain(value)
    try:
        at = datetime.fromisoformat(value)
    except ValueError:
        return value
    return f"{at.astimezone(KST):%Y-%m-%d %H:%M:%S}" if at.tzinfo else f"{at:%Y-%m-%d %H:%M:%S}"


def minutes(value: Any) -> str:
    """Show minutes as ``m:ss`` or ``h:mm:ss``; a dash for none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return plain(value)
    whole, seconds = divmod(round(value * 60), 60)
    hours, whole = divmod(whole, 60)
    return f"{hours}:{whole:02}:{seconds:02}" if hours else f"{whole}:{seconds:02}"


@frozen
class Column:
    """One column of a table and of CSV, one line where a single thing is shown.

    Attributes:
        title: Its heading.
        member: Name in the record; dots lead into objects.
        show: Makes the text of a cell.
        right: Whether it is aligned to the right.
        elastic: Whether it may be shortened to fit a terminal: names may, ids and states may not.
        wide: Shown only where a single thing is shown, and in CSV.
    """

    title: str
    member: str
    show: Callable[[Any], str] = plain
    right: bool = False
    elastic: bool = False
    wide: bool = False

    def value(self, record: Mapping[str, Any]) -> Any:
        """Return its value in a record, or None."""
        found: Any = record
        for name in self.member.split("."):
            found = found.get(name) if isinstance(found, Mapping) else None
        return found

    def cell(self, record: Mapping[str, Any]) -> str:
        """Return the text of its cell."""
        return escaped(self.show(self.value(record)))


Columns = Sequence[Column]


def record_of(model: Response | Mapping[str, Any]) -> dict[str, Any]:
    """Return a thing as JSON: the API's names, times with their zone, unknown members as received, no nulls."""
    if isinstance(model, Mapping):
        return {name: _value(value) for name, value in model.items() if value is not None}
    record: dict[str, Any] = {}
    for member in attrs.fields(type(model)):
        if member.name != "raw" and (value := getattr(model, member.name)) is not None:
            record[_camel(member.name)] = _value(value)
    known = {_camel(member.name) for member in attrs.fields(type(model))} | {
        "runCondition",
        "executeCondition",
    }
    record.update({name: _value(value) for name, value in model.raw.items() if name not in known})
    return record


def _value(value: Any) -> Any:
    if hasattr(value, "to_wire"):  # a node of a job
        return _value(value.to_wire())
    if attrs.has(type(value)):
        return record_of(value)
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return {str(name): _value(member) for name, member in value.items()}
    if isinstance(value, list | tuple):
        return [_value(member) for member in value]
    return value


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


class Output:
    """Standard output for data, standard error for everything else.

    Text is printed as it is: no markup is read from it, control characters are escaped.
    """

    def __init__(self, form: Format = Format.TABLE, query: str | None = None) -> None:
        self.form = form
        self._query: Any = _compiled(query) if query else None
        self._has_head = False

    @property
    def has_query(self) -> bool:
        """Whether a part of the data is asked for."""
        return self._query is not None

    def _found(self, data: Any) -> Any:
        """Return the part that the query names.

        Raises:
            CommandFailed: The query does not fit this data. What the command has done is done: this is no usage error.
        """
        jmespath = import_module("jmespath")
        try:
            return self._query.search(data)
        except jmespath.exceptions.JMESPathError as error:
            raise CommandFailed(_bad_query(error)) from None

    # --- data ----------------------------------------------------------------------------------------------

    def rows(self, models: Iterable[Response | Mapping[str, Any]], columns: Columns) -> None:
        """Print a list."""
        records = [record_of(model) for model in models]
        if self._query is not None:
            self._value(self._found(records))
        elif self.form is Format.TABLE:
            if not records:
                self.note("none")
            else:
                self._table(records, [column for column in columns if not column.wide])
        elif self.form is Format.CSV:
            self._csv(records, columns)
        else:
            self._value(records)

    def one(self, model: Response | Mapping[str, Any], columns: Columns) -> None:
        """Print one thing."""
        record = record_of(model)
        if self._query is not None:
            self._value(self._found(record))
        elif self.form is Format.TABLE:
            self._facts({column.title: column.cell(record) for column in columns})
        elif self.form is Format.CSV:
            self._csv([record], columns)
        else:
            self._value(record)

    def stream(self, model: Response | Mapping[str, Any], columns: Columns) -> None:
        """Print one of many things as it comes: a line in a table, a document each for programs."""
        record = record_of(model)
        if self._query is not None:
            self._value(self._found(record), is_line=True)
        elif self.form is Format.TABLE:
            self.text("  ".join(column.cell(record) for column in columns if not column.wide))
        elif self.form is Format.CSV:
            head = [] if self._has_head else [[_csv_cell(column.member) for column in columns]]
            self._has_head = True
            self._write(_csv_lines([*head, _csv_row(record, columns)]))
        else:
            self._value(record, is_line=True)

    def text(self, text: str) -> None:
        """Print text for people as data."""
        self._write("\n".join(map(escaped, text.split("\n"))) + "\n")

    # --- everything else -----------------------------------------------------------------------------------

    def note(self, text: str, style: str = "") -> None:
        """Print a line on standard error."""
        from dataflow_async.cli.text import complain

        complain(escaped(text), style)

    # --- forms ---------------------------------------------------------------------------------------------

    def _value(self, value: Any, *, is_line: bool = False) -> None:
        """Print any JSON value."""
        if self.form is Format.JSON and not is_line:
            self._write(_json(value, indent=2) + "\n")
        elif self.form in {Format.JSON, Format.JSONL}:
            for line in value if isinstance(value, list) else [value]:
                self._write(_json(line) + "\n")
        elif self.form is Format.YAML:
            self._write(("---\n" if is_line else "") + _yaml(value))
        else:
            self._flat(value)

    def _flat(self, value: Any) -> None:
        """Print what a query has found as a table or CSV: a row for each object, a line for each other value."""
        found = value if isinstance(value, list) else [] if value is None else [value]
        objects = [it if isinstance(it, dict) else {"value": it} for it in found]
        names = list(dict.fromkeys(name for it in objects for name in it))
        columns = [_Member(name, name, elastic=True) for name in names]
        if self.form is Format.CSV:
            self._csv(objects, columns)
        elif names == ["value"] and not any(isinstance(it, dict) for it in found):
            self.text("\n".join(it if isinstance(it, str) else _json(it) for it in found))
        elif objects:
            self._table(objects, columns)

    def _csv(self, records: Iterable[Mapping[str, Any]], columns: Columns) -> None:
        head = [_csv_cell(column.member) for column in columns]
        self._write(_csv_lines([head, *(_csv_row(record, columns) for record in records)]))

    def _table(self, records: Iterable[Mapping[str, Any]], columns: Columns) -> None:
        """Print a table without its empty columns."""
        from rich.console import Console
        from rich.text import Text

        console = Console(highlight=False)
        cells = [[column.cell(record) for column in columns] for record in records]
        used = [n for n in range(len(columns)) if any(row[n] != "-" for row in cells)]
        columns, texts = [columns[n] for n in used], [[row[n] for n in used] for row in cells]
        terminal = console.width if sys.stdout and sys.stdout.isatty() else None
        natural = _widths(columns, texts, None)
        gap = 1 if terminal is not None and _total(natural, 1) <= terminal < _total(natural, _GAP) else _GAP
        widths = _widths(columns, texts, terminal, gap)
        if terminal is not None and _total(widths, gap) > terminal:
            texts, gap = [[without_year(cell) for cell in row] for row in texts], 1
            widths = _widths(columns, texts, terminal, gap, _NARROWEST_OF_ALL)
        head = [escaped(column.title) for column in columns]
        with console.capture() as printed:  # rich would end the process where the reader has left
            console.print(Text(_line(head, columns, widths, gap), "dim"), soft_wrap=True)
            for row in texts:
                console.print(_styled(_line(row, columns, widths, gap), row), soft_wrap=True)
        self._write(printed.get())

    def _facts(self, facts: Mapping[str, str]) -> None:
        from rich.cells import cell_len
        from rich.console import Console
        from rich.text import Text

        console = Console(highlight=False)
        width = max(map(cell_len, facts))
        with console.capture() as printed:
            for name, value in facts.items():
                if value != "-":
                    text = Text.assemble((name.ljust(width), "dim"), "  ", (value, _STYLES.get(value, "")))
                    console.print(text, soft_wrap=True)
        self._write(printed.get())

    def _write(self, text: str) -> None:
        if sys.stdout:  # it may be closed
            sys.stdout.write(text)
            sys.stdout.flush()


class _Member(Column):
    """A column that a query has named: dots in its name are dots."""

    def value(self, record: Mapping[str, Any]) -> Any:
        return record.get(self.member)


_DATED = re.compile(r"\A\d{4}-(\d\d-\d\d \d\d:\d\d):\d\d\Z")


def without_year(cell: str) -> str:
    """Return a cell for a narrow terminal: a time without its year and seconds, anything else as it is."""
    return _DATED.sub(r"\1", cell)


def _total(widths: Sequence[int], gap: int) -> int:
    return sum(widths) + gap * (len(widths) - 1)


def _widths(
    columns: Columns,
    texts: Sequence[Sequence[str]],
    terminal: int | None,
    gap: int = _GAP,
    narrowest: int = _NARROWEST,
) -> list[int]:
    """Return the width of each column: what its cells take; in a terminal, elastic ones give way, the widest first."""
    from rich.cells import cell_len

    heads = [cell_len(escaped(column.title)) for column in columns]
    widths = [max([head, *(cell_len(cells[n]) for cells in texts)]) for n, head in enumerate(heads)]
    if terminal is not None:
        for _ in range(_total(widths, gap) - terminal):
            elastic = [n for n, column in enumerate(columns) if column.elastic and widths[n] > narrowest]
            if not elastic:
                break
            widths[max(elastic, key=lambda n: widths[n])] -= 1
    return widths


def _line(cells: Sequence[str], columns: Columns, widths: Sequence[int], gap: int) -> str:
    """Return one line of a table; wide characters take two columns."""
    from rich.cells import cell_len, set_cell_size

    texts = []
    for cell, column, width in zip(cells, columns, widths, strict=True):
        size = cell_len(cell)
        if size > width:
            texts.append(set_cell_size(cell, width - 1) + "…")
        else:
            space = " " * (width - size)
            texts.append(space + cell if column.right else cell + space)
    return (" " * gap).join(texts).rstrip()


def _styled(line: str, cells: Sequence[str]) -> Text:
    from rich.text import Text

    text = Text(line)
    for cell in cells:
        if style := _STYLES.get(cell):
            text.highlight_words([cell], style)
    return text


def _csv_row(record: Mapping[str, Any], columns: Columns) -> list[str]:
    return [_csv_cell(column.value(record)) for column in columns]


def _csv_cell(value: Any) -> str:
    """Return the text of a cell; what a spreadsheet would run as a formula is kept from it by an apostrophe."""
    if value is None:
        return ""
    if isinstance(value, bool | int | float | dict | list):
        return json.dumps(value, ensure_ascii=False)
    text = escaped(str(value))
    return f"'{text}" if text.startswith(_FORMULA) else text


def _csv_lines(rows: Iterable[Sequence[str]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


_UNSEEN = re.compile(r"[^\x20-\x7e\n]")


def _json(value: Any, indent: int | None = None) -> str:
    """Return JSON whose invisible characters are escaped: it may be shown on a terminal."""
    text = json.dumps(value, ensure_ascii=False, indent=indent)
    return _UNSEEN.sub(lambda it: it[0] if it[0].isprintable() else json.dumps(it[0])[1:-1], text)


def _yaml(value: Any) -> str:
    from dataflow_async.cli.text import escaped as _escaped

    yaml = import_module("yaml")
    text: str = yaml.safe_dump(value, allow_unicode=True, sort_keys=False)
    if text == "\n".join(map(_escaped, text.split("\n"))):
        return text
    escaped_text: str = yaml.safe_dump(value, allow_unicode=False, sort_keys=False)
    return escaped_text


def _compiled(query: str) -> Any:
    """Read a query; what can be refused without data is refused before anything is sent."""
    jmespath = import_module("jmespath")
    try:
        compiled = jmespath.compile(query)
    except jmespath.exceptions.JMESPathError as error:
        raise CommandFailed(_bad_query(error), ExitCode.USAGE) from None
    table = import_module("jmespath.functions").Functions.FUNCTION_TABLE
    for name in sorted(_functions(compiled.parsed) - set(table)):
        raise CommandFailed(f"--query: Unknown function: {escaped(name)}()", ExitCode.USAGE)
    return compiled


def _functions(node: Mapping[str, Any]) -> set[str]:
    """Return the names of the functions that a parsed query calls."""
    own = {node["value"]} if node["type"] == "function_expression" else set()
    return own.union(*map(_functions, node["children"]))


def _bad_query(error: Exception) -> str:
    return f"--query: {escaped(str(error).splitlines()[0])}"
