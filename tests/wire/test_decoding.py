"""JSON to models: everything the contract allows is read, everything else is refused in words."""

import copy
import math
from datetime import UTC, datetime, timedelta, timezone
from typing import get_args, get_origin

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflow_async import (
    ExecutionInterval,
    ExecutionResult,
    ExecutionStatus,
    ExecutionTimes,
    Job,
    JobExecution,
    JobSummary,
    JobType,
    Page,
    RuleType,
    Trigger,
    Workflow,
    WorkflowReceipt,
    WorkflowSummary,
)
from dataflow_async.models.nodes.base import RawNode, TypedNode
from dataflow_async.wire import decoding
from dataflow_async.wire.operation import OPERATIONS
from tests.support import contract
from tests.support.examples import example_count

KST = timezone(timedelta(hours=9))
SCHEMAS = contract.document()["components"]["schemas"]
MODELS = {row.name: row.answers for row in OPERATIONS if row.answers is not None}


def decode(answers, content, fill=None):
    return decoding.decode(answers, content, fill or {})


def wire(name):
    head, *rest = name.split("_")
    return head + "".join(word.capitalize() for word in rest)


def assert_says(result, content):
    """``result`` says what ``content`` says, member by member, and keeps it whole."""
    assert result.raw == content
    if isinstance(result, Page):
        assert [result.count, result.page, result.limit] == [
            content.get(n) for n in ("count", "page", "limit")
        ]
        assert len(result.items) == len(content["list"])
        for item, row in zip(result.items, content["list"], strict=True):
            assert_says(item, row)
        return
    for field in attrs.fields(type(result)):
        if not field.init:
            continue
        names = [wire(field.name)]
        if field.name == "job_condition":
            names += ["runCondition", "runCondtion"]
        given_value = next((content[name] for name in names if content.get(name) is not None), None)
        assert_same(getattr(result, field.name), given_value, field.default)


def assert_same(value, content, default=None):
    if content is None:
        assert value in {None, default if isinstance(default, str) else None}
    elif isinstance(value, TypedNode | RawNode):
        assert value.to_wire() == content
    elif attrs.has(type(value)):
        assert_says(value, content)
    elif isinstance(value, list):
        assert len(value) == len(content)
        for one, other in zip(value, content, strict=True):
            assert_same(one, other)
    elif isinstance(value, datetime):
        assert value.utcoffset() is not None
        assert value == (
            moment if (moment := datetime.fromisoformat(content)).tzinfo else moment.replace(tzinfo=KST)
        )
    else:
        assert value == content
        assert isinstance(value, type(content)) or (type(value), type(content)) == (float, int)


# --- examples of the contract ------------------------------------------------------------------------------


def examples():
    for name, answers in MODELS.items():
        for status, response in contract.operations()[name].node["responses"].items():
            if status.startswith("2") and "content" in (whole := contract.resolve(response)):
                for label, example in whole["content"]["application/json"]["examples"].items():
                    yield pytest.param(
                        answers, contract.resolve(example)["value"], id=f"{name}-{status}-{label}"
                    )


EXAMPLES = list(examples())


@pytest.mark.parametrize(("answers", "content"), EXAMPLES)
def test_every_success_of_the_contract_is_read(answers, content):
    before = copy.deepcopy(content)
    for _ in range(3):
        result = decode(answers, content)
        assert result.raw is content
        assert_says(result, content)
    assert content == before


@pytest.mark.parametrize(("answers", "content"), EXAMPLES)
def test_unknown_members_change_nothing_and_stay_in_raw(answers, content):
    more = {**content, "aMemberOfTomorrow": {"deep": [1, None]}, "raw": "x", "job_id": 5}
    result = decode(answers, more)
    assert result.raw is more
    assert result == decode(answers, content)


def test_rows_and_nested_objects_have_their_own_raw():
    row = {"jobExecutionId": "e", "jobId": "j", "jobCondition": {"numWorker": 3, "new": 1}, "new": 2}
    run = decode(Page[JobExecution], {"list": [row]}).items[0]
    assert run.raw is row
    assert run.job_condition.raw is row["jobCondition"]


