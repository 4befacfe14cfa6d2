"""The 18 node types by the wire's names, and the reading of a node of any type."""

from collections.abc import Mapping
from typing import Any

from dataflow_async.errors import InvalidRequest
from dataflow_async.models.nodes.base import RawNode, TypedNode
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

_CLASSES: tuple[type[TypedNode], ...] = (
    SourceObsNode,
    SourceCdbMysqlNode,
    SourceCdbPostgresqlNode,
    SourceCatalogNode,
    TransformDefineNode,
    TransformSelectNode,
    TransformJoinNode,
    TransformFilterNode,
    TransformUnionNode,
    TransformAggregateNode,
    TransformRenameNode,
    TransformDropDuplicationNode,
    TransformFillMissingValuesNode,
    TransformSqlNode,
    TargetObsNode,
    TargetCdbMysqlNode,
    TargetCdbPostgresqlNode,
    TargetCatalogNode,
)
NODE_CLASSES = {each.kind: each for each in _CLASSES}
"""The class of each type."""


def read_node(content: Any) -> TypedNode | RawNode:
    """Return a node of an answer: typed where its type and the form of all its members are known, raw otherwise."""
    kind = content.get("type") if isinstance(content, Mapping) else None
    known = NODE_CLASSES.get(kind) if isinstance(kind, str) else None
    if known is None:
        return RawNode(content)
    try:
        return known.from_wire(content)
    except InvalidRequest:
        return RawNode(content)
