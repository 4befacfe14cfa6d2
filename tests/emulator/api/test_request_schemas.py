"""Request bodies: what is refused, with which reason, and that the contract refuses the same."""

import copy
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dataflow_async.emulator.api.checks import Invalid
from dataflow_async.emulator.api.endpoints import ENDPOINTS
from tests.support import contract
from tests.support.examples import example_count, first_quick

BODIES = {row.name: row.body for row in ENDPOINTS if row.body}
COMMON = {"id": 1, "name": "n", "parentNodeIds": []}
NODE = {**COMMON, "type": "TRANSFORM_UNION", "unionType": "ALL"}
JOB = {"name": "abc", "type": "VISUAL"}
OBS = {
    **COMMON,
    "type": "SOURCE_OBS",
    "regionNo": "1",
    "bucketName": "b",
    "prefix": "",
    "dataType": "CSV",
    "fieldList": [],
}
RULE = {"type": "RECURRING", "interval": "DAY", "time": "03:30"}
JOB_STEP = {
    "id": "j",
    "name": "n",
    "type": "JOB",
    "parentNodeIds": [],
    "jobCondition": {"nrn": "", "scriptPath": "", "logPath": ""},
}
NAME = "must be 3 to 100 ASCII letters, digits, _ or -, the first a letter or _."


def trigger(**rule: Any) -> dict[str, Any]:
    return {"name": "abc", "type": "SCHEDULED", "triggerRule": {**RULE, **rule}}


def nodes(*changed: dict[str, Any]) -> dict[str, Any]:
    return JOB | {"nodes": [NODE | change for change in changed]}


def without(thing: dict[str, Any], member: str) -> dict[str, Any]:
    return {name: value for name, value in thing.items() if name != member}