# --- open values -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [*ExecutionStatus, "PAUSED", "", "completed", "대기"])
def test_a_status_equals_its_text_known_or_not(status):
    for _ in range(2):
        run = decode(JobExecution, {"jobExecutionId": "e", "jobId": "j", "status": str(status)})
        assert run.status == str(status)
        assert isinstance(run.status, ExecutionStatus) is (status in set(ExecutionStatus))
        assert run.is_terminal is (status in {"COMPLETED", "FAILED", "CANCELED"})


@pytest.mark.parametrize(
    ("answers", "content", "read"),
    [
        (Job, {"jobId": "j", "type": "DATAFLOW"}, lambda job: job.type),
        (Job, {"jobId": "j", "status": "EDITING"}, lambda job: job.status),
        (
            JobSummary,
            {"jobId": "j", "lastExecutionStatus": "2026-11-01T00:00:00"},
            lambda j: j.last_execution_status,
        ),
        (Trigger, {"triggerId": "t", "type": "LUNAR"}, lambda trigger: trigger.type),
        (WorkflowReceipt, {"workflowId": "w", "status": "QUEUED"}, lambda receipt: receipt.status),
        (WorkflowSummary, {"workflowId": "w", "triggerRuleType": "TIDE"}, lambda row: row.trigger_rule_type),
    ],
)
def test_unknown_values_stay_text(answers, content, read):
    assert read(decode(answers, content)) == list(content.values())[1]


def test_known_values_are_enum_members():
    assert decode(Job, {"jobId": "j", "type": "SCRIPT"}).type is JobType.SCRIPT
    nodes = [{"id": "t", "type": "TRIGGER", "triggerRule": "NONE"}]
    assert decode(Workflow, {"workflowId": "w", "nodes": nodes}).nodes[0].trigger_rule is RuleType.NONE


@pytest.mark.parametrize("value", [True, False, "true", "false", "", None])
def test_disabled_is_shown_as_it_came(value):
    for answers, name in ((JobSummary, "jobId"), (WorkflowSummary, "workflowId")):
        assert decode(answers, {name: "x", "disabled": value}).disabled is value


@pytest.mark.parametrize("value", [["MONDAY"], "MONDAY", [], None, ["FUNDAY"]])
def test_day_of_week_may_be_a_list_or_text(value):
    assert (
        decode(Trigger, {"triggerId": "t", "triggerRule": {"dayOfWeek": value}}).trigger_rule.day_of_week
        == value
    )


@pytest.mark.parametrize("value", ["-1", -1, 31, "31", None])
def test_date_of_month_may_be_text_or_a_number(value):
    rule = decode(Trigger, {"triggerId": "t", "triggerRule": {"dateOfMonth": value}}).trigger_rule
    assert rule.date_of_month == value


def test_nodes_of_unknown_types_stay_raw_and_ids_stay_64_bit():
    nodes = [{"type": "TRANSFORM_DROP_NULL", "id": 2**63 - 1, "anything": [1]}, {"type": None}, {}]
    read = decode(Job, {"jobId": "j", "nodes": nodes}).nodes
    assert [node.to_wire() for node in read] == nodes
    assert read[0].id == 2**63 - 1


# --- run settings under three names ------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["jobCondition", "runCondition", "runCondtion"])
def test_settings_are_found_under_each_name(name):
    content = {"jobId": "j", name: {"numWorker": 7, "workerType": "DEFAULT"}}
    for _ in range(2):
        settings_read = decode(Job, content).job_condition
        assert (settings_read.num_worker, settings_read.worker_type) == (7, "DEFAULT")
        assert settings_read.raw is content[name]


