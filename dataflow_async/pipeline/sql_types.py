"""Types that results of Spark SQL have, where sqlglot gives others: texts are strings, and numbers widen as Spark's do.

A type is given only where Spark has one answer; elsewhere it stays unknown, and whoever writes the query states it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

_INTEGERS = ("TINYINT", "SMALLINT", "INT", "BIGINT")
"""From the narrowest to the widest."""
_NUMBERS = {*_INTEGERS, "DECIMAL", "FLOAT", "DOUBLE"}
_LARGEST_INT = 2**31 - 1
_LARGEST_BIGINT = 2**63 - 1

Rule = Callable[[Any], str]
"""Returns the type of an expression, whose parts have theirs."""


def metadata(glot: Any) -> dict[Any, Any]:
    """Return how sqlglot is to type the expressions of Spark SQL."""
    kinds = glot.exp.DataType.Type
    known = glot.Dialect.get_or_raise("spark").EXPRESSION_METADATA
    ours = {kinds.VARCHAR: kinds.TEXT, kinds.TINYINT: kinds.INT}
    returned = {
        name: each | {"returns": ours.get(each["returns"], each["returns"])} if "returns" in each else each
        for name, each in known.items()
    }
    ruled = {
        getattr(glot.exp, name): {"annotator": partial(_annotate, glot, rule)}
        for name, rule in _RULES.items()
    }
    return returned | ruled


def _annotate(glot: Any, rule: Rule, annotator: Any, expression: Any) -> Any:
    """Set the type of an expression by a rule, as an annotator of sqlglot does."""
    annotator._set_type(expression, glot.exp.DataType.Type[rule(expression)])  # noqa: SLF001  # what its own annotators call
    return expression


def _kind(part: Any) -> str:
    """Return the type of a part of an expression; text for texts of any length."""
    name = "UNKNOWN" if part is None or part.type is None else str(part.type.this.name)
    return "TEXT" if name in {"VARCHAR", "CHAR"} else name


def _alike(parts: Iterable[Any]) -> str:
    """Return the type of a result that is one of several: theirs, if they have one; nulls have any."""
    kinds = {_kind(part) for part in parts} - {"NULL"}
    if len(kinds) == 1:
        return kinds.pop()
    return _widest(kinds) if kinds else "NULL"


def _widest(kinds: Iterable[str]) -> str:
    """Return the type to which Spark widens numbers of several types."""
    found = set(kinds)
    if not found <= _NUMBERS or not found:
        return "UNKNOWN"
    if "DOUBLE" in found or {"DECIMAL", "FLOAT"} <= found:
        return "DOUBLE"
    if "FLOAT" in found:  # with integers it is float or double, as ANSI mode is off or on
        return "FLOAT" if found == {"FLOAT"} else "UNKNOWN"
    return "DECIMAL" if "DECIMAL" in found else max(found, key=_INTEGERS.index)


def _literal(it: Any) -> str:
    if it.is_string:
        return "TEXT"
    if not it.is_int:
        return "DOUBLE" if "e" in it.this.lower() else "DECIMAL"
    number = int(it.this)
    if number > _LARGEST_BIGINT:
        return "DECIMAL"
    return "INT" if number <= _LARGEST_INT else "BIGINT"


def _arithmetic(it: Any) -> str:
    return _widest((_kind(it.left), _kind(it.right)))


def _division(it: Any) -> str:
    kinds = {_kind(it.left), _kind(it.right)}
    if not kinds <= _NUMBERS:
        return "UNKNOWN"
    return "DECIMAL" if "DECIMAL" in kinds and not kinds & {"FLOAT", "DOUBLE"} else "DOUBLE"


def _average(it: Any) -> str:
    kind = _kind(it.this)
    return kind if kind == "DECIMAL" else "DOUBLE" if kind in _NUMBERS else "UNKNOWN"


def _sum(it: Any) -> str:
    kind = _kind(it.this)
    wide = {"FLOAT": "DOUBLE", "DOUBLE": "DOUBLE", "DECIMAL": "DECIMAL"} | dict.fromkeys(_INTEGERS, "BIGINT")
    return wide.get(kind, "UNKNOWN")


def _number(it: Any) -> str:
    """Return the type of a function that keeps that of its number."""
    kind = _kind(it.this)
    return kind if kind in _NUMBERS else "UNKNOWN"


_RULES: Mapping[str, Rule] = {
    "Literal": _literal,
    "Add": _arithmetic,
    "Sub": _arithmetic,
    "Mul": _arithmetic,
    "Mod": _arithmetic,
    "Div": _division,
    "Avg": _average,
    "Sum": _sum,
    "Round": _number,
    "Abs": _number,
    "Neg": _number,
    "If": lambda it: _alike([it.args["true"], *_given(it, "false")]),
    "Case": lambda it: _alike([*(each.args["true"] for each in it.args["ifs"]), *_given(it, "default")]),
    "Coalesce": lambda it: _alike([it.this, *it.expressions]),
    "Nullif": lambda it: _kind(it.this),
    "Least": lambda it: _alike([it.this, *it.expressions]),
    "Greatest": lambda it: _alike([it.this, *it.expressions]),
}


def _given(expression: Any, name: str) -> list[Any]:
    part = expression.args.get(name)
    return [] if part is None else [part]