BAD = [
    ("createJob", [], "The body must be an object."),
    ("createJob", None, "The body must be an object."),
    ("createJob", {}, "name must be present."),
    ("createJob", {"name": "abc"}, "type must be present."),
    ("createJob", JOB | {"type": "DATAFLOW"}, "type must be one of VISUAL, SCRIPT."),
    ("createJob", JOB | {"type": ["VISUAL"]}, "type must be one of VISUAL, SCRIPT."),
    *(
        ("createJob", JOB | {"name": name}, f"name {NAME}")
        for name in ("ab", "a" * 101, "1ab", "-ab", "a b", "한국어", "abc\n", 3)
    ),
    (
        "createJob",
        JOB | {"maxConcurrentRuns": "1"},
        f"maxConcurrentRuns must be an integer from {-(2**63)} to {2**63 - 1}.",
    ),
    ("createJob", JOB | {"maxConcurrentRuns": True}, "maxConcurrentRuns must be an integer from"),
    ("createJob", JOB | {"jobCondition": None}, "jobCondition must be an object."),
    *(
        (
            operation,
            JOB | {"jobCondition": {member: value}},
            f"jobCondition.{member} must be an integer from {low} to {high}.",
        )
        for operation in ("createJob", "updateJob", "executeJob", "updateJobExecuteConfig")
        for member, low, high in (("numWorker", 2, 10), ("timeout", 1, 1440))
        for value in (low - 1, high + 1, str(low), low + 0.5, True, None)
    ),
    ("createJob", JOB | {"jobCondition": {"nrn": 1}}, "jobCondition.nrn must be a string."),
    (
        "createJob",
        JOB | {"jobCondition": {"parameters": {"a": 1}}},
        "jobCondition.parameters.a must be a string.",
    ),
    ("createJob", JOB | {"nodes": {}}, "nodes must be an array."),
    ("createJob", nodes({}, {"id": 1}), "nodes must be an array of nodes with unique ids."),
    ("createJob", nodes({}, {"id": 1.0}), "nodes must be an array of nodes with unique ids."),
    ("createJob", nodes({"id": 2**63}), "nodes[0].id must be an integer from"),
    ("createJob", nodes({"id": True}), "nodes[0].id must be an integer from"),
    ("createJob", nodes({"id": "1"}), "nodes[0].id must be an integer from"),
    ("createJob", nodes({"name": ""}), "nodes[0].name must be a string that is not empty."),
    (
        "createJob",
        nodes({}, {"id": 2, "parentNodeIds": [3]}),
        "nodes[1].parentNodeIds must be ids of other nodes in the array.",
    ),
    (
        "createJob",
        nodes({"parentNodeIds": [1]}),
        "nodes must be an array of nodes whose parentNodeIds form no cycle.",
    ),
    (
        "createJob",
        nodes({"parentNodeIds": [2]}, {"id": 2, "parentNodeIds": [1]}),
        "nodes must be an array of nodes whose parentNodeIds form no cycle.",
    ),
    ("createJob", nodes({"type": "TRANSFORM_DROP_NULL"}), "nodes[0].type must be one of SOURCE_OBS,"),
    ("createJob", nodes({"type": {}}), "nodes[0].type must be one of SOURCE_OBS,"),
    ("createJob", JOB | {"nodes": [3]}, "nodes[0] must be an object."),
    ("createJob", JOB | {"nodes": [without(NODE, "type")]}, "nodes[0].type must be present."),
    *(
        ("verifyJob", {"name": "abc", "nodes": [without(OBS, member)]}, f"nodes[0].{member} must be present.")
        for member in OBS
    ),
    (
        "createJob",
        JOB | {"nodes": [OBS | {"type": "TARGET_OBS", "dataType": "NDJSON"}]},
        "nodes[0].dataType must be one of JSON, CSV, PARQUET.",
    ),
    (
        "createJob",
        JOB | {"nodes": [OBS | {"fieldList": [{"name": "a", "type": "STRING"}]}]},
        "nodes[0].fieldList[0].type must be one of Void,",
    ),
    (
        "createJob",
        JOB
        | {"nodes": [OBS | {"fieldList": [{"name": "a", "type": "struct", "properties": [{"name": "b"}]}]}]},
        "nodes[0].fieldList[0].properties[0].type must be present.",
    ),
    ("updateJob", {"name": "abc"}, "type must be present."),
    ("verifyJob", {"name": "abc"}, "nodes must be present."),
    ("updateJobExecuteConfig", {}, "jobCondition must be present."),
    ("executeJob", [], "The body must be an object."),
    ("executeJob", {"parameters": []}, "parameters must be an object."),
    ("createWorkflow", {"name": "abc"}, "nodes must be present."),
    (
        "updateWorkflow",
        {"name": "abc", "nodes": [{"type": "STEP"}]},
        "nodes[0].type must be one of TRIGGER, JOB.",
    ),
    *(
        (
            "createWorkflow",
            {"name": "abc", "nodes": [without(JOB_STEP, member)]},
            f"nodes[0].{member} must be present.",
        )
        for member in JOB_STEP
    ),
    *(
        (
            "createWorkflow",
            {
                "name": "abc",
                "nodes": [JOB_STEP | {"jobCondition": without(JOB_STEP["jobCondition"], member)}],
            },
            f"nodes[0].jobCondition.{member} must be present.",
        )
        for member in JOB_STEP["jobCondition"]
    ),
    (
        "createWorkflow",
        {"name": "abc", "nodes": [JOB_STEP, JOB_STEP]},
        "nodes must be an array of nodes with unique ids.",
    ),
    (
        "createWorkflow",
        {"name": "abc", "nodes": [JOB_STEP | {"parentNodeIds": ["j"]}]},
        "nodes must be an array of nodes whose",
    ),
    (
        "createWorkflow",
        {"name": "abc", "nodes": [{"id": "t", "name": "t", "type": "TRIGGER", "parentNodeIds": ["j"]}]},
        "nodes[0].parentNodeIds must be an array of at least 0 and at most 0 items.",
    ),
    ("createTrigger", trigger() | {"type": "MANUAL"}, "type must be one of SCHEDULED, EVENT, NONE."),
    ("createTrigger", without(trigger(), "triggerRule"), "triggerRule must be present."),
    (
        "createTrigger",
        trigger() | {"triggerRule": {"type": "RECURRING"}},
        "triggerRule.interval must be present.",
    ),
    (
        "createTrigger",
        trigger() | {"triggerRule": without(RULE, "time")},
        "triggerRule.time must be present.",
    ),
    (
        "createTrigger",
        trigger() | {"triggerRule": {"type": "ONE_TIME"}},
        "triggerRule.executionDate must be present.",
    ),
    ("createTrigger", trigger(interval="WEEK"), "triggerRule.dayOfWeek must be present."),
    (
        "createTrigger",
        trigger(interval="WEEK", dayOfWeek=[]),
        "triggerRule.dayOfWeek must be an array of at least 1 items.",
    ),
    (
        "createTrigger",
        trigger(interval="WEEK", dayOfWeek=["monday"]),
        "triggerRule.dayOfWeek[0] must be one of MONDAY,",
    ),
    ("createTrigger", trigger(interval="MONTH"), "triggerRule.dateOfMonth must be present."),
    (
        "createTrigger",
        trigger(interval="MONTH", dateOfMonth="32"),
        "triggerRule.dateOfMonth must be text from 1 to 31,",
    ),
    (
        "createTrigger",
        trigger(interval="MONTH", dateOfMonth=1),
        "triggerRule.dateOfMonth must be text from 1 to 31,",
    ),
    (
        "createTrigger",
        trigger(interval="HOUR"),
        "triggerRule.time must be a minute, 00 to 59, when interval is HOUR.",
    ),
    (
        "createTrigger",
        trigger(time="30"),
        "triggerRule.time must be a time of day, HH:MM, unless interval is HOUR.",
    ),
    ("createTrigger", trigger(time="24:00"), "triggerRule.time must be MM or HH:MM."),
    (
        "createTrigger",
        trigger(interval=["DAY"]),
        "triggerRule.interval must be one of HOUR, DAY, WEEK, MONTH.",
    ),
]