@pytest.mark.parametrize(
    ("given_names", "winner"),
    [
        (("jobCondition", "runCondition", "runCondtion"), "jobCondition"),
        (("runCondtion", "runCondition", "jobCondition"), "jobCondition"),
        (("runCondtion", "runCondition"), "runCondition"),
        (("runCondtion",), "runCondtion"),
    ],
)
def test_the_first_name_present_wins(given_names, winner):
    content = {"jobId": "j"} | {name: {"nrn": name} for name in given_names}
    for _ in range(2):
        assert decode(Job, content).job_condition.nrn == winner


def test_a_null_name_is_not_present():
    content = {"jobId": "j", "jobCondition": None, "runCondition": None, "runCondtion": {"nrn": "x"}}
    for _ in range(2):
        assert decode(Job, content).job_condition.nrn == "x"
    assert decode(Job, {"jobId": "j", "jobCondition": None}).job_condition is None


# --- dates -------------------------------------------------------------------------------------------------

NOON = datetime(2026, 11, 2, 12, 0, tzinfo=KST)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-02T12:00:00+09:00", NOON),
        ("2026-11-02T12:00:00", NOON),
        ("2026-11-02T03:00:00Z", NOON),
        ("2026-11-02T03:00:00+00:00", NOON),
        ("2026-11-01T22:00:00-05:00", NOON),
        ("2026-11-02T12:00:00+0900", NOON),
        ("2026-11-02 12:00:00", NOON),
        ("2026-11-02T12:00:00.512", NOON.replace(microsecond=512_000)),
        ("2026-11-02T12:00:00.5", NOON.replace(microsecond=500_000)),
        ("2026-11-02T12:00:00.123456789", NOON.replace(microsecond=123_456)),
        ("2026-11-02T12:00:00.123456789+09:00", NOON.replace(microsecond=123_456)),
        ("2026-11-02T03:00:00.000Z", NOON),
    ],
)
def test_a_date_is_read_as_an_aware_time(text, moment):
    for _ in range(2):
        read = decode(Job, {"jobId": "j", "createdDate": text}).created_date
        assert read == moment
        assert read.utcoffset() is not None


def test_a_date_without_a_zone_is_utc_plus_nine():
    read = decode(Job, {"jobId": "j", "createdDate": "2026-11-02T12:00:00"}).created_date
    assert read.utcoffset() == timedelta(hours=9)
    assert read.astimezone(UTC).hour == 3


@pytest.mark.parametrize(
    "text",
    [
        "",
        "soon",
        "2026-13-02T12:00:00",
        "2026-11-31T00:00:00",
        "02/11/2026 12:00",
        "1793458800000",
        "\ud800",
        "12:00",
    ],
)
def test_a_date_that_can_not_be_read_keeps_its_text(text):
    for _ in range(2):
        assert decode(Job, {"jobId": "j", "createdDate": text}).created_date == text


# --- strict types ------------------------------------------------------------------------------------------

RUN = {"jobExecutionId": "e", "jobId": "j"}
WRONG = [
    (Job, {}, "$.jobId"),
    (Job, {"jobId": None}, "$.jobId"),
    (Job, {"jobId": ""}, "$.jobId"),
    (Job, {"jobId": 5}, "$.jobId"),
    (Job, {"jobId": False}, "$.jobId"),
    (Job, {"jobId": ["j"]}, "$.jobId"),
    (JobExecution, {"jobId": "j"}, "$.jobExecutionId"),
    (JobExecution, {**RUN, "jobExecutionId": 5}, "$.jobExecutionId"),
    (JobExecution, {**RUN, "jobExecutionId": ""}, "$.jobExecutionId"),
    (JobExecution, {**RUN, "jobId": 5}, "$.jobId"),
    (Workflow, {"workflowId": []}, "$.workflowId"),
    (Trigger, {"triggerId": {}}, "$.triggerId"),
    (ExecutionResult, {"totalCount": 1, "completedCount": 1}, "$.failedCount"),
    (ExecutionResult, {"totalCount": None, "completedCount": 1, "failedCount": 0}, "$.totalCount"),
    (ExecutionResult, {"totalCount": "1", "completedCount": 1, "failedCount": 0}, "$.totalCount"),
    (ExecutionInterval, {}, "$.result"),
    (ExecutionInterval, {"result": [{"totalCount": 1}, {}]}, "$.result[1].totalCount"),
    (ExecutionInterval, {"result": {}}, "$.result"),
    (ExecutionTimes, {"result": ""}, "$.result"),
    (ExecutionTimes, {"result": [{"time": "1", "value": 2}]}, "$.result[0].time"),
    (ExecutionTimes, {"result": [{"time": 1, "value": None}]}, "$.result[0].value"),
    (ExecutionTimes, {"result": [{"time": 1, "value": "NaN"}]}, "$.result[0].value"),
    (Page[Job], None, "$.list"),
    (Page[Job], [], "$.list"),
    (Page[Job], {"error": {"errorCode": "900"}}, "$.list"),
    (Page[Job], {"list": None, "errorType": "bad-state"}, "$.list"),
    (Page[Job], {"list": {}}, "$.list"),
]


