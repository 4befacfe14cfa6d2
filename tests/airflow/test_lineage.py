"""What a job reads and writes, in the form of OpenLineage."""

import inspect
import subprocess
import sys
from importlib.util import find_spec

import pytest

from dataflow_async.airflow.events import RunReport
from dataflow_async.airflow.lineage import StoredData, lineage_of, stored_data
from dataflow_async.models.nodes import sources, targets
from dataflow_async.models.nodes.columns import Field
from dataflow_async.models.nodes.stores import CatalogNode, DatabaseNode, ObjectStorageNode

STORES = (ObjectStorageNode, DatabaseNode, CatalogNode)
KINDS = [
    kind
    for module in (sources, targets)
    for kind in vars(module).values()
    if inspect.isclass(kind) and issubclass(kind, STORES) and kind not in STORES
]
MEMBERS = {
    "region_no": "1",
    "bucket_name": "lake",
    "prefix": "/orders/raw/",
    "data_type": "CSV",
    "connection_id": "c1",
    "table": "orders",
    "database": "sales",
    "schema_version": "1",
    "field_list": [Field("id", "bigint"), Field("day", "date")],
}
NAMES = {
    ObjectStorageNode: ("s3://lake", "orders/raw"),
    DatabaseNode: ("ncloud-data-flow://c1", "orders"),
    CatalogNode: ("ncloud-data-catalog", "sales.orders"),
}
RUN = RunReport("job", "run", "COMPLETED")


def node(kind, number=1):
    known = {name: value for name, value in MEMBERS.items() if name in inspect.signature(kind).parameters}
    return kind(id=number, name="n", parent_node_ids=[], **known)


def test_there_are_nodes_of_all_kinds():
    assert len(KINDS) == 8


@pytest.mark.parametrize("kind", KINDS)
def test_each_source_and_target_names_its_data(kind):
    (store,) = [it for it in STORES if issubclass(kind, it)]
    columns = (("id", "bigint"), ("day", "date"))
    assert stored_data([node(kind)]) == [StoredData(*NAMES[store], columns, kind.kind.startswith("SOURCE"))]


def test_a_job_without_nodes_names_nothing():
    assert stored_data(None) == stored_data([object()]) == []


def test_the_operators_load_nothing_of_openlineage():
    code = (
        "import sys, dataflow_async.airflow.lineage; print([it for it in sys.modules if 'openlineage' in it])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.skipif(find_spec("openlineage") is None, reason="needs openlineage-python")
def test_the_datasets_are_those_of_openlineage():
    found = lineage_of([node(sources.SourceObsNode), node(targets.TargetCatalogNode, 2)], RUN, "https://s")
    (read,), (written,) = found.inputs, found.outputs
    assert (read.namespace, read.name) == ("s3://lake", "orders/raw")
    assert (written.namespace, written.name) == ("ncloud-data-catalog", "sales.orders")
    assert [column.name for column in read.facets["schema"].fields] == ["id", "day"]
    facet = found.run_facets["externalQuery"]
    assert (facet.externalQueryId, facet.source) == ("run", "https://s")
    assert found.job_facets == {}
