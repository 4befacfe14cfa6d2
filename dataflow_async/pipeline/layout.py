"""Python expressions as text, laid out as formatters do: on one line if it fits, else one item a line.

Whatever a text holds, it is written as a literal that means the same text: what runs is the pipeline, and nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence

from attrs import frozen

from dataflow_async import defaults
from dataflow_async.models.nodes.base import RawNode, WireObject, members_of
from dataflow_async.pipeline.columns import Columns
from dataflow_async.pipeline.expressions import SYMBOLS, Condition, Conditions

_INDENT = " " * 4


@frozen
class Name:
    """A name, as it is: a variable or an attribute."""

    text: str


@frozen
class Brackets:
    """Items between brackets.

    Attributes:
        opening: What stands before the first item, such as ``Field(``.
        items: The items, each with what stands before it, such as ``columns=``.
        closing: What stands behind the last item.
    """

    opening: str
    items: Sequence[tuple[str, object]]
    closing: str


@frozen
class Chain:
    """Operands with an operator between."""

    operator: str
    operands: Sequence[str]


def laid_out(value: object, indent: str = "", before: str = "", behind: str = "") -> str:
    """Return the text of a value.

    Args:
        value: A literal, an object of a node, a condition, or one of the classes above.
        indent: What each line begins with.
        before: What stands before it on its first line.
        behind: What stands behind it on its last line.
    """
    tree = _tree(value)
    line = f"{indent}{before}{_flat(tree)}{behind}"
    if len(line) <= defaults.CODE_WIDTH or isinstance(tree, str):
        return line
    if isinstance(tree, Chain):
        return f"{indent}{before}" + f"\n{indent}{tree.operator} ".join(tree.operands) + behind
    inner = [laid_out(item, indent + _INDENT, name, ",") for name, item in tree.items]
    return "\n".join([f"{indent}{before}{tree.opening}", *inner, f"{indent}{tree.closing}{behind}"])


def literal(text: str) -> str:
    """Return a text as a literal, in double quotes unless it holds some."""
    shown = repr(text)
    return f'"{shown[1:-1]}"' if shown[0] == "'" and '"' not in text else shown


def _flat(tree: str | Brackets | Chain) -> str:
    if isinstance(tree, str):
        return tree
    if isinstance(tree, Chain):
        return f" {tree.operator} ".join(tree.operands)
    items = ", ".join(f"{name}{_flat(_tree(item))}" for name, item in tree.items)
    return f"{tree.opening}{items}{tree.closing}"


def _tree(value: object) -> str | Brackets | Chain:
    match value:
        case Brackets() | Chain():
            return value
        case Name():
            return value.text
        case str():
            return literal(value)
        case Condition():
            column = f"col({literal(value.column)})"
            return Chain(SYMBOLS[value.operator], [column, _flat(_tree(value.value))])
        case Conditions():
            sign = "&" if value.operator == "AND" else "|"
            return Chain(sign, [f"({_flat(_tree(it))})" for it in value.items])
        case Columns():
            return "UNKNOWN"
    return _collection(value)


def _collection(value: object) -> str | Brackets:
    match value:
        case dict():
            return Brackets("{", [(f"{_flat(_tree(name))}: ", each) for name, each in value.items()], "}")
        case list():
            return Brackets("[", [("", each) for each in value], "]")
        case tuple():
            return Brackets("(", [("", each) for each in value], ")")
        case WireObject():
            return _object(value)
        case RawNode():
            return Brackets("RawNode(", [("", value.raw)], ")")
    return repr(value)


def _object(value: WireObject) -> Brackets:
    names = [*members_of(type(value)), *(["extra"] if value.extra else [])]
    members = [(name, getattr(value, name)) for name in names]
    return Brackets(
        f"{type(value).__name__}(",
        [(f"{name}=", list(it) if isinstance(it, tuple) else it) for name, it in members if it is not None],
        ")",
    )