@pytest.mark.parametrize(
    ("answers", "content", "path"), WRONG, ids=[f"{i}-{row[2]}" for i, row in enumerate(WRONG)]
)
def test_a_wrong_type_is_refused_naming_the_member_on_the_wire(answers, content, path):
    for _ in range(2):
        with pytest.raises(decoding.Unreadable) as caught:
            decode(answers, content)
        assert str(caught.value).rpartition(" @ ")[2] == path


# --- minor members (ruling 94) -----------------------------------------------------------------------------

ODD = [
    *((Job, {"jobId": "j"}, "name", value) for value in (5, True, [], {})),
    *((Job, {"jobId": "j"}, "type", value) for value in (5, ["VISUAL"])),
    *((Job, {"jobId": "j"}, "maxConcurrentRuns", value) for value in ("3", 3.0, True, [3])),
    *((Job, {"jobId": "j"}, "nodes", value) for value in ({}, "[]", 5)),
    *((Job, {"jobId": "j"}, "jobCondition", value) for value in ([], "x", 5, True)),
    *((Job, {"jobId": "j"}, "createdDate", value) for value in (1793458800000, 1.5, True, [], {})),
    *((JobExecution, RUN, "waitingTime", value) for value in ("NaN", "2", True, [], {})),
    *((JobExecution, RUN, "runningTime", value) for value in ("3", False)),
    *((JobExecution, RUN, "parsedParameters", value) for value in ("{}", [], [1], 5)),
    *((JobExecution, RUN, "triggerId", value) for value in (5, ["t"])),
    *((JobExecution, RUN, "endDate", value) for value in (1793458800, {})),
    *((Workflow, {"workflowId": "w"}, "isTemp", value) for value in ("false", 0)),
    *((Workflow, {"workflowId": "w"}, "nodes", value) for value in ("x", {}, [5], [{}, None])),
    *((WorkflowSummary, {"workflowId": "w"}, "triggerRuleType", value) for value in (5, {})),
    *((Trigger, {"triggerId": "t"}, "triggerRule", value) for value in ("NONE", [], 5)),
]


@pytest.mark.parametrize(
    ("answers", "good", "member", "value"), ODD, ids=[f"{row[0].__name__}-{row[2]}-{row[3]}" for row in ODD]
)
def test_a_minor_member_of_an_odd_type_reads_as_none_and_stays_in_raw(answers, good, member, value):
    content = {**good, member: value}
    for _ in range(3):
        result = decode(answers, content)
        assert result == decode(answers, good)
        assert result.raw is content
        assert result.unreadable == (member,)
        assert decode(Page[answers], {"list": [content, good]}).items == [result, result]


