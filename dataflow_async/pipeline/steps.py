"""The steps of a pipeline: each method adds a step that reads from this one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from attrs import field, frozen

from dataflow_async.errors import InvalidRequest
from dataflow_async.models import checks
from dataflow_async.models.nodes.base import TypedNode
from dataflow_async.models.nodes.columns import Field
from dataflow_async.models.nodes.parts import (
    AggregateField,
    DefineField,
    FilterCondition,
    JoinCondition,
    MissingValueField,
    RenameField,
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
    TransformUnionNode,
)
from dataflow_async.pipeline import words
from dataflow_async.pipeline.columns import Columns, known_type, stated
from dataflow_async.pipeline.expressions import Condition, Conditions, joined
from dataflow_async.pipeline.graph import Entry, Graph
from dataflow_async.pipeline.refusals import at_users_line
from dataflow_async.pipeline.values import Scalar, value_text

On = str | tuple[str, str] | tuple[str, str, str] | JoinCondition
"""A comparison of a join: a column of both steps, two columns, two with an operator between, or the wire's form."""
TargetColumns = Mapping[str, str] | Iterable[str | Field]
"""Columns to write: names with types, or names alone."""


@frozen(eq=False)
class _Handle:
    """A node that was added to a pipeline."""

    graph: Graph = field(repr=False)
    entry: Entry = field(repr=False)

    @property
    def id(self) -> int:
        """Return the id of its node."""
        return self.entry.id

    @property
    def label(self) -> str:
        """Return the label of its node."""
        return self.entry.label

    @property
    def columns(self) -> dict[str, str | None]:
        """Return its columns with their types; None for a type that is not known."""
        return {name: self.entry.columns.type_of(name) for name in self.entry.columns}

    def __repr__(self) -> str:
        """Return its label and columns."""
        return f"<{type(self).__name__} {self.label!r}: {self.entry.columns.text()}>"


class Target(_Handle):
    """A target of a pipeline: the end of a branch."""


