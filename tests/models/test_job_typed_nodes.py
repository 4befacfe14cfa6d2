"""Typed nodes in requests: they go out in the wire's form, beside mappings."""

import pytest

from dataflow_async import Field, RawNode, SourceObsNode, TransformUnionNode
from tests.models.api import job_node, refused

SOURCE = SourceObsNode(1, "in", (), "1", "lake", "orders/", "CSV", [Field("id", "bigint")])


@pytest.mark.parametrize("call", ["create", "update", "verify"])
async def test_typed_raw_and_plain_nodes_go_out_together(api, call):
    raw = {"type": "NEW", "id": 3, "name": "new", "parentNodeIds": [2], "any": [1]}
    nodes = [SOURCE, job_node(2, [1]), RawNode(raw)]
    calls = {
        "create": lambda: api.jobs.create("abc", nodes=nodes),
        "update": lambda: api.jobs.update("j", type="VISUAL", nodes=nodes),
        "verify": lambda: api.jobs.verify("abc", nodes),
    }
    await calls[call]()
    assert api.body["nodes"] == [SOURCE.to_wire(), job_node(2, [1]), raw]


async def test_the_graph_of_typed_nodes_is_checked(api):
    nodes = [SOURCE, TransformUnionNode(2, "all", [1, 7], "ALL")]
    await refused(api, api.jobs.create("abc", nodes=nodes), "nodes[1].parentNodeIds", "7")


async def test_a_raw_node_that_is_no_object_is_refused(api):
    await refused(api, api.jobs.create("abc", nodes=[RawNode(5)]), "nodes[0]", "5")


async def test_nodes_are_needed_for_a_check(api):
    await refused(api, api.jobs.verify("abc"), "nodes", "None")
