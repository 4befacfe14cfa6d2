"""Columns of a node: their names and types."""

from collections.abc import Sequence
from typing import Annotated

from attrs import field, frozen

from dataflow_async.models.nodes.base import Text, WireObject, one_of

PRINTED_TYPES = [
    "Void",
    "Boolean",
    "Tinyint",
    "Smallint",
    "Int",
    "Bigint",
    "Float",
    "Double",
    "String",
    "Char",
    "Varchar",
    "Date",
    "Datetime",
    "Timestamp",
    "Decimal",
    "Binary",
    "TimestampWithTimeZone",
    "Array",
    "Map",
    "Struct",
    "Uniontype",
]
"""Types of a column as pages and answers spell them (contract/notes.md#ruling-56)."""
COLUMN_TYPES = tuple(name.lower() for name in PRINTED_TYPES)
"""Types of a column as requests spell them."""


@frozen(eq=False, repr=False)
class Field(WireObject):
    """One column.

    Attributes:
        name: Its name.
        type: Its type: void, boolean, tinyint, smallint, int, bigint, float, double, string, char, varchar, date, datetime,
            timestamp, decimal, binary, timestampwithtimezone, array, map, struct or uniontype. Answers may spell it with
            capitals. Length, precision and scale are not part of it.
        properties: Nested columns; answers show an empty list where there are none.
        extra: Members that have no name here, by the wire's names; sent back unchanged.
    """

    name: Text
    type: Annotated[str, one_of(*COLUMN_TYPES, *PRINTED_TYPES)]
    properties: Sequence["Field"] | None = field(default=None)
