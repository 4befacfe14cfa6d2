"""Nodes of all types: what the contract prints is read and written back equal, and what is unknown is kept."""

import copy
import inspect
import json
import pickle
import re

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import dataflow_async
from dataflow_async import Field, InvalidRequest, Job, RawNode, SourceObsNode, TransformAggregateNode
from dataflow_async.models.nodes.base import members_of
from dataflow_async.models.nodes.columns import COLUMN_TYPES, PRINTED_TYPES
from dataflow_async.models.nodes.kinds import NODE_CLASSES, read_node
from dataflow_async.wire import decoding
from tests.support import contract
from tests.support.examples import example_count


def node_lists(value):
    """All lists of job nodes in a JSON value."""
    if isinstance(value, dict):
        nodes = value.get("nodes")
        if isinstance(nodes, list) and nodes and nodes[0]["type"] not in {"TRIGGER", "JOB"}:
            yield nodes
        for inner in value.values():
            yield from node_lists(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from node_lists(inner)


EXAMPLES = [*node_lists(contract.document())]


def schema(kind):
    mapping = contract.document()["components"]["schemas"]["JobNode"]["discriminator"]["mapping"]
    return contract.resolve({"$ref": mapping[kind]})


def minimal(kind):
    """A node of a type with what its schema requires."""
    return {name: value_of(schema(kind)["properties"][name], kind) for name in schema(kind)["required"]}


def value_of(node, kind):
    node = contract.resolve(node)
    if "const" in node:
        return node["const"]
    if "enum" in node:
        return node["enum"][0]
    if node["type"] == "array":
        return [value_of(node["items"], kind)]
    if node["type"] == "object":
        return {name: value_of(node["properties"][name], kind) for name in node["required"]}
    return {"integer": 2**63 - 1, "string": "x"}[node["type"]]


def test_the_contract_prints_nodes():
    assert len(EXAMPLES) > 5


@pytest.mark.parametrize("nodes", EXAMPLES)
def test_printed_nodes_are_read_and_written_back_equal(nodes):
    read = [read_node(node) for node in nodes]
    assert not [node for node in read if isinstance(node, RawNode)]
    again = [node.to_wire() for node in read]
    assert json.dumps(again, sort_keys=True) == json.dumps(nodes, sort_keys=True)


def test_each_type_of_the_contract_has_a_class_with_its_members():
    mapping = contract.document()["components"]["schemas"]["JobNode"]["discriminator"]["mapping"]
    assert set(NODE_CLASSES) == set(mapping)
    for kind, known in NODE_CLASSES.items():
        assert {wire for wire, _ in members_of(known).values()} | {"type"} == set(schema(kind)["properties"])


def test_columns_have_the_types_of_the_contract():
    field = contract.document()["components"]["schemas"]["Field"]
    types = contract.resolve(field["properties"]["type"])
    assert {*PRINTED_TYPES, *COLUMN_TYPES} == set(types["enum"])


@pytest.mark.parametrize("kind", NODE_CLASSES)
def test_each_type_names_its_page_and_the_values_that_are_allowed(kind):
    text = inspect.getdoc(NODE_CLASSES[kind])
    page = schema(kind).get("externalDocs", {}).get("url", "contract/notes.md#ruling-58")
    assert page in text
    for member in schema(kind)["properties"].values():
        for value in contract.resolve(member).get("enum", []):
            assert re.search(rf"\b{value}\b", text)


@pytest.mark.parametrize("kind", NODE_CLASSES)
def test_a_node_with_what_its_type_requires_is_typed(kind):
    node = minimal(kind)
    read = read_node(node)
    assert type(read) is NODE_CLASSES[kind]
    assert (read.type, read.id, read.to_wire()) == (kind, 2**63 - 1, node)
    assert eval(repr(read), {name: getattr(dataflow_async, name) for name in dataflow_async.__all__}) == read
    assert hash(read_node(minimal(kind))) == hash(read)


@pytest.mark.parametrize("kind", NODE_CLASSES)
def test_a_node_without_a_member_that_its_type_requires_stays_raw(kind):
    for name in schema(kind)["required"]:
        node = minimal(kind)
        del node[name]
        assert read_node(node) == RawNode(node)


@pytest.mark.parametrize("kind", NODE_CLASSES)
def test_members_of_newer_docs_are_kept(kind):
    node = {**minimal(kind), "newMember": [1]}
    assert read_node(node).extra == {"newMember": [1]}
    assert read_node(node).to_wire() == node


def test_new_members_of_columns_and_empty_lists_of_nested_ones_are_kept():
    node = minimal("SOURCE_OBS") | {
        "fieldList": [
            {"name": "a", "type": "String", "properties": [], "nullable": True},
            {"name": "b", "type": "struct", "properties": [{"name": "c", "type": "int"}]},
        ]
    }
    read = read_node(node)
    assert read.field_list[0] == Field("a", "String", (), extra={"nullable": True})
    assert read.field_list[1].properties == (Field("c", "int"),)
    assert read.to_wire() == node


@pytest.mark.parametrize(
    "content",
    [
        {"type": "TRANSFORM_DROP_NULL", "id": 5, "name": "n", "parentNodeIds": [1]},
        {"type": "SOURCE_OBS"},
        {"type": ["SOURCE_OBS"]},
        {},
        5,
        None,
        "SOURCE_OBS",
    ],
)
def test_what_is_unknown_stays_raw(content):
    read = read_node(content)
    assert isinstance(read, RawNode)
    assert read.raw == read.to_wire() == content
    assert hash(read) == hash(read_node(content))


def test_a_raw_node_shows_what_it_has():
    node = read_node({"type": "NEW", "id": 5, "name": "n", "parentNodeIds": [1]})
    assert (node.type, node.id, node.name, node.parent_node_ids) == ("NEW", 5, "n", [1])
    empty = read_node(None)
    assert (empty.type, empty.id, empty.name, empty.parent_node_ids) == (None, None, None, ())


@pytest.mark.parametrize(
    ("member", "value", "words"),
    [
        ("data_type", "XLS", "SourceObsNode.data_type must be one of JSON, CSV, PARQUET, NDJSON, got 'XLS'"),
        ("id", 2**63, "SourceObsNode.id must be a whole number"),
        ("name", "", "SourceObsNode.name must be text that is not empty"),
        ("field_list", [Field("a", "int"), 5], "SourceObsNode.field_list[1] must be a Field, got 5"),
        ("parent_node_ids", "12", "SourceObsNode.parent_node_ids must be a list, got '12'"),
    ],
)
def test_a_typed_node_is_checked_when_it_is_made(member, value, words):
    members = {
        "id": 1,
        "name": "in",
        "parent_node_ids": [],
        "region_no": "1",
        "bucket_name": "lake",
        "prefix": "",
        "data_type": "CSV",
        "field_list": [Field("a", "int")],
    }
    with pytest.raises(InvalidRequest) as caught:
        SourceObsNode(**members | {member: value})
    assert words in str(caught.value)


def test_a_type_of_a_column_is_checked():
    with pytest.raises(InvalidRequest, match=r"Field\.type must be one of void, .*, got 'integer'"):
        Field("a", "integer")


async def test_nodes_of_a_job_make_another_job():
    nodes = EXAMPLES[0]
    job = decoding.decode(Job, {"jobId": "j", "nodes": nodes}, {})
    assert [type(node).__name__ for node in job.nodes] == [
        "SourceObsNode",
        "TransformAggregateNode",
        "TargetObsNode",
    ]
    assert isinstance(job.nodes[1], TransformAggregateNode)
    assert job.nodes[1].aggregate_field_list[0].result_name == "total_amount"
    assert job.raw["nodes"] == nodes


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)


@settings(max_examples=example_count(40, 5000), deadline=None)
@given(st.sampled_from(sorted(NODE_CLASSES)), st.data())
def test_whatever_comes_is_read_and_sent_back_as_it_came(kind, data):
    node = minimal(kind)
    place = node
    while True:
        name = data.draw(st.sampled_from([*place, "newMember"]))
        inner = place.get(name)
        if isinstance(inner, list) and inner and isinstance(inner[0], dict) and data.draw(st.booleans()):
            place = inner[0]
        else:
            break
    place[name] = data.draw(JSON)
    sent = read_node(copy.deepcopy(node)).to_wire()
    if place[name] is None:  # an absent member and null mean the same
        node = place = sent
    assert sent == node
    assert read_node(sent) == read_node(node)


def test_nodes_are_copied_changed_and_pickled():
    node = read_node(minimal("TRANSFORM_AGGREGATE"))
    assert pickle.loads(pickle.dumps(node)) == copy.deepcopy(node) == node
    assert attrs.evolve(node, name="other").to_wire() == node.to_wire() | {"name": "other"}
