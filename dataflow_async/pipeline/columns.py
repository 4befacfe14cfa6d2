"""The columns of a step, with their types where they are known."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal

import attrs
from attrs import frozen

from dataflow_async.errors import InvalidRequest
from dataflow_async.models.nodes.columns import COLUMN_TYPES, Field
from dataflow_async.pipeline.refusals import printable, unknown

Stated = Mapping[str, str] | Iterable[Field]
"""Columns as a user states them: names and types."""

_FAMILIES = {
    **dict.fromkeys(("tinyint", "smallint", "int", "bigint", "float", "double", "decimal"), "number"),
    **dict.fromkeys(("string", "char", "varchar"), "text"),
    **dict.fromkeys(("datetime", "timestamp", "timestampwithtimezone"), "time"),
}

_ELSEWHERE = {
    **dict.fromkeys(("str", "text", "object"), "string"),
    **dict.fromkeys(("integer", "int32"), "int"),
    **dict.fromkeys(("long", "int64"), "bigint"),
    **dict.fromkeys(("numeric", "number"), "decimal"),
    "bool": "boolean",
    "float64": "double",
}
"""Types as pandas and databases call them, and what they are here."""
_OF_PYTHON = {
    int: "bigint",
    float: "double",
    str: "string",
    bool: "boolean",
    bytes: "binary",
    list: "array",
    dict: "map",
    date: "date",
    datetime: "timestamp",
    Decimal: "decimal",
}
"""Types of Python, and what they are here."""
_PARAMETERS = re.compile(r"[^a-z0-9_]")
"""Where the parameters of a type begin, as in ``decimal(10,2)`` and ``array<int>``."""


def family(kind: str) -> str:
    """Return what types can be compared with each other: number, text, time, or the type itself."""
    return _FAMILIES.get(kind.lower(), kind.lower())


@frozen
class Columns:
    """Columns in their order.

    Always true: names are unique. Where the columns are open, any other name may exist as well, and is of unknown type; where
    a column has no field, its type is unknown.

    Attributes:
        fields: Name and column, or None for a column of unknown type.
        is_open: Whether there may be others.
    """

    fields: Mapping[str, Field | None]
    is_open: bool = False

    def __iter__(self) -> Iterator[str]:
        """Return the names in their order."""
        return iter(self.fields)

    def require(self, name: str, what: str) -> Field | None:
        """Return a column, or None if its type is unknown.

        Raises:
            InvalidRequest: There is no such column; it names those there are.
        """
        if not self.is_open and name not in self.fields:
            outer = name.partition(".")[0]
            if outer != name and outer in self.fields:
                raise InvalidRequest(
                    f"{what} must be a whole column, got the path {name!r} into {outer!r}: use sql for that",
                    field=what,
                )
            raise unknown(what, name, self.fields)
        return self.fields.get(name)

    def type_of(self, name: str, what: str = "column") -> str | None:
        """Return the type of a column in lower case, or None if it is unknown.

        Raises:
            InvalidRequest: There is no such column.
        """
        column = self.require(name, what)
        return None if column is None else column.type.lower()

    def known(self, name: str, what: str) -> Field:
        """Return a column with its type.

        Raises:
            InvalidRequest: There is no such column, or its type is unknown.
        """
        column = self.require(name, what)
        if column is None:
            raise InvalidRequest(f"{what} must have a known type, got {name!r}: state it", field=what)
        return column

    def text(self) -> str:
        """Return names and types for a person."""
        shown = [
            f"{printable(name)} {column.type.lower() if column else '?'}"
            for name, column in self.fields.items()
        ]
        return ", ".join([*shown, "..."] if self.is_open else shown)


UNKNOWN = Columns({}, is_open=True)
"""Columns that are not known: any name passes, and types must be stated where they are needed."""


def stated(columns: object, what: str = "columns") -> tuple[Field, ...]:
    """Return columns as fields, with types in lower case where they are given as text.

    Raises:
        InvalidRequest: They are no columns, or a type is not known.
    """
    if isinstance(columns, Mapping):
        return tuple(_field(name, kind, what) for name, kind in columns.items())
    if isinstance(columns, str) or not isinstance(columns, Iterable):
        raise InvalidRequest(f"{what} must be a mapping of names to types, got {columns!r}", field=what)
    fields = tuple(columns)
    for each in fields:
        if not isinstance(each, Field):
            raise InvalidRequest(f"{what} must be a mapping of names to types, got {each!r}", field=what)
    return fields


def _field(name: str, kind: object, what: str) -> Field:
    return Field(name, known_type(kind, f"type of {what} {name!r}"))


def known_type(kind: object, what: str) -> str:
    """Return a type in lower case.

    Raises:
        InvalidRequest: There is no such type; for a name of another system it says what the type is called here.
    """
    if isinstance(kind, str) and kind.lower() in COLUMN_TYPES:
        return kind.lower()
    if isinstance(kind, str):
        bare = _PARAMETERS.split(kind.strip().lower())[0]
        likely = bare if bare in COLUMN_TYPES else _ELSEWHERE.get(bare)
    else:
        likely = _OF_PYTHON.get(kind) if isinstance(kind, type) else None
    raise unknown(what, kind, COLUMN_TYPES, likely=likely)


def unique(fields: Iterable[tuple[str, Field | None]], what: str) -> Columns:
    """Return columns under these names after a check that each comes once.

    Raises:
        InvalidRequest: One comes twice.
    """
    found: dict[str, Field | None] = {}
    for name, column in fields:
        if name in found:
            raise InvalidRequest(f"{what} must have unique names, got {name!r} twice", field=what)
        found[name] = column if column is None or column.name == name else attrs.evolve(column, name=name)
    return Columns(found)
