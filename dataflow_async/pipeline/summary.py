"""A pipeline as text: its steps, what each does, and its columns."""

from __future__ import annotations

from collections.abc import Sequence
from functools import singledispatch

from dataflow_async.models.nodes.base import JobNode
from dataflow_async.models.nodes.sources import SourceObsNode
from dataflow_async.models.nodes.stores import CatalogNode, DatabaseNode
from dataflow_async.models.nodes.targets import TargetObsNode
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
from dataflow_async.pipeline.expressions import SYMBOLS
from dataflow_async.pipeline.graph import Entry
from dataflow_async.pipeline.refusals import printable
from dataflow_async.pipeline.stores import writes


def explain(name: str, entries: Sequence[Entry]) -> str:
    """Return the steps of a pipeline, three lines each: label, what it does with which steps, and columns."""
    lines = [f"pipeline {name}"]
    for entry in entries:
        parents = ", ".join(str(parent) for parent in entry.node.parent_node_ids)
        lines.append(f"{entry.id} {entry.label}{f' <- {parents}' if parents else ''}")
        lines.append(f"    {_does(entry.node)}")
        lines.append(f"    columns: {entry.columns.text() or 'none'}")
    return "".join(f"{printable(line)}\n" for line in lines)


@singledispatch
def _does(node: JobNode) -> str:
    return f"{node.type}, which is not known here"


@_does.register
def _object_storage(node: SourceObsNode | TargetObsNode) -> str:
    return f"{_verb(node)} {node.data_type} of {node.bucket_name}/{node.prefix} in region {node.region_no}{_mode(node)}"


@_does.register
def _database(node: DatabaseNode) -> str:
    product = "MySQL" if node.type.endswith("MYSQL") else "PostgreSQL"
    return f"{_verb(node)} {product} table {node.table} by connection {node.connection_id}{_mode(node)}"


@_does.register
def _catalog(node: CatalogNode) -> str:
    table = f"{node.database}.{node.table} of schema version {node.schema_version}"
    return f"{_verb(node)} Data Catalog table {table}{_mode(node)}"


def _verb(node: JobNode) -> str:
    return "write" if writes(node) else "read"


def _mode(node: JobNode) -> str:
    mode = getattr(node, "update_type", None)
    return f", {mode.lower()}" if mode else ""


@_does.register
def _define(node: TransformDefineNode) -> str:
    return "define " + ", ".join(f"{it.name} as {it.new_name} {it.new_type}" for it in node.define_field_list)


@_does.register
def _select(node: TransformSelectNode) -> str:
    return "select " + ", ".join(it.name for it in node.field_list)


@_does.register
def _join(node: TransformJoinNode) -> str:
    on = " ".join(
        f"{'' if it.condition_operator == 'HEAD' else it.condition_operator.lower() + ' '}"
        f"{it.left_field} {SYMBOLS[it.join_operator]} {it.right_field}"
        for it in node.join_condition_list
    )
    prefix = f", prefix {node.prefix}" if node.prefix else ""
    how = node.join_type.lower().replace("_outer", "")
    return f"{how} join {node.left_node_id} with {node.right_node_id} on {on}{prefix}"


@_does.register
def _filter(node: TransformFilterNode) -> str:
    return "filter " + f" {node.filter_type.lower()} ".join(
        f"{it.name} {SYMBOLS[it.operator]} {it.value!r}" for it in node.filter_condition_list
    )


@_does.register
def _union(node: TransformUnionNode) -> str:
    return f"union {node.union_type.lower()}"


@_does.register
def _aggregate(node: TransformAggregateNode) -> str:
    results = ", ".join(
        f"{it.result_name} = {it.function.lower()} {it.name}" for it in node.aggregate_field_list
    )
    return f"aggregate {results} by {', '.join(node.group_by_list) or 'nothing'}"


@_does.register
def _rename(node: TransformRenameNode) -> str:
    return "rename " + ", ".join(f"{it.name} to {it.new_name}" for it in node.rename_field_list)


@_does.register
def _drop_duplicates(node: TransformDropDuplicationNode) -> str:
    return f"drop duplicates of {', '.join(node.drop_field_list)}"


@_does.register
def _fill_missing(node: TransformFillMissingValuesNode) -> str:
    return "fill missing " + ", ".join(
        f"{it.name} with {it.default_value!r}" for it in node.missing_value_field_list
    )


@_does.register
def _sql(node: TransformSqlNode) -> str:
    tables = ", ".join(f"{it.parent_id} as {it.new_name}" for it in node.source_name_list)
    return f"sql over {tables}: {node.sql}"
