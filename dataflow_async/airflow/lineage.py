"""What a job reads and writes, in the form of OpenLineage.

Airflow's OpenLineage provider calls an operator for it once a task has ended, where that provider is installed; nothing here is
imported elsewhere. It reads four attributes of the result, whatever its class.

Source: https://openlineage.io/docs/spec/naming (Object Storage is named as the S3 that its API is).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib import import_module
from typing import Any

from attrs import field, frozen

from dataflow_async.airflow.events import RunReport
from dataflow_async.models.nodes.base import JobNode
from dataflow_async.models.nodes.stores import CatalogNode, DatabaseNode, ObjectStorageNode

CONNECTIONS = "ncloud-data-flow"
"""Scheme of the namespace of a database: a job names it by the id of its connection alone."""
CATALOG = "ncloud-data-catalog"
"""Namespace of tables of Data Catalog."""


@frozen
class StoredData:
    """Data that a node reads or writes.

    Attributes:
        namespace: Where they are, such as ``"s3://bucket"``.
        name: What they are there.
        columns: Names and types.
        is_source: Whether they are read.
    """

    namespace: str
    name: str
    columns: tuple[tuple[str, str], ...]
    is_source: bool


@frozen
class Lineage:
    """The lineage of a task, as Airflow's OpenLineage provider reads it."""

    inputs: list[Any] = field(factory=list)
    outputs: list[Any] = field(factory=list)
    run_facets: Mapping[str, Any] = field(factory=dict)
    job_facets: Mapping[str, Any] = field(factory=dict)


def stored_data(nodes: Iterable[JobNode] | None) -> list[StoredData]:
    """Return the data that the sources and targets of a job name, in the order of its nodes."""
    return [found for node in nodes or () if (found := _stored(node)) is not None]


def lineage_of(nodes: Iterable[JobNode] | None, run: RunReport, service: str) -> Lineage:
    """Return the lineage of a run; a SCRIPT job names no data.

    Args:
        nodes: The nodes of its job.
        run: The run.
        service: Address of the service.
    """
    event, facets = import_module("openlineage.client.event_v2"), import_module("openlineage.client.facet_v2")

    def dataset(data: StoredData) -> Any:
        columns = [facets.schema_dataset.SchemaDatasetFacetFields(name, kind) for name, kind in data.columns]
        schema = {"schema": facets.schema_dataset.SchemaDatasetFacet(columns)} if columns else {}
        return event.Dataset(data.namespace, data.name, facets=schema)

    found = stored_data(nodes)
    external = facets.external_query_run.ExternalQueryRunFacet(run.execution_id, service)
    return Lineage(
        [dataset(data) for data in found if data.is_source],
        [dataset(data) for data in found if not data.is_source],
        {"externalQuery": external},
    )


def _stored(node: JobNode) -> StoredData | None:
    """Return what a node reads or writes; None for one that does neither, or is of unknown form."""
    if isinstance(node, ObjectStorageNode):
        namespace, name = f"s3://{node.bucket_name}", node.prefix.strip("/") or "/"
    elif isinstance(node, DatabaseNode):
        namespace, name = f"{CONNECTIONS}://{node.connection_id}", str(node.table)
    elif isinstance(node, CatalogNode):
        namespace, name = CATALOG, f"{node.database}.{node.table}"
    else:
        return None
    columns: Any = getattr(node, "field_list", ())
    named = tuple((str(column.name), str(column.type)) for column in columns)
    return StoredData(namespace, name, named, node.kind.startswith("SOURCE_"))
