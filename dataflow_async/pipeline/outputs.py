"""Which columns a node has, by its members and the columns of its parents; here a node is checked against them.

The pages say what a node does to rows, and little of its columns. What is inferred from Spark, which runs the jobs: a define
and a rename keep the columns that they do not name; a join has the columns of the first node, then those of the second, each
with the prefix in front if there is one; sums of whole numbers are bigint, averages double, those of decimal stay decimal.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import singledispatch
from typing import TypeVar

from dataflow_async.errors import InvalidRequest
from dataflow_async.models.nodes.base import JobNode, TypedNode
from dataflow_async.models.nodes.columns import Field
from dataflow_async.models.nodes.parts import DefineField
from dataflow_async.models.nodes.sources import (
    SourceCatalogNode,
    SourceCdbMysqlNode,
    SourceCdbPostgresqlNode,
    SourceObsNode,
)
from dataflow_async.models.nodes.targets import (
    TargetCatalogNode,
    TargetCdbMysqlNode,
    TargetCdbPostgresqlNode,
    TargetObsNode,
)
from dataflow_async.models.nodes.transforms import (
    TransformAggregateNode,
    TransformDefineNode,
    TransformDropDuplicationNode,
    TransformFillMissingValuesNode,
    TransformFilterNode,
    TransformJoinNode,
    TransformRenameNode,
    TransformSelectNode,
    TransformSqlNode,
    TransformUnionNode,
)
from dataflow_async.pipeline.columns import UNKNOWN, Columns, family, known_type, unique
from dataflow_async.pipeline.refusals import printable
from dataflow_async.pipeline.sql_columns import columns_of_query
from dataflow_async.pipeline.values import value_text

SourceNode = SourceObsNode | SourceCdbMysqlNode | SourceCdbPostgresqlNode | SourceCatalogNode
TargetNode = TargetObsNode | TargetCdbMysqlNode | TargetCdbPostgresqlNode | TargetCatalogNode

T = TypeVar("T")

_WHOLE = {"tinyint", "smallint", "int", "bigint"}
_NOT_ORDERED = {"void", "binary", "array", "map", "struct", "uniontype"}


@singledispatch
def columns_after(node: JobNode, inputs: Sequence[Columns]) -> Columns:  # noqa: ARG001  # for other types
    """Return the columns that a node has.

    Args:
        node: The node.
        inputs: Columns of its parents, in the order of ``parent_node_ids``.

    Raises:
        InvalidRequest: The node does not fit the columns of its parents.
    """
    return UNKNOWN


@columns_after.register
def _source(node: SourceNode, inputs: Sequence[Columns]) -> Columns:
    _parents(node, inputs, 0, 0)
    if not node.field_list:
        raise InvalidRequest("columns must be at least one, got none", field="columns")
    return unique(((it.name, it) for it in node.field_list), "columns")


@columns_after.register
def _target(node: TargetNode, inputs: Sequence[Columns]) -> Columns:
    [columns] = _parents(node, inputs, 1, 1)
    _given(node.field_list, "columns")
    for each in node.field_list:
        columns.require(each.name, "column to write")
    return unique(((it.name, it) for it in node.field_list), "columns to write")


@columns_after.register
def _define(node: TransformDefineNode, inputs: Sequence[Columns]) -> Columns:
    [columns] = _parents(node, inputs, 1, 1)
    changes = {it.name: it for it in _given(node.define_field_list, "columns to define")}
    _once((it.name for it in node.define_field_list), "columns to define")
    fields = dict(columns.fields)
    for change in node.define_field_list:
        columns.require(change.name, "column to define")
        fields.setdefault(change.name, None)
    return _open_as(
        columns,
        unique(
            (
                (changes[name].new_name, _defined(changes[name])) if name in changes else (name, column)
                for name, column in fields.items()
            ),
            "columns after define",
        ),
    )


def _defined(change: DefineField) -> Field:
    return Field(change.new_name, known_type(change.new_type, f"new type of column {change.name!r}"))


@columns_after.register
def _select(node: TransformSelectNode, inputs: Sequence[Columns]) -> Columns:
    [columns] = _parents(node, inputs, 1, 1)
    for each in _given(node.field_list, "columns to select"):
        columns.require(each.name, "column to select")
    return unique(((it.name, it) for it in node.field_list), "columns to select")


@columns_after.register
def _join(node: TransformJoinNode, inputs: Sequence[Columns]) -> Columns:
    by_id = dict(zip(node.parent_node_ids, _parents(node, inputs, 1, 2), strict=True))
    if not {node.left_node_id, node.right_node_id} <= by_id.keys():
        raise InvalidRequest("sides of a join must be its parents")
    first, second = by_id[node.left_node_id], by_id[node.right_node_id]
    for at, on in enumerate(_given(node.join_condition_list, "on")):
        _join_condition(on.left_field, first, on.right_field, second)
        if (on.condition_operator == "HEAD") != (at == 0):
            raise InvalidRequest("condition_operator must be HEAD for the first of `on` and no other")
    prefix = node.prefix or ""
    if both := [f"{prefix}{name}" for name in second if f"{prefix}{name}" in first.fields]:
        must = (
            "make names that the first step does not have" if prefix else "be given where names are the same"
        )
        raise InvalidRequest(
            f"prefix must {must}, got {prefix or None!r}: both have {printable(', '.join(both))}",
            field="prefix",
        )
    named = ((f"{prefix}{name}", column) for name, column in second.fields.items())
    joined = unique([*first.fields.items(), *named], "columns after join")
    return Columns(joined.fields, is_open=first.is_open or second.is_open)


def _join_condition(one: str, first: Columns, other: str, second: Columns) -> None:
    kinds = (
        first.type_of(one, "column of the first step in `on`"),
        second.type_of(other, "column of the joined step in `on`"),
    )
    if None not in kinds and family(str(kinds[0])) != family(str(kinds[1])):
        raise InvalidRequest(
            f"columns of `on` must have types that compare, got {one!r} ({kinds[0]}) and {other!r} ({kinds[1]})",
            field="on",
        )


@columns_after.register
def _filter(node: TransformFilterNode, inputs: Sequence[Columns]) -> Columns:
    [columns] = _parents(node, inputs, 1, 1)
    for condition in _given(node.filter_condition_list, "conditions"):
        _check_value(columns, condition.name, condition.value, "column to filter by")
    return columns


def _check_value(columns: Columns, name: str, value: str, what: str) -> None:
    value_text(value, columns.type_of(name, what), f"value for column {name!r}")


@columns_after.register
def _union(node: TransformUnionNode, inputs: Sequence[Columns]) -> Columns:
    first, *others = _parents(node, inputs, 1, None)
    for other in others:
        if not (first.is_open or other.is_open):
            _same_columns(first, other)
    return first


def _same_columns(first: Columns, other: Columns) -> None:
    if [*first] != [*other]:
        differing = [name for name in [*first, *other] if (name in first.fields) != (name in other.fields)]
        why = f"; only one has {printable(', '.join(differing))}" if differing else "; their order differs"
        raise InvalidRequest(
            f"steps of a union must have the same columns, got ({first.text()}) and ({other.text()}){why}"
        )
    for name in first:
        kinds = first.type_of(name), other.type_of(name)
        if None not in kinds and kinds[0] != kinds[1]:
            raise InvalidRequest(
                f"columns of a union must have the same types, got {name!r} as {kinds[0]} and as {kinds[1]}"
            )


@columns_after.register
def _aggregate(node: TransformAggregateNode, inputs: Sequence[Columns]) -> Columns:
    [columns] = _parents(node, inputs, 1, 1)
    groups = [(name, columns.require(name, "column of `by`")) for name in node.group_by_list]
    results = [
        (it.result_name, _aggregated(columns, it.name, it.function))
        for it in _given(node.aggregate_field_list, "aggregations")
    ]
    return unique([*groups, *results], "columns after aggregate")


def _aggregated(columns: Columns, name: str, function: str) -> Field | None:
    kind = columns.type_of(name, "column to aggregate")
    if kind is None:
        return None
    arithmetic = function in {"SUM", "AVG"}
    if (arithmetic and family(kind) != "number") or kind in _NOT_ORDERED:
        allowed = "a number" if arithmetic else "of a type with an order"
        raise InvalidRequest(f"column to aggregate by {function} must be {allowed}, got {name!r} ({kind})")
    if not arithmetic or kind == "decimal":
        return Field(name, kind)
    return Field(name, "bigint" if function == "SUM" and kind in _WHOLE else "double")


@columns_after.register
def _rename(node: TransformRenameNode, inputs: Sequence[Columns]) -> Columns:
    [columns] = _parents(node, inputs, 1, 1)
    names = {it.name: it.new_name for it in _given(node.rename_field_list, "columns to rename")}
    _once((it.name for it in node.rename_field_list), "columns to rename")
    fields = dict(columns.fields)
    for name in names:
        columns.require(name, "column to rename")
        fields.setdefault(name, None)
    renamed = ((names.get(name, name), column) for name, column in fields.items())
    return _open_as(columns, unique(renamed, "columns after rename"))


@columns_after.register
def _drop_duplicates(node: TransformDropDuplicationNode, inputs: Sequence[Columns]) -> Columns:
    [columns] = _parents(node, inputs, 1, 1)
    for name in _given(node.drop_field_list, "columns to compare"):
        columns.require(name, "column to compare")
    _once(node.drop_field_list, "columns to compare")
    return columns


@columns_after.register
def _fill_missing(node: TransformFillMissingValuesNode, inputs: Sequence[Columns]) -> Columns:
    [columns] = _parents(node, inputs, 1, 1)
    for fill in _given(node.missing_value_field_list, "values"):
        _check_value(columns, fill.name, fill.default_value, "column to fill")
    _once((it.name for it in node.missing_value_field_list), "columns to fill")
    return columns


@columns_after.register
def _sql(node: TransformSqlNode, inputs: Sequence[Columns]) -> Columns:
    by_id = dict(zip(node.parent_node_ids, _parents(node, inputs, 1, None), strict=True))
    _once((it.new_name for it in node.source_name_list), "names of tables")
    tables = {}
    for named in node.source_name_list:
        if named.parent_id not in by_id:
            raise InvalidRequest(f"tables of a query must be its parents, got node {named.parent_id}")
        tables[named.new_name] = by_id[named.parent_id]
    return columns_of_query(node.sql, tables)


def _parents(node: TypedNode, inputs: Sequence[Columns], least: int, most: int | None) -> Sequence[Columns]:
    if not least <= len(inputs) <= (len(inputs) if most is None else most):
        allowed = (
            f"{least}" if least == most else f"{least} or more" if most is None else f"{least} to {most}"
        )
        raise InvalidRequest(f"parents of {node.type} must be {allowed}, got {len(inputs)}")
    return inputs


def _given(rows: Sequence[T], what: str) -> Sequence[T]:
    if not rows:
        raise InvalidRequest(f"{what} must be at least one, got none", field=what)
    return rows


def _once(names: Iterable[str], what: str) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise InvalidRequest(f"{what} must be given once each, got {name!r} twice", field=what)
        seen.add(name)


def _open_as(before: Columns, after: Columns) -> Columns:
    return Columns(after.fields, is_open=before.is_open)
