"""What the service says of nodes is turned into steps and lines, in whatever form it names them."""

import copy

import pytest

from dataflow_async import BadRequest, RawNode
from dataflow_async.emulator.api.checks import Invalid
from dataflow_async.emulator.api.request_schemas import VERIFY_JOB
from dataflow_async.errors import FieldError
from dataflow_async.models.nodes.kinds import NODE_CLASSES
from dataflow_async.pipeline import Pipeline
from tests.models.nodes.test_kinds import minimal
from tests.pipeline.written import sources


def written():
    """A pipeline whose positions, ids and labels differ from each other."""
    p, orders, _ = sources()
    orders.select("id", id=70, label="keys").to_mysql("c", "t", id=80)
    return p


def reported(message, **more):
    return written().explain_refusal(BadRequest(message, status=400, **more))


@pytest.mark.parametrize(
    ("message", "named"),
    [
        ("nodes[2].fieldList[0].type must be one of", "nodes[2] is step 'keys' ("),
        ("at nodes.2: odd", "nodes[2] is step 'keys' ("),
        ("$/nodes/2/name", "nodes[2] is step 'keys' ("),
        ("node 70 is odd", "node 70 is step 'keys' ("),
        ("Node(70) is odd", "node 70 is step 'keys' ("),
        ('{"nodeId": 70}', "node 70 is step 'keys' ("),
        ("node id = '70'", "node 70 is step 'keys' ("),
        ("the node 'keys' is odd", "'keys' is step 'keys' ("),
        ("the node \u201ckeys\u201d is odd", "'keys' is step 'keys' ("),
    ],
)
def test_a_node_is_recognized_however_it_is_named(message, named):
    told = reported(message)
    assert told.startswith(f"{message}; {named}tests/pipeline/test_service_messages.py:")


@pytest.mark.parametrize(
    "message", ["name is taken", "nodes[9]", "node 9", "3 keys, 70 rows", "nodes must be an array"]
)
def test_what_names_no_node_stays_as_it_is(message):
    assert reported(message) == message


def test_nodes_of_details_and_members_are_named_once_each():
    told = reported("odd", details="node 70 and node 80", field_errors=[FieldError("nodes[2].name", "odd")])
    assert told.count(" is step ") == 2
    assert "; nodes[2] is step 'keys' (" in told
    assert "; node 80 is step 'MySQL 80' (" in told


def broken(content):
    """A JSON value with one member gone, or of another form, at every place in turn."""
    for name in content:
        inner = content[name]
        if name not in {"id", "name", "type", "parentNodeIds"}:  # without these it is no node of a pipeline
            yield {key: value for key, value in content.items() if key != name}
            yield {**content, name: 5.5}
        if isinstance(inner, list) and inner and isinstance(inner[0], dict):
            for worse in broken(inner[0]):
                yield {**content, name: [worse]}


@pytest.mark.parametrize("kind", NODE_CLASSES)
def test_whatever_the_emulator_refuses_in_a_node_names_step_and_line(kind):
    refused = 0
    for node in broken(minimal(kind)):
        p = Pipeline("abc")
        for number in (1, 2, 3):
            p.mysql("c", f"t{number}", columns={"id": "int"})
        p.add(RawNode({**node, "id": 4, "parentNodeIds": [1, 2][: 0 if kind.startswith("SOURCE") else 2]}))
        body = {"name": "abc", "nodes": copy.deepcopy([step.entry.node.to_wire() for step in p.steps])}
        try:
            VERIFY_JOB(body)
        except Invalid as refusal:
            refused += 1
            told = p.explain_refusal(BadRequest(str(refusal), status=400))
            assert f"; nodes[3] is step {node['name']!r} (tests/pipeline/test_service_messages.py:" in told
    assert refused
