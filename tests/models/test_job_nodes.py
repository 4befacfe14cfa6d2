"""The nodes of a job in a request."""

import pytest

from tests.models.api import job_node, refused
from tests.support import contract


@pytest.mark.parametrize(
    ("nodes", "field", "words"),
    [
        ([job_node(1), job_node(1)], "nodes[1].id", ["1"]),
        ([job_node("1")], "nodes[0].id", ["'1'"]),
        ([job_node(True)], "nodes[0].id", ["True"]),
        ([job_node(1.0)], "nodes[0].id", ["1.0"]),
        ([job_node(None)], "nodes[0].id", ["None"]),
        ([job_node(2**63)], "nodes[0].id", [str(2**63)]),
        ([job_node(-(2**63) - 1)], "nodes[0].id", [str(-(2**63) - 1)]),
        ([job_node(1), job_node(2, [3])], "nodes[1].parentNodeIds", ["3"]),
        ([job_node(1, ["1"])], "nodes[0].parentNodeIds", ["'1'"]),
        ([job_node(1, [True])], "nodes[0].parentNodeIds", ["True"]),
        ([job_node(1, parentNodeIds=None)], "nodes[0].parentNodeIds", ["None"]),
        ([job_node(1, parentNodeIds="12")], "nodes[0].parentNodeIds", ["'12'"]),
        ([job_node(1, [1])], "nodes", ["cycle"]),
        ([job_node(1, [2]), job_node(2, [1])], "nodes", ["cycle"]),
        ([job_node(1, [3]), job_node(2, [1]), job_node(3, [2]), job_node(4)], "nodes", ["cycle"]),
        ([job_node(1, type="TRANSFORM_DROP_NULL")], "nodes[0].type", ["TRANSFORM_DROP_NULL"]),
        ([job_node(1, type="TRANSFORM_SPLIT_FIELD")], "nodes[0].type", ["TRANSFORM_SPLIT_FIELD"]),
        ([job_node(1, type=None)], "nodes[0].type", ["None"]),
        ([job_node(1, type="")], "nodes[0].type", ["''"]),
        ([job_node(1, name="")], "nodes[0].name", ["''"]),
        ([job_node(1, name=None)], "nodes[0].name", ["None"]),
        ([5], "nodes[0]", ["5"]),
        ([{1: 2}], "nodes[0]", []),
        ("nodes", "nodes", ["'nodes'"]),
        ({}, "nodes", ["{}"]),
        (5, "nodes", ["5"]),
    ],
)
@pytest.mark.parametrize("call", ["create", "update", "verify"])
async def test_a_node_of_a_job_that_is_not_allowed_is_refused(api, call, nodes, field, words):
    calls = {
        "create": lambda: api.jobs.create("abc", nodes=nodes),
        "update": lambda: api.jobs.update("j", type="VISUAL", nodes=nodes),
        "verify": lambda: api.jobs.verify("abc", nodes),
    }
    await refused(api, calls[call](), field, *words)


@pytest.mark.parametrize("name", ["Sum by state", "주문 집계", "x", "9-a."])
async def test_a_label_is_any_text(api, name):
    await api.jobs.create("abc", nodes=[job_node(name=name)])
    assert api.body["nodes"][0]["name"] == name


@pytest.mark.parametrize("node_id", [2**63 - 1, -(2**63), 2**53 + 1, 0])
async def test_node_ids_go_out_exactly(api, node_id):
    await api.jobs.create("abc", nodes=[job_node(node_id), job_node(7, [node_id])])
    assert api.body["nodes"][0]["id"] == api.body["nodes"][1]["parentNodeIds"][0] == node_id
    assert str(node_id).encode() in api.sent[-1].body


@pytest.mark.parametrize("operation", ["createJob", "verifyJob"])
async def test_nodes_printed_in_the_contract_go_out_unchanged(api, operation):
    for example in contract.request_examples(operation).values():
        nodes = example.get("nodes", [])
        await api.jobs.create("abc", nodes=tuple(nodes))
        assert api.body["nodes"] == nodes


async def test_diamonds_and_any_order_are_allowed(api):
    nodes = [job_node(4, [2, 3]), job_node(3, [1]), job_node(2, [1]), job_node(1)]
    await api.jobs.create("abc", nodes=iter(nodes))
    assert api.body["nodes"] == nodes


async def test_what_the_caller_gave_is_not_changed(api):
    nodes = (job_node(1, parentNodeIds=()),)
    given = {"numWorker": 3, "parameters": {"a": "b"}}
    await api.jobs.create("abc", nodes=nodes, condition=given)
    assert nodes[0]["parentNodeIds"] == ()
    assert given == {"numWorker": 3, "parameters": {"a": "b"}}
