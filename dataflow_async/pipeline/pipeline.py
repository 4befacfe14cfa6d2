"""A pipeline: the nodes of a job, written in Python and checked step by step."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Self

from dataflow_async.errors import APIError, InvalidRequest
from dataflow_async.models import checks
from dataflow_async.models.draft import JobDraft
from dataflow_async.models.graph import check_parents
from dataflow_async.models.job import Job
from dataflow_async.models.nodes.base import JobNode, TypedNode
from dataflow_async.models.nodes.kinds import read_node
from dataflow_async.models.nodes.parts import SourceName
from dataflow_async.models.nodes.sources import (
    SourceCatalogNode,
    SourceCdbMysqlNode,
    SourceCdbPostgresqlNode,
    SourceObsNode,
)
from dataflow_async.models.nodes.transforms import TransformSqlNode
from dataflow_async.pipeline import mermaid, python_code, service_messages, summary, words
from dataflow_async.pipeline.columns import Columns, Stated, stated, unique
from dataflow_async.pipeline.graph import Graph, in_order
from dataflow_async.pipeline.refusals import at_users_line
from dataflow_async.pipeline.sql_columns import can_learn
from dataflow_async.pipeline.steps import Step, Target


class Pipeline(JobDraft):
    """The nodes of a job, written step by step; each step is checked by the line that writes it.

    Always true: the same code gives the same JSON; ids are the numbers of the steps unless they are given. Two pipelines are
    equal if their nodes are, whatever their names.

    Attributes:
        name: Name of the job, as `Jobs.create` takes it.
    """

    @at_users_line
    def __init__(self, name: str) -> None:
        self.name = checks.name(name)
        self._graph = Graph(self.name)

    @at_users_line
    def object_storage(
        self,
        bucket: str,
        *,
        prefix: str,
        format: words.SourceFormat,  # noqa: A002  # as in Spark
        columns: Stated,
        region: str = "1",
        label: str | None = None,
        id: int | None = None,  # noqa: A002  # the wire's name
    ) -> Step:
        """Read files of Object Storage.

        Args:
            bucket: The bucket.
            prefix: Path of the data in it.
            format: "JSON", "CSV", "PARQUET" or "NDJSON".
            columns: Names and types, or `Field` objects where columns are nested.
            region: Number of the region, as text.
            label: Label of the step; made up if left out.
            id: Number of the node; made up if left out.
        """
        members = {
            "region_no": region,
            "bucket_name": bucket,
            "prefix": prefix,
            "data_type": words.format_on_wire(format, words.SOURCE_FORMATS),
        }
        return self._source(SourceObsNode, "Object Storage", members, columns, label, id)

    @at_users_line
    def mysql(
        self,
        connection: str,
        table: str,
        *,
        columns: Stated,
        label: str | None = None,
        id: int | None = None,  # noqa: A002  # the wire's name
    ) -> Step:
        """Read a table of Cloud DB for MySQL.

        Args:
            connection: Id of the connection.
            table: The table.
            columns: Names and types.
            label: Label of the step; made up if left out.
            id: Number of the node; made up if left out.
        """
        members = {"connection_id": connection, "table": table}
        return self._source(SourceCdbMysqlNode, "MySQL", members, columns, label, id)

    @at_users_line
    def postgresql(
        self,
        connection: str,
        table: str,
        *,
        columns: Stated,
        label: str | None = None,
        id: int | None = None,  # noqa: A002  # the wire's name
    ) -> Step:
        """Read a table of Cloud DB for PostgreSQL.

        Args:
            connection: Id of the connection.
            table: The table.
            columns: Names and types.
            label: Label of the step; made up if left out.
            id: Number of the node; made up if left out.
        """
        members = {"connection_id": connection, "table": table}
        return self._source(SourceCdbPostgresqlNode, "PostgreSQL", members, columns, label, id)

    @at_users_line
    def catalog(
        self,
        database: str,
        table: str,
        *,
        schema_version: str,
        columns: Stated,
        label: str | None = None,
        id: int | None = None,  # noqa: A002  # the wire's name
    ) -> Step:
        """Read a table of Data Catalog.

        Args:
            database: The database.
            table: The table.
            schema_version: Version of its schema, as text.
            columns: Names and types.
            label: Label of the step; made up if left out.
            id: Number of the node; made up if left out.
        """
        members = {"database": database, "table": table, "schema_version": schema_version}
        return self._source(SourceCatalogNode, "Data Catalog", members, columns, label, id)

    @at_users_line
    def sql(
        self,
        query: str,
        tables: Mapping[str, Step] | None = None,
        /,
        *,
        columns: Stated | Columns | None = None,
        label: str | None = None,
        id: int | None = None,  # noqa: A002  # the wire's name
        **more: Step,
    ) -> Step:
        """Run a query of Spark SQL over steps: ``p.sql("SELECT id FROM orders", orders=orders)``.

        Args:
            query: The query. Give each result a name, as in ``count(*) AS orders``: else the columns are unknown.
            tables: Steps by their names in the query, where a name can't be an argument.
            columns: Names and types of the result. With the extra ``sql`` they are learned from the query, without it they must
                be stated; `UNKNOWN` leaves them open.
            label: Label of the step; made up if left out.
            id: Number of the node; made up if left out.
            more: As ``tables``.
        """
        if tables is not None and not isinstance(tables, Mapping):
            raise checks.refuse("tables", tables, "steps by their names in the query, such as orders=orders")
        steps = checks.named_once("tables", tables or {}, more)
        for name, step in steps.items():
            if not isinstance(step, Step):
                raise checks.refuse(f"table {name!r}", step, "a step")
        if columns is None and not can_learn():
            raise InvalidRequest(
                "columns must be stated without the extra sql (pip install 'dataflow-async[sql]'), got none",
                field="columns",
            )
        if columns is not None and not isinstance(columns, Columns):
            columns = unique(((it.name, it) for it in stated(columns)), "columns")
        rows = [SourceName(step.id, name) for name, step in steps.items()]
        parents = [step.entry for step in steps.values()]
        members = {"source_name_list": rows, "sql": query}
        entry = self._graph.make(
            TransformSqlNode, "SQL", parents, members, label=label, id=id, columns=columns
        )
        return Step(self._graph, entry)

    @at_users_line
    def add(self, node: JobNode, *, check: bool = True) -> Step | Target:
        """Add a node as it is; its parents must be there.

        Args:
            node: The node.
            check: Whether one that does not fit the columns of its parents is refused; otherwise its columns are unknown.
        """
        if not isinstance(node, JobNode):
            raise checks.refuse("node", node, "a node, such as SourceObsNode or RawNode")
        entry = self._graph.add(node, is_checked=check)
        return Target(self._graph, entry) if entry.is_target else Step(self._graph, entry)

    @classmethod
    def from_nodes(cls, nodes: Iterable[JobNode | Mapping[str, Any]], name: str = "pipeline") -> Self:
        """Return the pipeline of nodes, such as those of a job. What the columns of steps do not explain is left unchecked.

        Args:
            nodes: Nodes, typed, raw or as mappings with the wire's names; parents may come after those that read them.
            name: Name of the pipeline.

        Raises:
            InvalidRequest: What is given are no nodes, ids are missing or not unique, parents do not exist or form a cycle.
        """
        if nodes is None:
            raise checks.refuse(
                "nodes",
                nodes,
                "a list, such as the nodes of a job that jobs.get returns; rows of lists have none",
            )
        typed = [_node(node, f"nodes[{at}]") for at, node in enumerate(checks.sequence(nodes, "nodes"))]
        check_parents([{"id": it.id, "parentNodeIds": list(it.parent_node_ids)} for it in typed])
        pipeline = cls(name)
        for node in in_order(typed):
            pipeline.add(node, check=False)
        return pipeline

    @classmethod
    def from_job(cls, job: Job) -> Self:
        """Return the pipeline of a job, with its name.

        Raises:
            InvalidRequest: As `from_nodes`, or the job has no name, or is one of a list, which has no nodes.
        """
        if not isinstance(job, Job):
            raise checks.refuse("job", job, "a Job with its nodes, as jobs.get returns it")
        return cls.from_nodes(job.nodes or (), checks.name(job.name))

    @property
    def steps(self) -> tuple[Step | Target, ...]:
        """Return all steps in the order in which they were written."""
        return tuple(
            Target(self._graph, entry) if entry.is_target else Step(self._graph, entry)
            for entry in self._graph.entries.values()
        )

    @at_users_line
    def step(self, name: str | int) -> Step:
        """Return a step by its label, or by the number of its node where several have the label.

        Raises:
            PipelineError: There is no such step, several have the label, or it is a target, which nothing reads.
        """
        return Step(self._graph, self._graph.find(name))

    def to_nodes(self) -> tuple[JobNode, ...]:
        """Return the nodes after a check of the whole.

        Raises:
            PipelineError: There is no target, or nothing reads a step.
        """
        return tuple(entry.node for entry in self._graph.complete())

    def explain(self) -> str:
        """Return the steps as text: what each does, with which other steps, and its columns."""
        return summary.explain(self.name, list(self._graph.entries.values()))

    def to_mermaid(self) -> str:
        """Return the graph as a diagram in Mermaid's language."""
        return mermaid.to_mermaid(list(self._graph.entries.values()))

    def to_python(self) -> str:
        """Return formatted code that makes an equal pipeline, as ``p``."""
        return python_code.to_python(Pipeline(self.name), list(self._graph.entries.values()))

    def explain_refusal(self, error: APIError) -> str:
        """Return the service's message with the steps that it names, and their lines."""
        return service_messages.explained(error, list(self._graph.entries.values()))

    def __eq__(self, other: object) -> bool:
        """Return whether the other is a pipeline of equal nodes."""
        if not isinstance(other, Pipeline):
            return NotImplemented
        return self._by_id() == other._by_id()

    __hash__ = None  # type: ignore[assignment]  # it grows

    def _by_id(self) -> dict[int, JobNode]:
        return {number: entry.node for number, entry in self._graph.entries.items()}

    def __repr__(self) -> str:
        """Return its name and the number of its steps."""
        return f"<Pipeline {self.name!r} of {len(self._graph.entries)} steps>"

    def _source(
        self,
        kind: type[TypedNode],
        title: str,
        members: Mapping[str, Any],
        columns: Stated,
        label: str | None,
        number: int | None,
    ) -> Step:
        whole = dict(members) | {"field_list": stated(columns)}
        return Step(self._graph, self._graph.make(kind, title, (), whole, label=label, id=number))


def _node(node: object, where: str) -> JobNode:
    if isinstance(node, Mapping):
        return read_node(node)
    if not isinstance(node, JobNode):
        raise checks.refuse(where, node, "a node, or a mapping with the wire's names")
    return node