@pytest.mark.parametrize(
    ("content", "read"),
    [
        ({"jobCondition": {"numWorker": "4", "timeout": 30}}, ("numWorker",)),
        ({"runCondition": {"numWorker": 4.0, "timeout": 30}}, ("numWorker",)),
        ({"runCondtion": {"logPath": 4, "timeout": 30}}, ("logPath",)),
        ({"jobCondition": {"parameters": [], "scriptPath": 1, "timeout": 30}}, ("scriptPath", "parameters")),
    ],
)
def test_an_odd_setting_leaves_the_others_readable(content, read):
    for _ in range(3):
        condition = decode(Job, {"jobId": "j", **content}).job_condition
        assert condition.timeout == 30
        assert condition.unreadable == read


def test_odd_members_of_workflow_nodes_and_rules():
    nodes = [
        {"id": "t", "isValid": "true"},
        {"id": "j", "parentNodeIds": [1]},
        {"id": "k", "triggerRule": {}},
    ]
    rule = {"type": "RECURRING", "dayOfWeek": [1], "dateOfMonth": 1.5}
    for _ in range(3):
        read = decode(Workflow, {"workflowId": "w", "nodes": nodes}).nodes
        assert [node.id for node in read] == ["t", "j", "k"]
        assert [node.unreadable for node in read] == [("isValid",), ("parentNodeIds",), ("triggerRule",)]
        read = decode(Trigger, {"triggerId": "t", "triggerRule": rule}).trigger_rule
        assert (read.type, read.unreadable) == (RuleType.RECURRING, ("dayOfWeek", "dateOfMonth"))


@pytest.mark.parametrize(
    ("value", "text"), [(5, "5"), (True, "true"), (["COMPLETED"], '["COMPLETED"]'), ({}, "{}"), (1.5, "1.5")]
)
def test_a_status_of_an_odd_type_is_unknown_text(value, text):
    for _ in range(3):
        run = decode(JobExecution, {**RUN, "status": value})
        assert (run.status, run.is_terminal) == (text, False)
        assert decode(Job, {"jobId": "j", "status": value}).status == text
    assert len(decode(JobExecution, {**RUN, "status": ["x" * 5000]}).status) == 100


def test_a_row_without_an_id_is_skipped_and_counted():
    rows = [
        RUN,
        {"jobId": "j"},
        {**RUN, "jobExecutionId": 5},
        {**RUN, "jobExecutionId": ""},
        None,
        "x",
        [],
        RUN,
    ]
    for _ in range(3):
        page = decode(Page[JobExecution], {"list": rows, "count": 8})
        assert [run.job_execution_id for run in page.items] == ["e", "e"]
        assert (page.skipped, page.count, page.raw["list"]) == (6, 8, rows)
    assert decode(Page[JobExecution], {"list": [RUN]}).skipped == 0


def test_entries_of_nodes_stay_as_they_came():
    nodes = [{"id": 1, "type": "SOURCE_OBS"}, 5, None]
    for _ in range(3):
        assert [node.raw for node in decode(Job, {"jobId": "j", "nodes": nodes}).nodes] == nodes


def test_an_empty_id_is_filled_in_like_an_absent_one():
    for _ in range(3):
        run = decode(JobExecution, {"jobId": "", "jobExecutionId": ""}, {"jobId": "j", "jobExecutionId": "e"})
        assert (run.job_id, run.job_execution_id) == ("j", "e")


@pytest.mark.parametrize("content", [{}, {"list": None}, {"list": None, "count": 0}], ids=str)
def test_a_list_that_is_missing_or_null_is_an_empty_one(content):
    assert decode(Page[JobExecution], content).items == []


@pytest.mark.parametrize("content", [None, True, 0, 1.5, "x", [], [{"jobId": "j"}]])
@pytest.mark.parametrize("answers", [Job, JobExecution, Page[Job], ExecutionTimes])
def test_what_is_no_object_is_refused(answers, content):
    with pytest.raises(decoding.Unreadable) as caught:
        decode(answers, content)
    assert str(caught.value)


@pytest.mark.parametrize("value", ["5", None, -1, 1.5, True, [], 2**70])
def test_numbers_beside_a_list_decide_nothing(value):
    page = decode(Page[JobSummary], {"list": [{"jobId": "a"}], "count": value, "page": value, "limit": value})
    assert [row.job_id for row in page.items] == ["a"]