class Step(_Handle):
    """A step of a pipeline. Its methods add steps that read from it; it can be read by several.

    Each method takes ``label``, the text that the console shows, and ``id``, the number of the node; both are made up if they are
    left out. Each raises `PipelineError`, which names the line, where the step does not fit the columns.
    """

    @at_users_line
    def define(
        self,
        changes: Mapping[str, str | tuple[str, str]],
        *,
        label: str | None = None,
        id: int | None = None,  # noqa: A002  # the wire's name
    ) -> Step:
        """Change types, and names, of columns; the others stay.

        Args:
            changes: New type, or new name and new type, by column: ``{"amount": "double", "day": ("date", "string")}``.
            label: Label of the step.
            id: Its number.
        """
        rows = [_definition(name, each) for name, each in checks.mapping(changes, "changes").items()]
        return self._step(TransformDefineNode, "Define", {"define_field_list": rows}, label, id)

    @at_users_line
    def select(self, *columns: str | Field, label: str | None = None, id: int | None = None) -> Step:  # noqa: A002
        """Keep columns in this order, and no others.

        Args:
            columns: Their names; where a type is not known, a `Field`.
            label: Label of the step.
            id: Its number.
        """
        _one_by_one(columns, "columns", "select('id', 'day')")
        rows = _fields(self.entry.columns, columns, "column to select")
        return self._step(TransformSelectNode, "Select", {"field_list": rows}, label, id)

    @at_users_line
    def join(
        self,
        other: Step,
        *,
        on: str | Sequence[On],
        how: words.How = "inner",
        prefix: str | None = None,
        match: words.Match = "all",
        label: str | None = None,
        id: int | None = None,  # noqa: A002  # the wire's name
    ) -> Step:
        """Join another step to this one. The result has the columns of this step, then those of the other one.

        Args:
            other: The other step.
            on: What rows must have in common: ``"id"``, ``["id", "day"]``, ``[("id", "order_id")]`` where the names differ, or
                ``[("day", "<=", "until")]``.
            how: Which rows without a partner are kept: "inner" none, "left" those of this step, "right" those of the other one,
                "full" all.
            prefix: Put before all column names of the other step; needed where both have a name.
            match: Whether "all" comparisons must be met or "any".
            label: Label of the step.
            id: Its number.
        """
        if _is_no_step(other):
            raise checks.refuse("other", other, "a step")
        members = {
            "join_type": words.on_wire(how, words.JOINS, "how"),
            "left_node_id": self.id,
            "right_node_id": other.id,
            "join_condition_list": _join_conditions(on, words.on_wire(match, words.MATCHES, "match")),
            "prefix": prefix,
        }
        return self._step(TransformJoinNode, "Join", members, label, id, other)

    @at_users_line
    def filter(
        self,
        *conditions: Condition | Conditions,
        label: str | None = None,
        id: int | None = None,  # noqa: A002  # the wire's name
    ) -> Step:
        """Keep rows that meet all conditions, or one of several that are joined by ``|``.

        Args:
            conditions: Such as ``col("amount") >= 100``.
            label: Label of the step.
            id: Its number.
        """
        whole = conditions[0] if len(conditions) == 1 else joined("AND", *conditions)
        if not isinstance(whole, Conditions):
            whole = joined("AND", whole)
        rows = [self._filter_condition(condition) for condition in whole.items]
        members = {"filter_type": whole.operator, "filter_condition_list": rows}
        return self._step(TransformFilterNode, "Filter", members, label, id)

    def _filter_condition(self, condition: Condition) -> FilterCondition:
        kind = self.entry.columns.type_of(condition.column, "column to filter by")
        text = value_text(condition.value, kind, f"value for column {condition.column!r}")
        return FilterCondition(condition.column, condition.operator, text)

    @at_users_line
    def union(
        self,
        *others: Step,
        distinct: bool = False,
        label: str | None = None,
        id: int | None = None,  # noqa: A002  # the wire's name
    ) -> Step:
        """Append the rows of other steps, which must have the same columns.

        Args:
            others: The other steps.
            distinct: Whether rows that occur twice are dropped.
            label: Label of the step.
            id: Its number.
        """
        _one_by_one(others, "others", "union(second, third)")
        if not others or any(_is_no_step(other) or other.entry is self.entry for other in others):
            raise checks.refuse("others", others, "other steps of the pipeline, at least one")
        kind = {"union_type": "DISTINCT" if checks.flag(distinct, "distinct") else "ALL"}
        return self._step(TransformUnionNode, "Union", kind, label, id, *others)

    @at_users_line
    def aggregate(
        self,
        results: Mapping[str, tuple[str, words.Function]] | None = None,
        /,
        *,
        by: str | Sequence[str],
        label: str | None = None,
        id: int | None = None,  # noqa: A002  # the wire's name
        **more: tuple[str, words.Function],
    ) -> Step:
        """Group rows and aggregate columns: ``aggregate(by=["country"], total=("amount", "sum"))``.

        The result has the columns of ``by``, then one for each aggregation.

        Args:
            results: Column and function by the name of the result, where the name can't be an argument.
            by: One column or several to group by; empty for one group of all rows.
            label: Label of the step.
            id: Its number.
            more: As ``results``; functions are "sum", "avg", "max" and "min". To count, write SQL.
        """
        given = checks.named_once("results", {} if results is None else results, more)
        rows = [_aggregation(name, each) for name, each in given.items()]
        groups = [by] if isinstance(by, str) else checks.sequence(by, "by")
        members = {"group_by_list": groups, "aggregate_field_list": rows}
        return self._step(TransformAggregateNode, "Aggregate", members, label, id)

    @at_users_line
    def rename(
        self,
        names: Mapping[str, str],
        *,
        label: str | None = None,
        id: int | None = None,  # noqa: A002  # the wire's name
    ) -> Step:
        """Rename columns; the others stay.

        Args:
            names: New name by column: ``{"amount": "total"}``.
            label: Label of the step.
            id: Its number.
        """
        rows = [RenameField(name, new) for name, new in checks.mapping(names, "names").items()]
        return self._step(TransformRenameNode, "Rename", {"rename_field_list": rows}, label, id)

    @at_users_line
    def drop_duplicates(self, *columns: str, label: str | None = None, id: int | None = None) -> Step:  # noqa: A002
        """Keep one of the rows that are equal in these columns; which one is not documented.

        Args:
            columns: Columns to compare; all if none is given.
            label: Label of the step.
            id: Its number.
        """
        _one_by_one(columns, "columns", "drop_duplicates('id', 'day')")
        names = columns or tuple(self.entry.columns)
        return self._step(
            TransformDropDuplicationNode, "Drop duplicates", {"drop_field_list": names}, label, id
        )

    @at_users_line
    def fill_missing(
        self,
        values: Mapping[str, Scalar],
        *,
        label: str | None = None,
        id: int | None = None,  # noqa: A002  # the wire's name
    ) -> Step:
        """Put values where they are missing.

        Args:
            values: The value by column, of the column's type.
            label: Label of the step.
            id: Its number.
        """
        rows = []
        for name, value in checks.mapping(values, "values").items():
            kind = self.entry.columns.type_of(name, "column to fill")
            rows.append(MissingValueField(name, value_text(value, kind, f"value for column {name!r}")))
        members = {"missing_value_field_list": rows}
        return self._step(TransformFillMissingValuesNode, "Fill missing", members, label, id)

    @at_users_line
    def to_object_storage(
        self,
        bucket: str,
        *,
        prefix: str,
        format: words.TargetFormat,  # noqa: A002  # as in Spark
        mode: words.Mode | None = None,
        files: int | None = None,
        columns: TargetColumns | None = None,
        region: str = "1",
        label: str | None = None,
        id: int | None = None,  # noqa: A002  # the wire's name
    ) -> Target:
        """Write files to Object Storage.

        Args:
            bucket: The bucket.
            prefix: Path of the result in it.
            format: "JSON", "CSV" or "PARQUET".
            mode: What happens to data that is there: "overwrite", "append" or "ignore"; the service decides if it is left out.
            files: Number of files to write; the service decides if it is left out.
            columns: Columns to write; all if left out.
            region: Number of the region, as text.
            label: Label of the step.
            id: Its number.
        """
        members = {
            "region_no": region,
            "bucket_name": bucket,
            "prefix": prefix,
            "data_type": words.format_on_wire(format, words.TARGET_FORMATS),
            "coalesce": files,
        }
        return self._target(TargetObsNode, "Object Storage", members, mode, columns, label, id)

    @at_users_line
    def to_mysql(
        self,
        connection: str,
        table: str,
        *,
        mode: words.Mode | None = None,
        columns: TargetColumns | None = None,
        label: str | None = None,
        id: int | None = None,  # noqa: A002  # the wire's name
    ) -> Target:
        """Write to a table of Cloud DB for MySQL.

        Args:
            connection: Id of the connection.
            table: The table.
            mode: What happens to data that is there: "overwrite", "append" or "ignore"; the service decides if it is left out.
            columns: Columns to write; all if left out.
            label: Label of the step.
            id: Its number.
        """
        members = {"connection_id": connection, "table": table}
        return self._target(TargetCdbMysqlNode, "MySQL", members, mode, columns, label, id)

    @at_users_line
    def to_postgresql(
        self,
        connection: str,
        table: str,
        *,
        mode: words.Mode | None = None,
        columns: TargetColumns | None = None,
        label: str | None = None,
        id: int | None = None,  # noqa: A002  # the wire's name
    ) -> Target:
        """Write to a table of Cloud DB for PostgreSQL.

        Args:
            connection: Id of the connection.
            table: The table.
            mode: What happens to data that is there: "overwrite", "append" or "ignore"; the service decides if it is left out.
            columns: Columns to write; all if left out.
            label: Label of the step.
            id: Its number.
        """
        members = {"connection_id": connection, "table": table}
        return self._target(TargetCdbPostgresqlNode, "PostgreSQL", members, mode, columns, label, id)

    @at_users_line
    def to_catalog(
        self,
        database: str,
        table: str,
        *,
        schema_version: str,
        mode: words.Mode | None = None,
        files: int | None = None,
        columns: TargetColumns | None = None,
        label: str | None = None,
        id: int | None = None,  # noqa: A002  # the wire's name
    ) -> Target:
        """Write to a table of Data Catalog.

        Args:
            database: The database.
            table: The table.
            schema_version: Version of its schema, as text.
            mode: What happens to data that is there: "overwrite", "append" or "ignore"; the service decides if it is left out.
            files: Number of files to write; the service decides if it is left out.
            columns: Columns to write; all if left out.
            label: Label of the step.
            id: Its number.
        """
        members = {"database": database, "table": table, "schema_version": schema_version, "coalesce": files}
        return self._target(TargetCatalogNode, "Data Catalog", members, mode, columns, label, id)

    def _step(
        self,
        kind: type[TypedNode],
        title: str,
        members: Mapping[str, Any],
        label: str | None,
        number: int | None,
        *others: Step,
    ) -> Step:
        parents = [self.entry, *(other.entry for other in others)]
        return Step(self.graph, self.graph.make(kind, title, parents, members, label=label, id=number))

    def _target(
        self,
        kind: type[TypedNode],
        title: str,
        members: Mapping[str, Any],
        mode: str | None,
        columns: TargetColumns | None,
        label: str | None,
        number: int | None,
    ) -> Target:
        known = self.entry.columns
        if columns is None and known.is_open:
            raise InvalidRequest("columns must be stated where those of the step are not known, got none")
        given = tuple(known) if columns is None else columns
        whole = dict(members) | {
            "field_list": stated(given)
            if isinstance(given, Mapping)
            else _fields(known, given, "column to write"),
            "update_type": None if mode is None else words.on_wire(mode, words.MODES, "mode"),
        }
        return Target(self.graph, self.graph.make(kind, title, [self.entry], whole, label=label, id=number))


