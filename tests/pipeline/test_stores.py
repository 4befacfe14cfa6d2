"""Targets that overwrite what the pipeline reads, or what another target writes."""

import re

import pytest

from dataflow_async import InvalidRequest
from dataflow_async.models.nodes.kinds import read_node
from dataflow_async.pipeline import Pipeline, PipelineError
from dataflow_async.pipeline.stores import store_of
from tests.models.nodes.test_kinds import minimal
from tests.pipeline.written import ORDERS

TABLE = {"columns": {"id": "int"}}
CSV = {"format": "CSV"}


def table(p):
    return p.mysql("crm", "customers", **TABLE)


def folder(prefix, region="1"):
    return lambda p: p.object_storage("raw", prefix=prefix, region=region, columns=ORDERS, **CSV)


def to_folder(prefix, mode="overwrite", bucket="raw"):
    return lambda step: step.to_object_storage(bucket, prefix=prefix, mode=mode, **CSV)


HARMFUL = {
    "the same table": (table, lambda s: s.to_mysql("crm", "customers", mode="overwrite"), "crm/customers"),
    "a mode that is left out": (table, lambda s: s.to_mysql("crm", "customers"), "crm/customers"),
    "the same table of another version": (
        lambda p: p.catalog("d", "t", schema_version="1", **TABLE),
        lambda s: s.to_catalog("d", "t", schema_version="2", mode="overwrite"),
        "d/t",
    ),
    "the same folder": (folder("orders/"), to_folder("/orders"), "raw/orders"),
    "a folder around it": (folder("orders/2026/"), to_folder("orders"), "raw/orders"),
    "a folder within it": (folder("orders"), to_folder("orders/2026/"), "raw/orders/2026"),
    "the whole bucket": (folder("orders"), to_folder(""), "raw"),
}  # fmt: skip
HARMLESS = {
    "append": (table, lambda s: s.to_mysql("crm", "customers", mode="append")),
    "ignore": (table, lambda s: s.to_mysql("crm", "customers", mode="ignore")),
    "another table": (table, lambda s: s.to_mysql("crm", "customer", mode="overwrite")),
    "another connection": (table, lambda s: s.to_mysql("shop", "customers", mode="overwrite")),
    "another product": (table, lambda s: s.to_postgresql("crm", "customers", mode="overwrite")),
    "a folder beside it": (folder("orders/"), to_folder("orders_paid/")),
    "another bucket": (folder("orders/"), to_folder("orders/", bucket="marts")),
    "another region": (folder("orders/", region="2"), to_folder("orders/")),
}


@pytest.mark.parametrize("name", HARMFUL)
def test_a_target_does_not_overwrite_what_is_read(name):
    read, write, store = HARMFUL[name]
    p = Pipeline("abc")
    step = read(p)
    with pytest.raises(PipelineError) as caught:
        write(step)
    assert re.search(
        r"test_stores\.py:\d+ in .*: step '.* 2': mode must be append or ignore where the pipeline reads what is there, "
        rf"got {store}, read at tests/pipeline/test_stores\.py:\d+ in .*: rows that are overwritten while",
        str(caught.value),
    )


@pytest.mark.parametrize("name", HARMFUL)
def test_a_source_is_not_what_a_target_overwrites(name):
    read, write, _ = HARMFUL[name]
    p = Pipeline("abc")
    write(p.mysql("elsewhere", "t", **TABLE))
    with pytest.raises(
        PipelineError, match=r"source must be what no target of the pipeline overwrites, got .*overwritten at"
    ):
        read(p)


@pytest.mark.parametrize("name", HARMLESS)
def test_other_places_and_modes_are_no_harm(name):
    read, write = HARMLESS[name]
    p = Pipeline("abc")
    write(read(p))
    p.to_nodes()


@pytest.mark.parametrize(
    ("one", "other"), [("gold/", "gold"), ("gold/", "gold/2026/"), ("", "gold/"), ("gold/2026", "gold")]
)
def test_a_target_does_not_overwrite_another_one(one, other):
    step = table(Pipeline("abc"))
    to_folder(one)(step)
    with pytest.raises(
        PipelineError, match=r"target must be written once unless both append, got raw.* again"
    ):
        to_folder(other)(step)


def test_an_existing_job_that_does_so_is_read_and_written_down_again():
    nodes = [
        {**minimal("SOURCE_CDB_MYSQL"), "id": 1, "parentNodeIds": []},
        {**minimal("TARGET_CDB_MYSQL"), "id": 2, "parentNodeIds": [1], "updateType": "OVERWRITE"},
    ]
    p = Pipeline.from_nodes(nodes)
    assert [node.to_wire() for node in p.to_nodes()] == nodes
    assert [list(step.columns) for step in p.steps] == [["x"], ["x"]]
    names = {}
    exec(p.to_python(), names)
    assert names["p"] == p
    with pytest.raises(InvalidRequest, match="mode must be append or ignore"):
        Pipeline("abc").add(p.steps[0].entry.node).graph.add(p.steps[1].entry.node)


@pytest.mark.parametrize("kind", ["TRANSFORM_SQL", "TRANSFORM_SELECT"])
def test_transforms_have_no_store(kind):
    assert store_of(read_node(minimal(kind))) is None