def test_an_error_holds_no_other_error():
    with pytest.raises(decoding.Unreadable) as caught:
        decode(Job, {"jobId": 5})
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


# --- nulls and ids -----------------------------------------------------------------------------------------


def required(model):
    fields = [field for field in attrs.fields(model) if field.init and field.default is attrs.NOTHING]
    return {wire(field.name): {str: "x", int: 1}.get(field.type, []) for field in fields}


@pytest.mark.parametrize(
    "model", sorted({get_args(m)[0] if get_origin(m) else m for m in MODELS.values()}, key=str)
)
def test_null_looks_like_absent(model):
    bare = required(model)
    nulls = {wire(field.name): None for field in attrs.fields(model) if field.init}
    for _ in range(2):
        assert decode(model, nulls | bare) == decode(model, bare)
        page = decode(Page[model], {"list": [nulls | bare, bare], "count": None})
        assert page.items == [decode(model, bare)] * 2


@pytest.mark.parametrize(
    "content", [{}, {"jobId": None}, {"jobId": None, "jobExecutionId": None, "status": None}]
)
def test_ids_are_filled_in_from_the_request(content):
    for _ in range(2):
        run = decode(JobExecution, content, {"jobId": "j", "jobExecutionId": "e"})
        assert (run.job_id, run.job_execution_id, run.status) == ("j", "e", None)
        assert run.raw is content


def test_ids_in_the_answer_win_over_those_of_the_request():
    for _ in range(2):
        run = decode(
            JobExecution, {"jobId": "a", "jobExecutionId": "b"}, {"jobId": "j", "jobExecutionId": "e"}
        )
        assert (run.job_id, run.job_execution_id) == ("a", "b")


def test_ids_are_filled_in_row_by_row():
    rows = [
        {"jobExecutionId": "1"},
        {"jobExecutionId": "2", "jobId": "own"},
        {"jobExecutionId": "3", "jobId": None},
    ]
    for _ in range(2):
        page = decode(Page[JobExecution], {"list": rows}, {"jobId": "j"})
        assert [run.job_id for run in page.items] == ["j", "own", "j"]
        assert [run.raw for run in page.items] == rows


@pytest.mark.parametrize("bad", [0, False, [], {}, 0.0])
def test_an_id_of_the_wrong_type_is_not_papered_over(bad):
    with pytest.raises(decoding.Unreadable, match=r"\$\.jobId"):
        decode(Job, {"jobId": bad}, {"jobId": "j"})


# --- whatever the contract allows --------------------------------------------------------------------------

JSON = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(st.characters(), max_size=8),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(st.characters(), max_size=4), inner, max_size=3)
    ),
    max_leaves=6,
)
DATES = st.one_of(
    st.datetimes(timezones=st.sampled_from([None, UTC, KST, timezone(timedelta(hours=-3, minutes=-30))])).map(
        datetime.isoformat
    ),
    st.text(st.characters(), max_size=12),
)
EXTRA = st.dictionaries(st.from_regex(r"x[A-Z][a-z]{1,5}", fullmatch=True), JSON, max_size=2)
NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
BY_TYPE = {
    "null": lambda _: st.none(),
    "boolean": lambda _: st.booleans(),
    "integer": lambda _: st.integers(-(2**63), 2**63 - 1),
    "number": lambda _: NUMBERS,
    "string": lambda node: (
        st.sampled_from(node.get("x-known-values") or [""]) | st.text(st.characters(), max_size=8)
    ),
    "array": lambda node: st.lists(generated(node["items"]), max_size=3),
    "object": lambda node: objects(node),  # noqa: PLW0108  # defined below
}


def generated(node):
    """Values that the contract's schema allows, unknown members and enum values included."""
    if node.get("$ref", "").endswith("/DateTimeText"):
        return st.none() | DATES
    node = {**contract.resolve(node), **{key: value for key, value in node.items() if key.startswith("x-")}}
    if "anyOf" in node:
        return st.one_of([generated(one) for one in node["anyOf"]])
    kinds = node["type"] if isinstance(node["type"], list) else [node["type"]]
    return st.one_of([BY_TYPE[kind](node) for kind in kinds])