@pytest.mark.parametrize(("operation_id", "body", "detail"), BAD)
def test_the_refusal_names_the_member_and_what_it_may_be(operation_id, body, detail):
    with pytest.raises(Invalid) as refusal:
        BODIES[operation_id](body)

    assert str(refusal.value).startswith(detail)
    assert str(refusal.value).endswith(".")


@pytest.mark.parametrize(
    ("operation_id", "body"),
    [(row, body) for row in BODIES for body in contract.request_examples(row).values()]
    + [
        ("createJob", JOB | {"nodes": []}),
        (
            "createJob",
            JOB | {"color": "blue", "jobCondition": {"numWorker": 2, "timeout": 1440, "more": [1]}},
        ),
        (
            "createJob",
            nodes({}, {"id": 2, "parentNodeIds": [1, 1]}, {"id": -(2**63), "parentNodeIds": [2, 1]}),
        ),
        ("createJob", nodes({"name": "원본 주문"})),
        ("createJob", JOB | {"jobCondition": {"numWorker": 2.0}}),
        ("updateJob", {"type": "SCRIPT"}),
        ("executeJob", {}),
        ("createWorkflow", {"name": "abc", "nodes": []}),
        ("createTrigger", trigger(interval="HOUR", time="59")),
        ("createTrigger", {"name": "abc", "type": "EVENT", "triggerRule": {"type": "NONE"}}),
    ],
)
def test_bodies_that_the_contract_allows_are_accepted(operation_id, body):
    contract.validate_request(operation_id, body)
    BODIES[operation_id](body)


SAMPLES = [
    *((row, body) for row in BODIES for body in contract.request_examples(row).values()),
    ("createTrigger", trigger(dayOfWeek=["MONDAY"], dateOfMonth="-1", executionDate="x")),
    (
        "createJob",
        JOB
        | {
            "nodes": [
                OBS
                | {"fieldList": [{"name": "a", "type": "Map", "properties": [{"name": "b", "type": "int"}]}]}
            ]
        },
    ),
    *(
        (
            "verifyJob",
            {"name": "abc", "nodes": [{"id": 1, "name": "n", "parentNodeIds": [], "type": kind, **members}]},
        )
        for kind, members in {
            "SOURCE_CDB_MYSQL": {"connectionId": "c", "table": "t", "fieldList": []},
            "SOURCE_CDB_POSTGRESQL": {"connectionId": "c", "table": "t", "fieldList": []},
            "TRANSFORM_DEFINE": {"defineFieldList": [{"name": "a", "newType": "Int", "newName": "b"}]},
            "TRANSFORM_SELECT": {"fieldList": [{"name": "a", "type": "Int"}]},
            "TRANSFORM_JOIN": {
                "joinType": "INNER",
                "leftNodeId": 1,
                "rightNodeId": 2,
                "prefix": "r_",
                "joinConditionList": [
                    {"leftField": "a", "rightField": "b", "joinOperator": "EQ", "conditionOperator": "HEAD"}
                ],
            },
            "TRANSFORM_UNION": {"unionType": "DISTINCT"},
            "TRANSFORM_RENAME": {"renameFieldList": [{"name": "a", "newName": "b"}]},
            "TRANSFORM_DROP_DUPLICATION": {"dropFieldList": ["a"]},
            "TRANSFORM_FILL_MISSING_VALUES": {"missingValueFieldList": [{"name": "a", "defaultValue": ""}]},
            "TRANSFORM_SQL": {"sourceNameList": [{"parentId": 1, "newName": "t"}], "sql": "select 1"},
            "TARGET_CDB_POSTGRESQL": {
                "connectionId": "c",
                "table": "t",
                "fieldList": [],
                "updateType": "IGNORE",
            },
            "TARGET_CATALOG": {
                "database": "d",
                "table": "t",
                "schemaVersion": "1",
                "fieldList": [],
                "updateType": "APPEND",
                "coalesce": 1,
            },
        }.items()
    ),
]


