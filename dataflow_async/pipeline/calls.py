"""The calls that write a node in the fluent form, the shortest first; the last one adds the node as it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import singledispatch
from keyword import iskeyword
from typing import Any

from attrs import field, frozen

from dataflow_async.models.nodes.base import JobNode, TypedNode
from dataflow_async.models.nodes.columns import Field
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
from dataflow_async.pipeline import words
from dataflow_async.pipeline.columns import UNKNOWN, Columns, family
from dataflow_async.pipeline.expressions import SYMBOLS, Condition, Conditions


@frozen
class Ref:
    """A step, by the id of its node."""

    id: int


@frozen
class Call:
    """A call that adds a step.

    Attributes:
        receiver: The step whose method is called; None for the pipeline.
        method: Name of the method.
        arguments: Arguments by position.
        keywords: Arguments by name; None is left out.
    """

    receiver: Ref | None
    method: str
    arguments: Sequence[Any] = ()
    keywords: Mapping[str, Any] = field(factory=dict)


def calls_for(node: JobNode, inputs: Mapping[int, Columns], outputs: Columns) -> Iterator[Call]:
    """Return the calls that may write a node; which of them does is for the reader to try.

    Args:
        node: The node.
        inputs: Columns of its parents by their ids.
        outputs: Its own columns.
    """
    yield from _fluent(node, inputs, outputs)
    yield Call(None, "add", [node])
    yield Call(None, "add", [node], {"check": False})


@singledispatch
def _fluent(node: JobNode, inputs: Mapping[int, Columns], outputs: Columns) -> Iterator[Call]:  # noqa: ARG001  # for other types
    yield from ()


@_fluent.register
def _source_obs(node: SourceObsNode, _: Mapping[int, Columns], __: Columns) -> Iterator[Call]:
    keywords = {"prefix": node.prefix, "format": node.data_type, "columns": _stated(node.field_list)}
    yield Call(None, "object_storage", [node.bucket_name], keywords | _region(node.region_no))


@_fluent.register
def _source_database(
    node: SourceCdbMysqlNode | SourceCdbPostgresqlNode, _: Mapping[int, Columns], __: Columns
) -> Iterator[Call]:
    method = "mysql" if isinstance(node, SourceCdbMysqlNode) else "postgresql"
    yield Call(None, method, [node.connection_id, node.table], {"columns": _stated(node.field_list)})


@_fluent.register
def _source_catalog(node: SourceCatalogNode, _: Mapping[int, Columns], __: Columns) -> Iterator[Call]:
    keywords = {"schema_version": node.schema_version, "columns": _stated(node.field_list)}
    yield Call(None, "catalog", [node.database, node.table], keywords)


@_fluent.register
def _target_obs(node: TargetObsNode, _: Mapping[int, Columns], __: Columns) -> Iterator[Call]:
    keywords = {"prefix": node.prefix, "format": node.data_type, "mode": _mode(node.update_type)}
    keywords |= {"files": node.coalesce} | _region(node.region_no)
    yield from _target(node, "to_object_storage", [node.bucket_name], keywords, node.field_list)


@_fluent.register
def _target_database(
    node: TargetCdbMysqlNode | TargetCdbPostgresqlNode, _: Mapping[int, Columns], __: Columns
) -> Iterator[Call]:
    method = "to_mysql" if isinstance(node, TargetCdbMysqlNode) else "to_postgresql"
    arguments = [node.connection_id, node.table]
    yield from _target(node, method, arguments, {"mode": _mode(node.update_type)}, node.field_list)


@_fluent.register
def _target_catalog(node: TargetCatalogNode, _: Mapping[int, Columns], __: Columns) -> Iterator[Call]:
    keywords = {
        "schema_version": node.schema_version,
        "mode": _mode(node.update_type),
        "files": node.coalesce,
    }
    yield from _target(node, "to_catalog", [node.database, node.table], keywords, node.field_list)


@_fluent.register
def _define(node: TransformDefineNode, _: Mapping[int, Columns], __: Columns) -> Iterator[Call]:
    changes = {
        it.name: it.new_type if it.name == it.new_name else (it.new_name, it.new_type)
        for it in node.define_field_list
    }
    yield from _method(node, "define", [changes])


@_fluent.register
def _select(node: TransformSelectNode, _: Mapping[int, Columns], __: Columns) -> Iterator[Call]:
    yield from _method(node, "select", [it.name for it in node.field_list])
    yield from _method(node, "select", list(node.field_list))


@_fluent.register
def _join(node: TransformJoinNode, _: Mapping[int, Columns], __: Columns) -> Iterator[Call]:
    hows = {wire: word for word, wire in words.JOINS.items() if word != "inner"}
    keywords = {"how": hows.get(node.join_type), "prefix": node.prefix}
    rows = [
        (it.left_field, it.right_field)
        if it.join_operator == "EQ"
        else (it.left_field, SYMBOLS[it.join_operator], it.right_field)
        for it in node.join_condition_list
    ]
    arguments = [Ref(node.right_node_id)]
    for on in (rows, list(node.join_condition_list)):
        for match in (None, "any"):
            yield Call(Ref(node.left_node_id), "join", arguments, {"on": on, **keywords, "match": match})


@_fluent.register
def _filter(node: TransformFilterNode, inputs: Mapping[int, Columns], _: Columns) -> Iterator[Call]:
    [columns] = inputs.values() if len(inputs) == 1 else [UNKNOWN]
    rows = node.filter_condition_list
    short = [Condition(it.name, it.operator, _compared(it.value, _type(columns, it.name))) for it in rows]
    exact = [Condition(it.name, it.operator, it.value) for it in rows]
    if node.filter_type == "AND":
        yield from _method(node, "filter", short)
        yield from _method(node, "filter", exact)
    elif len(rows) > 1:  # a single comparison has no `|` that would say OR
        yield from _method(node, "filter", [Conditions("OR", tuple(short))])
        yield from _method(node, "filter", [Conditions("OR", tuple(exact))])


@_fluent.register
def _union(node: TransformUnionNode, _: Mapping[int, Columns], __: Columns) -> Iterator[Call]:
    others = [Ref(parent) for parent in node.parent_node_ids[1:]]
    yield from _method(node, "union", others, {"distinct": True if node.union_type == "DISTINCT" else None})


@_fluent.register
def _aggregate(node: TransformAggregateNode, _: Mapping[int, Columns], __: Columns) -> Iterator[Call]:
    results = {it.result_name: (it.name, it.function.lower()) for it in node.aggregate_field_list}
    by = {"by": list(node.group_by_list)}
    if _are_keywords(results, "by", "label", "id"):
        yield from _method(node, "aggregate", [], by | results)
    yield from _method(node, "aggregate", [results], by)


@_fluent.register
def _rename(node: TransformRenameNode, _: Mapping[int, Columns], __: Columns) -> Iterator[Call]:
    yield from _method(node, "rename", [{it.name: it.new_name for it in node.rename_field_list}])


@_fluent.register
def _drop_duplicates(
    node: TransformDropDuplicationNode, _: Mapping[int, Columns], __: Columns
) -> Iterator[Call]:
    yield from _method(node, "drop_duplicates", list(node.drop_field_list))


@_fluent.register
def _fill_missing(
    node: TransformFillMissingValuesNode, inputs: Mapping[int, Columns], _: Columns
) -> Iterator[Call]:
    [columns] = inputs.values() if len(inputs) == 1 else [UNKNOWN]
    rows = node.missing_value_field_list
    yield from _method(
        node, "fill_missing", [{it.name: _value(it.default_value, _type(columns, it.name)) for it in rows}]
    )
    yield from _method(node, "fill_missing", [{it.name: it.default_value for it in rows}])


@_fluent.register
def _sql(node: TransformSqlNode, _: Mapping[int, Columns], outputs: Columns) -> Iterator[Call]:
    tables = {it.new_name: Ref(it.parent_id) for it in node.source_name_list}
    known = [it for it in outputs.fields.values() if it is not None]
    is_known = len(known) == len(outputs.fields) and not outputs.is_open
    columns = {"columns": _stated(known) if is_known else UNKNOWN}
    if _are_keywords(tables, "columns", "label", "id"):
        yield Call(None, "sql", [node.sql], tables | columns)
    yield Call(None, "sql", [node.sql, tables], columns)


def _method(
    node: TypedNode, name: str, arguments: Sequence[Any], keywords: Mapping[str, Any] | None = None
) -> Iterator[Call]:
    """Return the call of a method of the first parent, if there is one."""
    if node.parent_node_ids:
        yield Call(Ref(node.parent_node_ids[0]), name, arguments, keywords or {})


def _target(
    node: TypedNode, name: str, arguments: Sequence[Any], keywords: Mapping[str, Any], fields: Sequence[Field]
) -> Iterator[Call]:
    yield from _method(node, name, arguments, keywords)
    yield from _method(node, name, arguments, {**keywords, "columns": [it.name for it in fields]})
    yield from _method(node, name, arguments, {**keywords, "columns": _stated(fields)})


def _stated(fields: Sequence[Field]) -> dict[str, str] | list[Field]:
    """Return columns as a mapping where names and types are all there is."""
    plain = {it.name: it.type for it in fields}
    same = len(plain) == len(fields) and [Field(name, kind.lower()) for name, kind in plain.items()] == list(
        fields
    )
    return plain if same else list(fields)


def _region(number: str) -> dict[str, Any]:
    return {"region": None if number == "1" else number}


def _mode(update_type: str | None) -> str | None:
    return None if update_type is None else update_type.lower()


def _are_keywords(names: Mapping[str, Any], *taken: str) -> bool:
    """Return whether names can be those of arguments."""
    return all(it.isidentifier() and it.isascii() and not iskeyword(it) and it not in taken for it in names)


def _type(columns: Columns, name: str) -> str | None:
    column = columns.fields.get(name)
    return None if column is None else column.type.lower()


def _compared(text: str, kind: str | None) -> Any:
    """Return the value of a condition; truth values stay text, because linters take ``== True`` for a mistake."""
    return text if kind == "boolean" else _value(text, kind)


def _value(text: str, kind: str | None) -> Any:
    """Return the value that a user would write for a text; its text is the same."""
    if kind == "boolean" and text in {"true", "false"}:
        return text == "true"
    if kind is not None and family(kind) == "number":
        for number in (int, float):
            try:
                value = number(text)
            except ValueError:
                continue
            if repr(value) == text:
                return value
    return text