def objects(node):
    members = {name: generated(member) for name, member in node.get("properties", {}).items()}
    if not members:
        return st.dictionaries(st.text(max_size=4), JSON, max_size=2)
    needed = {
        name: member.filter(lambda value: value != "")
        for name, member in members.items()
        if name in node.get("required", ())
    }
    others = {name: member for name, member in members.items() if name not in needed}
    return st.builds(dict.__or__, EXTRA, st.fixed_dictionaries(needed, optional=others))


def schema_of(name):
    responses = contract.operations()[name].node["responses"]
    status = min(status for status in responses if status.startswith("2"))
    return contract.resolve(responses[status])["content"]["application/json"]["schema"]


@pytest.mark.parametrize("name", MODELS)
@settings(max_examples=example_count(3, 50), deadline=None)
@given(st.data())
def test_whatever_the_contract_allows_is_read(name, data):
    content = data.draw(generated(schema_of(name)))
    first = decode(MODELS[name], content)
    assert_says(first, content)
    again = decode(MODELS[name], content)
    assert_says(again, content)
    assert again == first


def places(value, path=()):
    yield path
    children = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    for key, child in children:
        yield from places(child, (*path, key))


def replaced(value, path, new):
    if not path:
        return new
    twin = copy.copy(value)
    twin[path[0]] = replaced(value[path[0]], path[1:], new)
    return twin


@pytest.mark.parametrize("name", MODELS)
@settings(max_examples=example_count(3, 50), deadline=None)
@given(st.data())
def test_one_wrong_value_anywhere_is_read_or_refused_and_always_the_same_way(name, data):
    good = data.draw(generated(schema_of(name)))
    content = replaced(good, data.draw(st.sampled_from(list(places(good)))), data.draw(JSON))
    outcomes = [outcome(MODELS[name], content) for _ in range(3)]
    assert outcomes[1:] == outcomes[:-1]


@pytest.mark.parametrize("answers", [Job, Page[JobExecution], Trigger, ExecutionTimes, Workflow])
@settings(max_examples=example_count(3, 50), deadline=None)
@given(JSON)
def test_any_json_value_is_read_or_refused(answers, content):
    outcome(answers, content)


def outcome(answers, content):
    try:
        return decode(answers, content, {"jobId": "j"})
    except decoding.Unreadable as problem:
        return str(problem) or pytest.fail("a refusal says why")


@pytest.mark.parametrize("value", [[1], [None], [{}], [["MONDAY"]]])
def test_strange_days_of_the_week_are_taken_the_same_way_each_time(value):
    content = {"triggerId": "t", "triggerRule": {"type": "RECURRING", "dayOfWeek": value, "interval": "WEEK"}}
    outcomes = [outcome(Trigger, content) for _ in range(3)]
    assert outcomes[1:] == outcomes[:-1]


def test_a_thousand_shapes_later_answers_are_still_read():
    names = [wire(field.name) for field in attrs.fields(JobExecution)][2:14]
    for bits in range(1200):
        content = {"jobExecutionId": "e", "jobId": "j", "runningTime": float(bits)}
        content |= {name: None for at, name in enumerate(names) if bits >> at & 1 and name != "runningTime"}
        content |= {"waitingTime": bits % 3 or None, "executorNum": 0.5 if bits % 2 else None}
        assert decode(JobExecution, content).running_time == bits
    assert (
        decode(JobExecution, {"jobExecutionId": "e", "jobId": "j", "runningTime": "3"}).running_time is None
    )


@pytest.mark.parametrize("value", [0, 7, -0.5, 1e300, 2**70])
def test_a_number_may_be_whole_or_not(value):
    run = decode(JobExecution, {**RUN, "runningTime": value})
    assert run.running_time == value
    assert math.isfinite(run.running_time)