def _is_no_step(value: object) -> bool:
    return not isinstance(value, Step)


def _fields(known: Columns, given: Iterable[str | Field], what: str) -> list[Field]:
    names = checks.sequence(given, "columns")
    return [each if isinstance(each, Field) else known.known(checks.text(each, what), what) for each in names]


def _one_by_one(given: tuple[object, ...], what: str, example: str) -> None:
    for each in given:
        if isinstance(each, list | tuple | set):
            raise checks.refuse(what, each, f"given one by one, such as {example}")


_PAIR_OR_NAMES = "a list: [('id', 'order_id')] for one column of each step, ['id', 'day'] for columns of both"


def _join_conditions(on: str | Sequence[On], then: str) -> list[JoinCondition]:
    if isinstance(on, Mapping):
        raise checks.refuse("on", on, "a column or a list, such as [('id', 'order_id')]")
    if isinstance(on, tuple) and any(isinstance(each, str) for each in on):
        raise checks.refuse("on", on, _PAIR_OR_NAMES)
    rows = [on] if isinstance(on, str) else checks.sequence(on, "on")
    return [_join_condition(row, "HEAD" if at == 0 else then) for at, row in enumerate(rows)]


def _join_condition(row: Any, joined_by: str) -> JoinCondition:
    match row:
        case JoinCondition():
            return row
        case str():
            return JoinCondition(row, row, "EQ", joined_by)
        case (one, other):
            return JoinCondition(one, other, "EQ", joined_by)
        case (one, symbol, other):
            return JoinCondition(
                one, other, words.on_wire(symbol, words.OPERATORS, "operator of `on`"), joined_by
            )
    raise checks.refuse("on", row, "a column, two columns, or two with an operator between")


def _definition(name: str, change: Any) -> DefineField:
    match change:
        case str():
            return DefineField(name, change, name)
        case (str() as new_name, new_type):
            return DefineField(name, known_type(new_type, f"new type of column {name!r}"), new_name)
        case type():
            known_type(change, f"new type of column {name!r}")
    raise checks.refuse(
        f"change of {name!r}", change, "a type, or a new name and a type, such as ('key', 'string')"
    )


def _aggregation(name: str, each: Any) -> AggregateField:
    match each:
        case (_, str() as function) if function.lower() == "count":
            raise checks.refuse(
                f"function of {name!r}", function, f"one of {', '.join(words.FUNCTIONS)} (use sql to count)"
            )
        case (column, function):
            return AggregateField(
                column, name, words.on_wire(function, words.FUNCTIONS, f"function of {name!r}")
            )
    raise checks.refuse(f"aggregation {name!r}", each, "a column and a function, such as ('amount', 'sum')")
