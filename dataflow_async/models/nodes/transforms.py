"""Nodes that change data."""

from collections.abc import Sequence
from typing import Annotated

from attrs import frozen

from dataflow_async.models.nodes.base import Text, TypedNode, one_of
from dataflow_async.models.nodes.columns import Field
from dataflow_async.models.nodes.parts import (
    AggregateField,
    DefineField,
    FilterCondition,
    JoinCondition,
    MissingValueField,
    RenameField,
    SourceName,
)


@frozen(eq=False, repr=False)
class TransformDefineNode(TypedNode):
    """Changes names and types of columns.

    Source: https://api.ncloud-docs.com/docs/common-vapidatatype-dataflowetljobnode-transformdefine

    Attributes:
        id: Number of the node, 64 bit, unique in its job.
        name: Label, any text.
        parent_node_ids: The node that it reads from.
        define_field_list: The columns to change.
        extra: Members that have no name here, by the wire's names; sent back unchanged.
    """

    kind = "TRANSFORM_DEFINE"

    define_field_list: Sequence[DefineField]


@frozen(eq=False, repr=False)
class TransformSelectNode(TypedNode):
    """Keeps some columns.

    Source: https://api.ncloud-docs.com/docs/common-vapidatatype-dataflowetljobnode-transformselect

    Attributes:
        id: Number of the node, 64 bit, unique in its job.
        name: Label, any text.
        parent_node_ids: The node that it reads from.
        field_list: The columns to keep.
        extra: Members that have no name here, by the wire's names; sent back unchanged.
    """

    kind = "TRANSFORM_SELECT"

    field_list: Sequence[Field]


@frozen(eq=False, repr=False)
class TransformJoinNode(TypedNode):
    """Joins two nodes.

    Source: https://api.ncloud-docs.com/docs/common-vapidatatype-dataflowetljobnode-transformjoin

    Attributes:
        id: Number of the node, 64 bit, unique in its job.
        name: Label, any text.
        parent_node_ids: The two nodes that it reads from.
        join_type: INNER, LEFT_OUTER, RIGHT_OUTER or FULL_OUTER.
        left_node_id: Id of the left node.
        right_node_id: Id of the right node.
        join_condition_list: The comparisons.
        prefix: What the join puts before names of columns that it changes.
        extra: Members that have no name here, by the wire's names; sent back unchanged.
    """

    kind = "TRANSFORM_JOIN"

    join_type: Annotated[str, one_of("INNER", "LEFT_OUTER", "RIGHT_OUTER", "FULL_OUTER")]
    left_node_id: int
    right_node_id: int
    join_condition_list: Sequence[JoinCondition]
    prefix: str | None = None


@frozen(eq=False, repr=False)
class TransformFilterNode(TypedNode):
    """Keeps rows that meet conditions. Its form is inferred (contract/notes.md#ruling-58).

    Attributes:
        id: Number of the node, 64 bit, unique in its job.
        name: Label, any text.
        parent_node_ids: The node that it reads from.
        filter_type: AND or OR: whether all conditions must be met, or one of them.
        filter_condition_list: The conditions.
        extra: Members that have no name here, by the wire's names; sent back unchanged.
    """

    kind = "TRANSFORM_FILTER"

    filter_type: Annotated[str, one_of("AND", "OR")]
    filter_condition_list: Sequence[FilterCondition]


@frozen(eq=False, repr=False)
class TransformUnionNode(TypedNode):
    """Appends the rows of several nodes.

    Source: https://api.ncloud-docs.com/docs/common-vapidatatype-dataflowetljobnode-transformunion

    Attributes:
        id: Number of the node, 64 bit, unique in its job.
        name: Label, any text.
        parent_node_ids: The nodes that it reads from.
        union_type: ALL or DISTINCT: whether rows that occur twice are kept.
        extra: Members that have no name here, by the wire's names; sent back unchanged.
    """

    kind = "TRANSFORM_UNION"

    union_type: Annotated[str, one_of("ALL", "DISTINCT")]


@frozen(eq=False, repr=False)
class TransformAggregateNode(TypedNode):
    """Groups rows and aggregates columns.

    Source: https://api.ncloud-docs.com/docs/common-vapidatatype-dataflowetljobnode-transformaggregate

    Attributes:
        id: Number of the node, 64 bit, unique in its job.
        name: Label, any text.
        parent_node_ids: The node that it reads from.
        group_by_list: Columns to group by.
        aggregate_field_list: The aggregations.
        extra: Members that have no name here, by the wire's names; sent back unchanged.
    """

    kind = "TRANSFORM_AGGREGATE"

    group_by_list: Sequence[str]
    aggregate_field_list: Sequence[AggregateField]


@frozen(eq=False, repr=False)
class TransformRenameNode(TypedNode):
    """Renames columns.

    Source: https://api.ncloud-docs.com/docs/common-vapidatatype-dataflowetljobnode-transformrename

    Attributes:
        id: Number of the node, 64 bit, unique in its job.
        name: Label, any text.
        parent_node_ids: The node that it reads from.
        rename_field_list: The columns to rename.
        extra: Members that have no name here, by the wire's names; sent back unchanged.
    """

    kind = "TRANSFORM_RENAME"

    rename_field_list: Sequence[RenameField]


@frozen(eq=False, repr=False)
class TransformDropDuplicationNode(TypedNode):
    """Removes rows that occur twice.

    Source: https://api.ncloud-docs.com/docs/common-vapidatatype-dataflowetljobnode-transformdropduplication

    Attributes:
        id: Number of the node, 64 bit, unique in its job.
        name: Label, any text.
        parent_node_ids: The node that it reads from.
        drop_field_list: Columns that are compared.
        extra: Members that have no name here, by the wire's names; sent back unchanged.
    """

    kind = "TRANSFORM_DROP_DUPLICATION"

    drop_field_list: Sequence[str]


@frozen(eq=False, repr=False)
class TransformFillMissingValuesNode(TypedNode):
    """Puts values where they are missing.

    Source: https://api.ncloud-docs.com/docs/common-vapidatatype-dataflowetljobnode-transformfillmissingvalue

    Attributes:
        id: Number of the node, 64 bit, unique in its job.
        name: Label, any text.
        parent_node_ids: The node that it reads from.
        missing_value_field_list: The values.
        extra: Members that have no name here, by the wire's names; sent back unchanged.
    """

    kind = "TRANSFORM_FILL_MISSING_VALUES"

    missing_value_field_list: Sequence[MissingValueField]


@frozen(eq=False, repr=False)
class TransformSqlNode(TypedNode):
    """Runs a query of Spark SQL.

    Source: https://api.ncloud-docs.com/docs/common-vapidatatype-dataflowetljobnode-transformsqlquery

    Attributes:
        id: Number of the node, 64 bit, unique in its job.
        name: Label, any text.
        parent_node_ids: The nodes that the query reads from.
        source_name_list: Their names inside the query.
        sql: The query.
        extra: Members that have no name here, by the wire's names; sent back unchanged.
    """

    kind = "TRANSFORM_SQL"

    source_name_list: Sequence[SourceName]
    sql: Text
