"""The table of calls and the contract say the same."""

import re
from collections import Counter
from typing import get_args, get_origin

import pytest

from dataflow_async import NotFound
from dataflow_async.models.page import Page
from dataflow_async.wire.operation import OPERATIONS
from tests.support import contract
from tests.support.recorder import Recorder

TABLE = {row.name: row for row in OPERATIONS}
NAMES = sorted({*TABLE, *contract.operations()})


def answers_json(name):
    """Names of the schemas a success of this call may hold."""
    responses = contract.operations()[name].node["responses"]
    schemas = {
        contract.resolve(response)["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
        for status, response in responses.items()
        if status.startswith("2") and "content" in contract.resolve(response)
    }
    assert len(schemas) == 1
    return schemas.pop()


def test_there_are_25_calls_of_four_kinds():
    assert len(OPERATIONS) == len(TABLE) == contract.document()["x-operation-count"] == 25
    tags = Counter(tag for call in contract.operations().values() for tag in call.node["tags"])
    assert tags == {"dashboard": 3, "workflow": 7, "job": 11, "trigger": 4}


def test_no_two_calls_share_method_and_path():
    assert len({(row.method, row.path) for row in OPERATIONS}) == len(OPERATIONS)


@pytest.mark.parametrize("name", NAMES)
def test_row_equals_the_contract(name):
    ours, theirs = TABLE[name], contract.operations()[name]
    assert (ours.method, ours.path, ours.effect.value) == (
        theirs.method,
        theirs.path,
        theirs.node["x-effect"],
    )


@pytest.mark.parametrize("name", NAMES)
def test_ids_fill_the_path_from_left_to_right(name):
    places = re.findall(r"{(\w+)}", contract.operations()[name].path)
    ids = [f"id-{place}" for place in places]
    expected = contract.operations()[name].path.format(**dict(zip(places, ids, strict=True)))
    assert Recorder().describe(TABLE[name], *ids).target == expected


@pytest.mark.parametrize("name", NAMES)
def test_answer_is_modelled_where_the_contract_has_one(name):
    answers, schema = TABLE[name].answers, answers_json(name)
    if answers is None:
        assert schema == "TrueResult"
    elif get_origin(answers) is Page:
        row = contract.document()["components"]["schemas"][schema]["properties"]["list"]["items"]["$ref"]
        assert row.endswith("/" + get_args(answers)[0].__name__)
    else:
        other_names = {
            "ExecutionIntervalResult": "ExecutionInterval",
            "ExecutionTimesResult": "ExecutionTimes",
            "WorkflowAccepted": "WorkflowReceipt",
        }
        assert answers.__name__ == other_names.get(schema, schema)


@pytest.mark.parametrize("name", NAMES)
def test_body_may_be_missing_only_where_the_contract_says_so(name):
    responses = contract.operations()[name].node["responses"]
    optional = {int(status) for status, response in responses.items() if response.get("x-body-optional")}
    assert TABLE[name].bodyless == optional


def test_a_404_on_the_way_counts_as_done_for_what_ends_a_thing_only():
    ending = {row.name for row in OPERATIONS if NotFound in row.done_by}
    assert ending == {"deleteJob", "deleteWorkflow", "deleteTrigger", "cancelJobExecution"}