def enums(node):
    """Every list of words in the contract."""
    if isinstance(node, dict):
        if "enum" in node:
            yield set(node["enum"])
        node = list(node.values())
    for inner in node if isinstance(node, list) else []:
        yield from enums(inner)


ENUMS = list(enums(contract.document()["components"]["schemas"]))
WORDS = sorted({*set().union(*ENUMS), "COUNT", "DATAFLOW", "YEAR", "MANUAL"})
JUNK = st.one_of(
    st.sampled_from(
        [
            None,
            True,
            False,
            0,
            1,
            2,
            10,
            11,
            1440,
            1441,
            -1,
            2.0,
            2.5,
            "",
            "a",
            "abc",
            "NONE",
            "05",
            "23:59",
            [],
            {},
            [1],
            ["a"],
            [{}],
        ]
    ),
    st.sampled_from(WORDS),
    st.integers(-(2**63), 2**63 - 1),
    st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"]), max_size=5),
)


def places(value, path=()):
    """Every place inside a JSON value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, item in inner:
        yield (*path, step)
        yield from places(item, (*path, step))


@st.composite
def mutated(draw):
    """A good body with a few of its members replaced, dropped or moved."""
    operation_id, body = draw(st.sampled_from(SAMPLES))
    body = copy.deepcopy(body)
    for _ in range(draw(st.integers(1, 2))):
        found = list(places(body))
        if not found:
            break
        *path, last = draw(st.sampled_from(found))
        target: Any = body
        for step in path:
            target = target[step]
        if isinstance(target, dict) and draw(st.integers(0, 2)) == 0:
            del target[last]
        else:
            target[last] = copy.deepcopy(draw(JUNK))
    return operation_id, body


def beyond_the_schema(refusal: Invalid) -> bool:
    """Whether this rule is one that JSON Schema cannot say: the graph of the nodes."""
    return any(words in refusal.rule for words in ("unique ids", "ids of other nodes", "form no cycle"))


def agree(operation_id, body):
    accepted = contract.accepts(operation_id, body)
    try:
        BODIES[operation_id](body)
        refusal = None
    except Invalid as wrong:
        refusal = None if beyond_the_schema(wrong) and accepted else str(wrong)
    assert accepted == (refusal is None), (
        f"{operation_id} {body}: the contract {'accepts' if accepted else 'refuses'} it, emulator: {refusal}"
    )


@given(mutated())
@settings(
    max_examples=example_count(40, 300),
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
def test_checks_agree_with_the_schemas_of_the_contract(case):
    agree(*case)


@pytest.mark.slow
@given(mutated())
@settings(max_examples=15_000, deadline=None, database=None, suppress_health_check=list(HealthCheck))
def test_checks_agree_with_the_schemas_of_the_contract_at_length(case):
    agree(*case)


@pytest.mark.parametrize("kinds", first_quick([None, "", ...], [0, [], {}]))
@pytest.mark.parametrize(("operation_id", "body"), SAMPLES)
def test_each_member_missing_or_of_another_kind_is_checked_as_by_the_contract(operation_id, body, kinds):
    for *path, last in places(body):
        for junk in kinds:
            changed = copy.deepcopy(body)
            target: Any = changed
            for step in path:
                target = target[step]
            if junk is ...:
                del target[last]
            else:
                target[last] = junk
            agree(operation_id, changed)


@pytest.mark.parametrize(("operation_id", "body"), SAMPLES)
def test_each_word_is_checked_as_by_the_contract(operation_id, body):
    for *path, last in places(body):
        changed = copy.deepcopy(body)
        target: Any = changed
        for step in path:
            target = target[step]
        related = [words for words in ENUMS if isinstance(target[last], str) and target[last] in words]
        for word in {*set().union(*related), "COUNT", "DATAFLOW", "NDJSON", "HEAD"} if related else ():
            target[last] = word
            agree(operation_id, changed)
