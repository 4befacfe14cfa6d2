"""What lists of a transform consist of: conditions, renames, aggregations and the like."""

from typing import Annotated

from attrs import field, frozen

from dataflow_async.models.nodes.base import Text, WireObject, one_of

Operator = Annotated[str, one_of("EQ", "NE", "GT", "LT", "GTE", "LTE")]
"""How two values are compared."""


@frozen(eq=False, repr=False)
class DefineField(WireObject):
    """A column with a new name and type.

    Attributes:
        name: The column as it is.
        new_type: Its type from now on.
        new_name: Its name from now on.
        extra: Members that have no name here, by the wire's names; sent back unchanged.
    """

    name: Text
    new_type: Text
    new_name: Text


@frozen(eq=False, repr=False)
class JoinCondition(WireObject):
    """One comparison of a join.

    Attributes:
        left_field: Column of the left node.
        right_field: Column of the right node.
        join_operator: EQ, NE, GT, LT, GTE or LTE.
        condition_operator: How it is joined to the one before it: AND or OR; HEAD for the first.
        extra: Members that have no name here, by the wire's names; sent back unchanged.
    """

    left_field: Text
    right_field: Text
    join_operator: Operator
    condition_operator: Annotated[str, one_of("HEAD", "AND", "OR")]


@frozen(eq=False, repr=False)
class FilterCondition(WireObject):
    """One comparison of a filter. Its form is inferred (contract/notes.md#ruling-58).

    Attributes:
        name: Column.
        operator: EQ, NE, GT, LT, GTE or LTE.
        value: What to compare it with, as text.
        extra: Members that have no name here, by the wire's names; sent back unchanged.
    """

    name: Text
    operator: Operator
    value: str


@frozen(eq=False, repr=False)
class AggregateField(WireObject):
    """One aggregation.

    Attributes:
        name: Column.
        result_name: Name of the result; ``ResultName`` on the wire.
        function: SUM, AVG, MAX or MIN; there is no COUNT.
        extra: Members that have no name here, by the wire's names; sent back unchanged.
    """

    name: Text
    result_name: Text = field(metadata={"wire": "ResultName"})
    function: Annotated[str, one_of("SUM", "AVG", "MAX", "MIN")]


@frozen(eq=False, repr=False)
class RenameField(WireObject):
    """A column with a new name.

    Attributes:
        name: The column as it is.
        new_name: Its name from now on.
        extra: Members that have no name here, by the wire's names; sent back unchanged.
    """

    name: Text
    new_name: Text


@frozen(eq=False, repr=False)
class MissingValueField(WireObject):
    """What stands in for missing values of a column.

    Attributes:
        name: Column.
        default_value: The value, as text.
        extra: Members that have no name here, by the wire's names; sent back unchanged.
    """

    name: Text
    default_value: str


@frozen(eq=False, repr=False)
class SourceName(WireObject):
    """The name of a node inside a query.

    Attributes:
        parent_id: Id of the node, one of the parents.
        new_name: Its name as a table of the query.
        extra: Members that have no name here, by the wire's names; sent back unchanged.
    """

    parent_id: int
    new_name: Text
