"""What the words of the fluent form are on the wire."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from dataflow_async.pipeline.refusals import unknown

Mode = Literal["overwrite", "append", "ignore"]
"""What happens to data that is at a target already."""
How = Literal["inner", "left", "right", "full"]
"""Which rows without a partner a join keeps: none, those of the first step, of the joined one, or all."""
Match = Literal["all", "any"]
"""Whether all comparisons of a join must be met, or one of them."""
Function = Literal["sum", "avg", "max", "min"]
"""Functions of an aggregation; there is no count."""
SourceFormat = Literal["JSON", "CSV", "PARQUET", "NDJSON"]
"""Formats of files to read."""
TargetFormat = Literal["JSON", "CSV", "PARQUET"]
"""Formats of files to write."""

MODES = {"overwrite": "OVERWRITE", "append": "APPEND", "ignore": "IGNORE"}
JOINS = {"inner": "INNER", "left": "LEFT_OUTER", "right": "RIGHT_OUTER", "full": "FULL_OUTER"}
MATCHES = {"all": "AND", "any": "OR"}
FUNCTIONS = {"sum": "SUM", "avg": "AVG", "max": "MAX", "min": "MIN"}
OPERATORS = {"==": "EQ", "!=": "NE", ">": "GT", "<": "LT", ">=": "GTE", "<=": "LTE"}
SOURCE_FORMATS = ("JSON", "CSV", "PARQUET", "NDJSON")
TARGET_FORMATS = ("JSON", "CSV", "PARQUET")


_ELSEWHERE = {
    **dict.fromkeys(("mean", "average"), "avg"),
    "maximum": "max",
    "minimum": "min",
    **dict.fromkeys(("outer", "full_outer", "fullouter"), "full"),
    **dict.fromkeys(("left_outer", "leftouter"), "left"),
    **dict.fromkeys(("right_outer", "rightouter"), "right"),
    **dict.fromkeys(("replace", "truncate"), "overwrite"),
    "insert": "append",
    "=": "==",
    "<>": "!=",
    **{wire.lower(): word for word, wire in OPERATORS.items()},
}
"""Words as SQL, Spark and the wire have them, and what they are here."""


def on_wire(word: object, table: Mapping[str, str], what: str) -> str:
    """Return the wire's word.

    Raises:
        InvalidRequest: There is no such word.
    """
    if isinstance(word, str) and word.lower() in table:
        return table[word.lower()]
    likely = _ELSEWHERE.get(word.lower()) if isinstance(word, str) else None
    raise unknown(what, word, table, likely=likely if likely in table else None)


def format_on_wire(word: object, known: tuple[str, ...]) -> str:
    """Return a format in capitals.

    Raises:
        InvalidRequest: There is no such format here.
    """
    return on_wire(word, {name.lower(): name for name in known}, "format")
