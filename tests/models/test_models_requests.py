"""What a request may hold is checked here; what is refused is named, and never sent."""

import itertools
import re
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta, timezone

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflow_async import (
    Credentials,
    ExecutionRef,
    InvalidRequest,
    Job,
    JobCondition,
    JobSettings,
    RuleType,
    Trigger,
    TriggerRule,
    TriggerRuleInfo,
    TriggerType,
    WorkflowJobNode,
    WorkflowTriggerNode,
)
from dataflow_async.emulator import Emulator
from dataflow_async.resources.dashboard import Dashboard
from dataflow_async.resources.jobs import Jobs
from dataflow_async.resources.triggers import Triggers
from dataflow_async.resources.workflows import Workflows
from dataflow_async.wire import decoding
from dataflow_async.wire.request import query_text
from tests.support import contract
from tests.support.examples import example_count
from tests.support.recorder import Recorder

CONDITION = {"nrn": "nrn:PUB:IAM::1:Role/1", "scriptPath": "lake/scripts/", "logPath": "lake/logs/"}
TRIGGER_NODE = {"id": "t", "name": "start", "type": "TRIGGER", "parentNodeIds": []}
JOB_NODE = {"id": "j", "name": "step", "type": "JOB", "parentNodeIds": ["t"], "jobCondition": CONDITION}


class Api:
    def __init__(self):
        self.calls = Recorder()
        self.jobs = Jobs(self.calls)
        self.workflows = Workflows(self.calls)
        self.triggers = Triggers(self.calls)
        self.dashboard = Dashboard(self.calls)

    @property
    def sent(self):
        return self.calls.sent

    @property
    def body(self):
        return self.calls.body


@pytest.fixture
def api():
    return Api()


async def refused(api, call, field, *words):
    """The call raises `InvalidRequest` that names ``field`` and holds ``words``, and sends nothing."""
    with pytest.raises(InvalidRequest) as caught:
        await call
    error = caught.value
    assert error.field == field
    for word in (field, *words):
        assert word in str(error)
    assert error.may_have_run is False
    assert error.__cause__ is None
    assert api.sent == []


# --- names -------------------------------------------------------------------------------------------------

NAMERS = {
    "jobs.create": lambda api, name: api.jobs.create(name),
    "jobs.update": lambda api, name: api.jobs.update("j", type="VISUAL", name=name),
    "jobs.verify": lambda api, name: api.jobs.verify(name, []),
    "workflows.create": lambda api, name: api.workflows.create(name, []),
    "workflows.update": lambda api, name: api.workflows.update("w", name, []),
    "triggers.create": lambda api, name: api.triggers.create(name, TriggerRule.manual()),
}


@pytest.mark.parametrize("name", ["abc", "_ab", "A-b_9", "a" * 100, "___", "orders_rollup"])
@pytest.mark.parametrize("namer", NAMERS.values(), ids=NAMERS)
async def test_a_name_that_is_allowed_goes_out(api, namer, name):
    await namer(api, name)
    assert api.body["name"] == name


BAD_NAMES = [
    "",
    "ab",
    "a" * 101,
    "-ab",
    "9ab",
    "a b",
    "abc\n",
    "주문집계",
    "\uff41bc",
    "a.b.c",
    "abć",
    5,
    b"abc",
    ["abc"],
]


@pytest.mark.parametrize("name", BAD_NAMES)
@pytest.mark.parametrize("namer", NAMERS.values(), ids=NAMERS)
async def test_a_name_that_is_not_allowed_is_refused(api, namer, name):
    await refused(api, namer(api, name), "name", repr(name)[:70], "3 to 100")


NAME = contract.document()["components"]["schemas"]["ResourceName"]["pattern"]


@given(st.text(st.characters(), max_size=101) | st.from_regex(r"[A-Za-z_-][A-Za-z0-9_-]{0,101}"))
async def test_names_are_checked_as_the_contract_checks_them(name):
    api = Api()
    with suppress(InvalidRequest):
        await api.jobs.create(name)
    assert bool(api.sent) is bool(re.fullmatch(NAME.strip("^$"), name))


# --- run settings ------------------------------------------------------------------------------------------

SETTERS = {
    "jobs.create": lambda api, given: api.jobs.create("abc", condition=given),
    "jobs.update": lambda api, given: api.jobs.update("j", type="SCRIPT", condition=given),
    "jobs.execute": lambda api, given: api.jobs.execute("j", condition=given),
    "jobs.update_execution_config": lambda api, given: api.jobs.update_execution_config("j", given),
}
OPERATIONS = {
    "jobs.create": "createJob",
    "jobs.update": "updateJob",
    "jobs.execute": "executeJob",
    "jobs.update_execution_config": "updateJobExecuteConfig",
}
SNAKE = {"numWorker": "num_worker", "scriptPath": "script_path", "logPath": "log_path"}


@pytest.mark.parametrize(
    ("member", "value"), [("numWorker", 2), ("numWorker", 10), ("timeout", 1), ("timeout", 1440)]
)
@pytest.mark.parametrize("setter", SETTERS.values(), ids=SETTERS)
async def test_the_bounds_of_a_range_are_allowed(api, setter, member, value):
    await setter(api, {member: value})
    await setter(api, JobCondition(**{SNAKE.get(member, member): value}))
    assert [call.body for call in api.sent[:1]] == [call.body for call in api.sent[1:]]
    assert api.body["jobCondition"] == {member: value}


@pytest.mark.parametrize(
    ("member", "value", "allowed"),
    [
        *(("numWorker", value, "2 to 10") for value in (1, 11, 0, -2, True, "3", 3.0, 2.5)),
        *(("timeout", value, "1 to 1440") for value in (0, 1441, -1, True, "60", 60.0)),
        *(
            (member, value, "text")
            for member in ("nrn", "scriptPath", "logPath")
            for value in ("", 5, b"x", [])
        ),
        *(("parameters", value, "mapping") for value in ("x", [("a", "b")], 5, {1: "a"})),
    ],
)
@pytest.mark.parametrize("setter", SETTERS.values(), ids=SETTERS)
async def test_a_setting_that_is_not_allowed_is_refused(api, setter, member, value, allowed):
    await refused(api, setter(api, {member: value}), f"condition.{member}", repr(value), allowed)
    snake = SNAKE.get(member, member)
    await refused(
        api, setter(api, JobCondition(**{snake: value})), f"condition.{snake}", repr(value), allowed
    )


@pytest.mark.parametrize("value", [1, None, True, ["a"]])
async def test_parameters_map_text_to_text(api, value):
    await refused(
        api, api.jobs.execute("j", parameters={"day": value}), "parameters['day']", repr(value), "text"
    )


async def test_parameters_given_twice_are_refused(api):
    given = JobCondition(parameters={"a": "b"})
    await refused(api, api.jobs.execute("j", condition=given, parameters={"a": "b"}), "parameters")


@pytest.mark.parametrize("given", ["x", 5, [], [("numWorker", 2)], {1: 2}])
async def test_settings_are_a_mapping(api, given):
    await refused(api, api.jobs.execute("j", condition=given), "condition", repr(given), "mapping")


async def test_only_what_was_given_is_sent(api):
    await api.jobs.execute("j")
    assert api.body == {}
    await api.jobs.execute("j", condition=JobCondition())
    assert api.body in ({}, {"jobCondition": {}})
    await api.jobs.execute("j", parameters={"day": "1"})
    assert api.body == {"jobCondition": {"parameters": {"day": "1"}}}
    await api.jobs.execute("j", extra={"jobCondition": {"tomorrow": [1]}, "parameters": {"a": 1}})
    assert api.body == {"jobCondition": {"tomorrow": [1]}, "parameters": {"a": 1}}


@pytest.mark.parametrize(
    "given",
    [
        {"num_worker": 2, "script_path": "s", "log_path": None},
        {"numWorker": 2, "scriptPath": "s"},
        {"num_worker": 2, "scriptPath": "s", "parameters": None},
    ],
    ids=str,
)
async def test_settings_of_a_mapping_have_the_wires_names_or_ours(api, given):
    await api.jobs.execute("j", condition=given)
    assert api.body == {"jobCondition": {"numWorker": 2, "scriptPath": "s"}}


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("numworker", "numWorker"),
        ("num_workers", "num_worker"),
        ("NumWorker", "numWorker"),
        ("timeOut", "timeout"),
        ("params", "parameters"),
        ("logpath", "logPath"),
        ("foo", "extra"),
        ("", "extra"),
        ("consoleLogPath", "extra"),
    ],
)
async def test_a_setting_that_is_not_known_is_refused_with_the_nearest_name(api, name, near):
    for call in (
        api.jobs.execute("j", condition={name: 1}),
        api.jobs.create("abc", condition={name: 1}),
        api.jobs.update("j", type="SCRIPT", condition={name: 1}),
        api.jobs.update_execution_config("j", {name: 1}),
    ):
        await refused(api, call, f"condition.{name}", near)


async def test_a_setting_under_both_names_is_refused(api):
    await refused(
        api,
        api.jobs.execute("j", condition={"num_worker": 2, "numWorker": 2}),
        "condition.numWorker",
        "twice",
    )


@pytest.mark.parametrize(
    "given",
    [
        {"type": "RECURRING", "interval": "WEEK", "time": "01:30", "day_of_week": ["MONDAY"]},
        {"type": "RECURRING", "interval": "WEEK", "time": "01:30", "dayOfWeek": ["MONDAY"]},
    ],
)
async def test_rules_of_a_mapping_have_the_wires_names_or_ours(api, given):
    await api.triggers.create("abc", given)
    assert api.body["triggerRule"]["dayOfWeek"] == ["MONDAY"]


@pytest.mark.parametrize(("name", "near"), [("dayofweek", "dayOfWeek"), ("cron", "extra"), ("times", "time")])
async def test_a_member_of_a_rule_that_is_not_known_is_refused_with_the_nearest_name(api, name, near):
    rule = {"type": "NONE", name: "x"}
    await refused(api, api.triggers.create("abc", rule), f"rule.{name}", near)


async def test_newer_members_of_objects_go_through_extra(api):
    more = {"jobCondition": {"gpu": 1}}
    await api.jobs.execute("j", condition={"num_worker": 2}, extra=more)
    assert api.body == {"jobCondition": {"numWorker": 2, "gpu": 1}}
    await api.jobs.update_execution_config("j", JobCondition(timeout=5), extra=more)
    assert api.body == {"jobCondition": {"timeout": 5, "gpu": 1}}
    await api.triggers.create("abc", TriggerRule.manual(), extra={"triggerRule": {"cron": "* *"}})
    assert api.body["triggerRule"] == {"type": "NONE", "cron": "* *"}
    assert more == {"jobCondition": {"gpu": 1}}
    api.sent.clear()
    for extra in ({"jobCondition": {"numWorker": 99}}, {"jobCondition": {"gpu": 1, "nrn": "x"}}):
        await refused(api, api.jobs.execute("j", extra=extra), "extra.jobCondition", "argument of its own")


async def test_raw_nodes_of_a_workflow_stay_open(api):
    node = JOB_NODE | {"jobCondition": CONDITION | {"num_worker": 2, "workerType": "DEFAULT", "tomorrow": 1}}
    await api.workflows.create("abc", [TRIGGER_NODE, node])
    assert api.body["nodes"][1]["jobCondition"] == CONDITION | {
        "numWorker": 2,
        "workerType": "DEFAULT",
        "tomorrow": 1,
    }


SECRET = "a-secret-key-that-must-never-go-out"


@pytest.mark.parametrize("member", ["num_worker", "timeout", "nrn", "script_path", "log_path", "parameters"])
async def test_keys_given_for_a_setting_by_mistake_are_refused_unseen(api, member):
    keys = Credentials("ACCESSKEY", SECRET)
    for condition in (JobCondition(**{member: keys}), {member: keys}):
        with pytest.raises(InvalidRequest, match=member.split("_")[0]) as caught:
            await api.jobs.execute("j", condition=condition)
        assert SECRET not in str(caught.value)
    with pytest.raises(InvalidRequest) as caught:
        await api.workflows.create(
            "abc", [TRIGGER_NODE, JOB_NODE | {"jobCondition": {**CONDITION, member: keys}}]
        )
    assert SECRET not in str(caught.value)
    assert api.sent == []


@pytest.mark.parametrize(
    "member", ["type", "interval", "time", "day_of_week", "date_of_month", "execution_date"]
)
async def test_keys_given_for_a_rule_by_mistake_are_refused_unseen(api, member):
    rule = TriggerRule(**{"type": "RECURRING", "interval": "DAY", member: Credentials("ACCESSKEY", SECRET)})
    with pytest.raises(InvalidRequest) as caught:
        await api.triggers.create("abc", rule)
    assert SECRET not in str(caught.value)
    assert api.sent == []


@pytest.mark.parametrize("name", [float("nan"), 5, True, ["a"], b"x"], ids=repr)
async def test_the_name_that_a_list_is_searched_for_is_text(api, name):
    await refused(api, api.jobs.page(name=name), "name", repr(name))
    await refused(api, api.triggers.page(name=name), "name", repr(name))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
async def test_a_query_holds_finite_numbers(value):
    with pytest.raises(InvalidRequest, match="'limit'"):
        query_text({"limit": value})


@pytest.mark.parametrize("value", [5, None, b"x", ["x"], ExecutionRef("j", "e")], ids=repr)
def test_a_reference_is_read_from_text(value):
    with pytest.raises(InvalidRequest, match="ref must be text like"):
        ExecutionRef.parse(value)


async def test_settings_as_read_can_be_sent_again(api):
    read = JobSettings(worker_type="DEFAULT", num_worker=4, nrn="n", console_log_path="c")
    await api.jobs.execute("j", condition=read)
    assert api.body == {"jobCondition": {"numWorker": 4, "nrn": "n"}}


async def test_a_huge_number_is_refused_like_any_other(api):
    with pytest.raises(InvalidRequest):
        await api.jobs.execute("j", condition={"numWorker": 10**5000})
    assert api.sent == []


JUNK = st.sampled_from([None, True, 0, 1.5, "", "x", [], {}, ["x"]])
SETTINGS = st.fixed_dictionaries(
    {},
    optional={
        "numWorker": st.integers(0, 12) | JUNK,
        "timeout": st.sampled_from([0, 1, 1440, 1441]) | JUNK,
        "nrn": st.just("nrn:x") | JUNK,
        "scriptPath": st.just("s/") | JUNK,
        "logPath": st.just("l/") | JUNK,
        "parameters": st.dictionaries(st.text(max_size=2), st.text(max_size=2) | JUNK, max_size=2) | JUNK,
        "anything": JUNK,
    },
)


@pytest.mark.parametrize("name", SETTERS)
@settings(max_examples=example_count(15, 60))
@given(SETTINGS)
async def test_settings_that_are_let_through_are_those_of_the_contract(name, given):
    api = Api()
    try:
        await SETTERS[name](api, given)
    except InvalidRequest:
        assert api.sent == []
    else:
        contract.validate_request(OPERATIONS[name], api.body)


# --- other arguments ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["DATAFLOW", "visual", "", "NONE", 5, None])
async def test_a_job_type_of_older_docs_is_refused(api, kind):
    await refused(api, api.jobs.create("abc", type=kind), "type", repr(kind), "VISUAL", "SCRIPT")


@pytest.mark.parametrize("runs", ["1", True, 1.0, [1]])
async def test_max_concurrent_runs_is_a_whole_number(api, runs):
    await refused(api, api.jobs.create("abc", max_concurrent_runs=runs), "max_concurrent_runs", repr(runs))


@pytest.mark.parametrize("runs", [-1, 0, 1, 1000])
async def test_the_range_of_max_concurrent_runs_is_left_to_the_service(api, runs):
    await api.jobs.create("abc", max_concurrent_runs=runs)
    assert api.body["maxConcurrentRuns"] == runs


PAGERS = {
    "jobs.page": lambda api, **window: api.jobs.page(**window),
    "jobs.executions_page": lambda api, **window: api.jobs.executions_page("j", **window),
    "workflows.page": lambda api, **window: api.workflows.page(**window),
    "workflows.executions_page": lambda api, **window: api.workflows.executions_page("w", **window),
    "triggers.page": lambda api, **window: api.triggers.page(**window),
}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("limit", value) for value in (0, -1, True, "10", 1.0, None, 2**31)),
        *(("page", value) for value in (-1, True, "0", 0.0, None, 2**31)),
    ],
)
@pytest.mark.parametrize("pager", PAGERS.values(), ids=PAGERS)
async def test_a_page_out_of_range_is_refused(api, pager, field, value):
    await refused(api, pager(api, **{field: value}), field, repr(value))


BAD_IDS = ["", ".", "..", "a\nb", None, 5, ["j"]]
ID_USERS = {
    "jobs.get": ("jobId", lambda api, bad: api.jobs.get(bad)),
    "jobs.execute": ("jobId", lambda api, bad: api.jobs.execute(bad)),
    "jobs.execution": ("executionId", lambda api, bad: api.jobs.execution("j", bad)),
    "jobs.cancel_execution": ("executionId", lambda api, bad: api.jobs.cancel_execution("j", bad)),
    "jobs.delete": ("jobId", lambda api, bad: api.jobs.delete(bad)),
    "workflows.execute": ("workflowId", lambda api, bad: api.workflows.execute(bad)),
    "workflows.delete": ("workflowId", lambda api, bad: api.workflows.delete(bad)),
    "triggers.delete": ("triggerId", lambda api, bad: api.triggers.delete(bad)),
}


@pytest.mark.parametrize("bad", BAD_IDS, ids=repr)
@pytest.mark.parametrize(("field", "use"), ID_USERS.values(), ids=ID_USERS)
async def test_an_id_that_can_not_be_one_is_refused(api, field, use, bad):
    await refused(api, use(api, bad), field, repr(bad))


@pytest.mark.parametrize("bad", ["", "a\nb", 5, True, ["a", "b"]], ids=repr)
@pytest.mark.parametrize("member", ["trigger_id", "workflow_id"])
async def test_an_id_in_the_query_of_a_launch_is_checked_like_one_in_the_path(api, member, bad):
    with pytest.raises(InvalidRequest):
        await api.jobs.execute("j", **{member: bad})
    assert api.sent == []


async def test_extra_members_join_and_never_replace(api):
    await api.jobs.create("abc", extra={"tomorrow": {"a": None}})
    assert api.body == {"name": "abc", "type": "VISUAL", "tomorrow": {"a": None}}
    api.sent.clear()
    for name in ("name", "type", "nodes", "jobCondition", "maxConcurrentRuns"):
        await refused(api, api.jobs.create("abc", extra={name: 1}), "extra", name)
    await refused(
        api, api.triggers.create("abc", TriggerRule.manual(), extra={"type": "NONE"}), "extra", "type"
    )


@pytest.mark.parametrize("extra", ["x", 5, [("a", 1)], {1: 2}])
async def test_extra_members_are_a_mapping(api, extra):
    await refused(api, api.jobs.create("abc", extra=extra), "extra")


@pytest.mark.parametrize(
    "value", [object(), {1, 2}, float("nan"), float("inf"), b"x", "\ud800", datetime.now(UTC)]
)
async def test_what_json_has_no_form_for_is_refused(api, value):
    with pytest.raises(InvalidRequest):
        await api.jobs.create("abc", extra={"tomorrow": value})
    assert api.sent == []


@pytest.mark.parametrize("payload", ["x", 5, [1], {"a": object()}, {1: 2}])
async def test_a_payload_is_a_json_object(api, payload):
    with pytest.raises(InvalidRequest, match="payload"):
        await api.workflows.execute("w", payload=payload)
    assert api.sent == []


# --- nodes of a job ----------------------------------------------------------------------------------------


def job_node(id_=1, parents=(), **members):
    return {
        "type": "TRANSFORM_UNION",
        "id": id_,
        "name": "Sum",
        "parentNodeIds": list(parents),
        "unionType": "ALL",
    } | (members)


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


# --- nodes of a workflow -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("nodes", "field", "words"),
    [
        *(
            (
                [
                    TRIGGER_NODE,
                    JOB_NODE | {"jobCondition": {k: v for k, v in CONDITION.items() if k != member}},
                ],
                f"nodes[1].jobCondition.{member}",
                ["None"],
            )
            for member in CONDITION
        ),
        ([TRIGGER_NODE, JOB_NODE | {"jobCondition": None}], "nodes[1].jobCondition", ["None"]),
        (
            [TRIGGER_NODE, JOB_NODE | {"jobCondition": CONDITION | {"numWorker": 11}}],
            "nodes[1].jobCondition.numWorker",
            ["11", "2 to 10"],
        ),
        ([JOB_NODE], "nodes[0].parentNodeIds", ["'t'"]),
        ([TRIGGER_NODE, JOB_NODE | {"parentNodeIds": ["j"]}], "nodes", ["cycle"]),
        ([TRIGGER_NODE, JOB_NODE | {"parentNodeIds": "t"}], "nodes[1].parentNodeIds", ["'t'"]),
        ([TRIGGER_NODE, JOB_NODE | {"parentNodeIds": [5]}], "nodes[1].parentNodeIds", ["5"]),
        ([TRIGGER_NODE, JOB_NODE | {"parentNodeIds": None}], "nodes[1].parentNodeIds", ["None"]),
        ([TRIGGER_NODE | {"parentNodeIds": ["t"]}], "nodes[0].parentNodeIds", ["[]"]),
        ([TRIGGER_NODE | {"triggerRule": {"type": "NONE"}}], "nodes[0].triggerRule", ["RECURRING"]),
        ([TRIGGER_NODE | {"triggerRule": "DAILY"}], "nodes[0].triggerRule", ["'DAILY'", "ONE_TIME"]),
        ([TRIGGER_NODE | {"type": "EVENT"}], "nodes[0].type", ["'EVENT'", "TRIGGER", "JOB"]),
        ([TRIGGER_NODE | {"type": None}], "nodes[0].type", ["None"]),
        ([TRIGGER_NODE | {"id": ""}], "nodes[0].id", ["''"]),
        ([TRIGGER_NODE | {"id": 5}], "nodes[0].id", ["5"]),
        ([TRIGGER_NODE | {"name": ""}], "nodes[0].name", ["''"]),
        (["t"], "nodes[0]", ["'t'"]),
        ("t", "nodes", ["'t'"]),
        (None, "nodes", ["None"]),
    ],
)
@pytest.mark.parametrize("call", ["create", "update"])
async def test_a_node_of_a_workflow_that_is_not_allowed_is_refused(api, call, nodes, field, words):
    calls = {
        "create": lambda: api.workflows.create("abc", nodes),
        "update": lambda: api.workflows.update("w", "abc", nodes),
    }
    await refused(api, calls[call](), field, *words)


def after(id_, *parents):
    return JOB_NODE | {"id": id_, "parentNodeIds": list(parents)}


@pytest.mark.parametrize(
    "nodes",
    [
        [],
        [TRIGGER_NODE],
        [TRIGGER_NODE, JOB_NODE],
        [JOB_NODE, TRIGGER_NODE],
        [TRIGGER_NODE, after("a", "t"), after("b", "a")],
        [TRIGGER_NODE, after("a", "t"), after("b", "t"), after("c", "a", "b")],
        [TRIGGER_NODE, TRIGGER_NODE | {"id": "u"}, after("a", "t", "u")],
        [TRIGGER_NODE | {"triggerRule": "RECURRING"}, JOB_NODE],
        [after("a")],
    ],
)
async def test_how_many_triggers_jobs_and_parents_is_left_to_the_service(api, nodes):
    await api.workflows.create("abc", nodes)
    assert api.body["nodes"] == nodes
    contract.validate_request("createWorkflow", api.body)


async def test_typed_nodes_go_out_like_mappings(api):
    typed = [
        WorkflowTriggerNode("t", "start", RuleType.NONE),
        WorkflowJobNode(
            "j", "step", ["t"], JobCondition(nrn="n", script_path="s", log_path="l", num_worker=3)
        ),
    ]
    await api.workflows.create("abc", typed)
    condition = {"nrn": "n", "scriptPath": "s", "logPath": "l", "numWorker": 3}
    assert api.body["nodes"] == [
        TRIGGER_NODE | {"triggerRule": "NONE"},
        JOB_NODE | {"jobCondition": condition},
    ]


async def test_nodes_made_of_a_job_copy_the_three_settings_that_are_needed(api):
    stored = JobSettings(
        worker_type="DEFAULT", num_worker=7, timeout=5, nrn="n", script_path="s", log_path="l"
    )
    trigger = Trigger("t", name="start", trigger_rule=TriggerRuleInfo(type=RuleType.RECURRING))
    await api.workflows.create(
        "abc",
        [
            WorkflowTriggerNode.of(trigger),
            WorkflowJobNode.of(Job("j", name="step", job_condition=stored), ["t"]),
        ],
    )
    trigger_node, job_node_ = api.body["nodes"]
    assert trigger_node == TRIGGER_NODE | {"triggerRule": "RECURRING"}
    assert job_node_["jobCondition"] == {"nrn": "n", "scriptPath": "s", "logPath": "l"}


async def test_a_job_without_the_three_settings_makes_no_node(api):
    await refused(
        api,
        api.workflows.create("abc", [WorkflowJobNode.of(Job("j"), [])]),
        "nodes[0].jobCondition.nrn",
        "None",
    )


IDS = st.sampled_from(["a", "b", "c", "t", ""])
WORKFLOW_NODES = st.lists(
    st.fixed_dictionaries(
        {
            "id": IDS | JUNK,
            "name": st.just("n") | JUNK,
            "type": st.sampled_from(["TRIGGER", "JOB"]) | JUNK,
            "parentNodeIds": st.lists(IDS, max_size=2) | JUNK,
        },
        optional={
            "triggerRule": st.sampled_from(["NONE", "RECURRING", "ONE_TIME", "X"]) | JUNK,
            "jobCondition": st.just(CONDITION)
            | st.builds(
                dict.__or__,
                st.just(CONDITION),
                st.fixed_dictionaries(
                    {},
                    optional={
                        "workerType": st.sampled_from(["DATAFLOW", "DEFAULT", "LARGE"]) | JUNK,
                        "numWorker": st.integers(1, 11) | JUNK,
                        "timeout": st.integers(0, 2) | JUNK,
                    },
                ),
            )
            | JUNK,
        },
    ),
    max_size=4,
)


@settings(max_examples=example_count(60, 300))
@given(WORKFLOW_NODES)
async def test_workflow_nodes_that_are_let_through_are_those_of_the_contract(nodes):
    await let_through_are_valid(nodes)


async def let_through_are_valid(nodes):
    api = Api()
    try:
        await api.workflows.create("abc", nodes)
    except InvalidRequest:
        assert api.sent == []
    else:
        contract.validate_request("createWorkflow", api.body)


@pytest.mark.parametrize(
    "node",
    [
        TRIGGER_NODE | {"triggerRule": None},
        JOB_NODE | {"parentNodeIds": [], "jobCondition": CONDITION | {"workerType": "LARGE"}},
        JOB_NODE | {"parentNodeIds": [], "jobCondition": CONDITION | {"workerType": None}},
        JOB_NODE | {"parentNodeIds": [], "jobCondition": CONDITION | {"workerType": "DEFAULT"}},
    ],
    ids=["triggerRule null", "workerType unknown", "workerType null", "workerType known"],
)
async def test_a_workflow_node_is_refused_or_valid(node):
    await let_through_are_valid([node])


# --- rules of a trigger ------------------------------------------------------------------------------------

ABSENT = object()
TYPES = ["RECURRING", "ONE_TIME", "NONE", "DAILY", ABSENT]
INTERVALS = ["HOUR", "DAY", "WEEK", "MONTH", "YEAR", ABSENT]
TIMES = ["15", "03:30", "24:00", "3:30", "60", "03:30:00", ABSENT]
WEEKDAYS = [["MONDAY", "SUNDAY"], [], ["monday"], "MONDAY", ABSENT]
MONTH_DAYS = ["-1", "31", "0", "32", "01", ABSENT]
EXECUTION_DATES = ["2026-12-24T06:00:00", "", ABSENT]


def members(type_, interval, time, weekdays, month_day, moment):
    rule = {
        "type": type_,
        "interval": interval,
        "time": time,
        "dayOfWeek": weekdays,
        "dateOfMonth": month_day,
        "executionDate": moment,
    }
    return {name: value for name, value in rule.items() if value is not ABSENT}


async def allows(rule):
    """Whether the client lets a rule through, to where it would go out unchanged."""
    api = Api()
    problem = None
    try:
        await api.triggers.create("abc", rule)
    except InvalidRequest as error:
        problem = error
    if problem is not None:
        assert problem.field.startswith("rule")
        assert api.sent == []
        return False
    contract.validate_request("createTrigger", api.body)
    return True


async def test_of_all_combinations_exactly_those_of_the_contract_are_let_through():
    wrong = []
    for rule in itertools.starmap(
        members, itertools.product(TYPES, INTERVALS, TIMES, WEEKDAYS, MONTH_DAYS, EXECUTION_DATES)
    ):
        ours = await allows(rule)
        if ours is not RULES.is_valid(rule):
            wrong.append(rule)
    assert wrong == []


RULES = jsonschema.Draft202012Validator(contract.document()["components"]["schemas"]["TriggerRule"])


@pytest.mark.parametrize("member", ["type", "interval", "time", "dayOfWeek", "dateOfMonth", "executionDate"])
@pytest.mark.parametrize("kind", ["RECURRING", "ONE_TIME", "NONE"])
async def test_a_null_member_is_never_sent(kind, member):
    rule = {"type": kind, "interval": "DAY", "time": "03:30", "executionDate": "x"} | {member: None}
    await allows(rule)


RULE_JUNK = JUNK | st.sampled_from([5, "MONDAY", ["MONDAY"], "15", "03:30", "-1"])


@settings(max_examples=example_count(60, 300))
@given(
    st.fixed_dictionaries(
        {"type": st.sampled_from(["RECURRING", "ONE_TIME", "NONE"]) | RULE_JUNK},
        optional={
            "interval": st.sampled_from(["HOUR", "DAY", "WEEK", "MONTH"]) | RULE_JUNK,
            "time": st.from_regex(r"[0-2][0-9](:[0-5][0-9])?") | RULE_JUNK,
            "dayOfWeek": st.lists(st.sampled_from(["MONDAY", "SUNDAY", "x"]), max_size=2) | RULE_JUNK,
            "dateOfMonth": st.integers(-2, 32) | st.integers(-2, 32).map(str) | RULE_JUNK,
            "executionDate": st.text(max_size=3) | RULE_JUNK,
            "tomorrow": RULE_JUNK,
        },
    )
)
async def test_rules_that_are_let_through_are_those_of_the_contract(rule):
    await allows(rule)


@pytest.mark.parametrize(
    ("rule", "kind", "sent"),
    [
        (TriggerRule.hourly(5), "SCHEDULED", {"type": "RECURRING", "interval": "HOUR", "time": "05"}),
        (TriggerRule.daily("03:30"), "SCHEDULED", {"type": "RECURRING", "interval": "DAY", "time": "03:30"}),
        (
            TriggerRule.weekly(("SATURDAY", "SUNDAY"), "22:05"),
            "SCHEDULED",
            {"type": "RECURRING", "interval": "WEEK", "time": "22:05", "dayOfWeek": ["SATURDAY", "SUNDAY"]},
        ),
        (
            TriggerRule.monthly(-1, "23:45"),
            "SCHEDULED",
            {"type": "RECURRING", "interval": "MONTH", "time": "23:45", "dateOfMonth": "-1"},
        ),
        (
            TriggerRule.once("2026-12-24T06:00:00"),
            "SCHEDULED",
            {"type": "ONE_TIME", "executionDate": "2026-12-24T06:00:00"},
        ),
        (
            TriggerRule.once(datetime(2026, 12, 23, 21, 0, tzinfo=UTC)),
            "SCHEDULED",
            {"type": "ONE_TIME", "executionDate": "2026-12-24T06:00:00"},
        ),
        (
            TriggerRule.once(datetime(2026, 12, 24, 6, 0)),  # noqa: DTZ001
            "SCHEDULED",
            {"type": "ONE_TIME", "executionDate": "2026-12-24T06:00:00"},
        ),
        (TriggerRule.once("whenever"), "SCHEDULED", {"type": "ONE_TIME", "executionDate": "whenever"}),
        (TriggerRule.manual(), "NONE", {"type": "NONE"}),
    ],
)
async def test_the_makers_of_rules_make_what_the_contract_requires(api, rule, kind, sent):
    await api.triggers.create("abc", rule)
    assert (api.body["type"], api.body["triggerRule"]) == (kind, sent)
    contract.validate_request("createTrigger", api.body)


@pytest.mark.parametrize(
    ("rule", "field", "words"),
    [
        (TriggerRule("RECURRING"), "rule.interval", ["None", "HOUR"]),
        (TriggerRule("RECURRING", "DAY"), "rule.time", ["None", "HH:MM"]),
        (TriggerRule("RECURRING", "HOUR", "03:30"), "rule.time", ["'03:30'", "HOUR"]),
        (TriggerRule("RECURRING", "DAY", "15"), "rule.time", ["'15'", "HH:MM"]),
        (TriggerRule("RECURRING", "WEEK", "03:30"), "rule.dayOfWeek", ["None"]),
        (TriggerRule.weekly([], "03:30"), "rule.dayOfWeek", ["[]"]),
        (TriggerRule.weekly(["MONDAY", "Tue"], "03:30"), "rule.dayOfWeek[1]", ["'Tue'", "TUESDAY"]),
        (TriggerRule.weekly("MONDAY", "03:30"), "rule.dayOfWeek", ["'MONDAY'"]),
        (TriggerRule("RECURRING", "MONTH", "03:30"), "rule.dateOfMonth", ["None"]),
        (TriggerRule.monthly(0, "03:30"), "rule.dateOfMonth", ["0", "1 to 31"]),
        (TriggerRule.monthly(32, "03:30"), "rule.dateOfMonth", ["32", "-1"]),
        (TriggerRule.monthly(True, "03:30"), "rule.dateOfMonth", ["True"]),
        (TriggerRule("ONE_TIME"), "rule.executionDate", ["None"]),
        (TriggerRule.once(date(2026, 12, 24)), "rule.executionDate", ["2026"]),
        (TriggerRule("SOMETIMES"), "rule.type", ["'SOMETIMES'", "RECURRING"]),
        ({}, "rule.type", ["None"]),
        ("NONE", "rule", ["'NONE'"]),
        (None, "rule", ["None"]),
    ],
)
async def test_a_rule_that_is_not_allowed_is_refused(api, rule, field, words):
    await refused(api, api.triggers.create("abc", rule), field, *words)


@pytest.mark.parametrize("minute", [-1, 60, "5", True, 5.0, None])
def test_a_minute_is_from_0_to_59(minute):
    with pytest.raises(InvalidRequest, match="0 to 59"):
        TriggerRule.hourly(minute)


@pytest.mark.parametrize("kind", ["DAILY", "", 5, "scheduled"])
async def test_an_unknown_trigger_type_is_refused(api, kind):
    await refused(
        api, api.triggers.create("abc", TriggerRule.manual(), type=kind), "type", repr(kind), "SCHEDULED"
    )


@pytest.mark.parametrize("rule", [{}, {"type": "CLOUD_FUNCTIONS", "source": {"id": 5}}, {"source": None}])
async def test_an_event_passes_its_rule_on_as_given(api, rule):
    await api.triggers.create("abc", rule, type=TriggerType.EVENT)
    assert (api.body["type"], api.body["triggerRule"]) == ("EVENT", rule)


# --- dates of the dashboard --------------------------------------------------------------------------------

PERIODS = {
    "execution_result": lambda api, *dates: api.dashboard.execution_result(*dates),
    "execution_interval": lambda api, *dates: api.dashboard.execution_interval(*dates),
    "execution_times": lambda api, *dates: api.dashboard.execution_times(*dates),
}
LATE = "2026-12-31T00:00:00"


@pytest.mark.parametrize(
    ("start", "sent"),
    [
        (datetime(2026, 11, 1), "2026-11-01T00%3A00%3A00"),  # noqa: DTZ001
        (datetime(2026, 11, 1, tzinfo=UTC), "2026-11-01T09%3A00%3A00"),
        (datetime(2026, 10, 31, 20, 0, tzinfo=timezone(timedelta(hours=-5))), "2026-11-01T10%3A00%3A00"),
        (datetime(2026, 11, 1, 0, 0, 0, 999_999), "2026-11-01T00%3A00%3A00"),  # noqa: DTZ001
        ("2026-11-01T00:00:00", "2026-11-01T00%3A00%3A00"),
        ("2026-11-01T00:00:00Z", "2026-11-01T09%3A00%3A00"),
        ("2026-11-01T00:00:00.123456789+09:00", "2026-11-01T00%3A00%3A00"),
        (LATE, "2026-12-31T00%3A00%3A00"),
    ],
)
@pytest.mark.parametrize("call", PERIODS.values(), ids=PERIODS)
async def test_a_date_goes_out_in_utc_plus_nine_without_zone_or_fraction(api, call, start, sent):
    await call(api, start, LATE)
    assert api.calls.target.partition("?")[2] == f"startDate={sent}&endDate=2026-12-31T00%3A00%3A00"


@pytest.mark.parametrize(
    "bad",
    [
        "",
        "2026-11-01",
        "2026-11-01 00:00:00",
        "2026-02-30T00:00:00",
        "2026-11-01T00:00",
        "yesterday",
        None,
        1793458800,
        date(2026, 11, 1),
        "\uff19999-11-01T00:00:00",
        datetime.max.replace(tzinfo=UTC),
        datetime.min.replace(tzinfo=timezone(timedelta(hours=12))),
        "9999-12-31T23:59:59Z",
    ],
)
@pytest.mark.parametrize("call", PERIODS.values(), ids=PERIODS)
async def test_what_is_no_date_is_refused(api, call, bad):
    await refused(api, call(api, bad, LATE), "start")
    await refused(api, call(api, "2026-11-01T00:00:00", bad), "end")


@pytest.mark.parametrize("call", PERIODS.values(), ids=PERIODS)
async def test_a_period_that_ends_before_it_begins_is_refused(api, call):
    late = datetime(2026, 11, 1, 0, 0, 1, tzinfo=timezone(timedelta(hours=9)))
    await refused(api, call(api, late, "2026-10-31T15:00:00Z"), "end", "2026-11-01T00:00:00")


# --- over the wire -----------------------------------------------------------------------------------------


async def test_what_is_refused_here_reaches_no_server():
    async with Emulator() as server, server.client() as flow:
        for call in (
            flow.jobs.create("x"),
            flow.jobs.get(".."),
            flow.triggers.create("abc", TriggerRule("RECURRING")),
            flow.workflows.create("abc", [JOB_NODE]),
            flow.request("GET", "https://example.com/api/v1/jobs"),
            flow.request("BREW", "/api/v1/jobs"),
        ):
            with pytest.raises(InvalidRequest):
                await call
        assert server.history.requests == 0


# --- what was read and is sent back (ruling 94) ------------------------------------------------------------


def read(answers, **content):
    return decoding.decode(answers, content, {})


SETTINGS = {"nrn": "n", "scriptPath": "s", "logPath": "l", "workerType": "DEFAULT"}


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("numWorker", "4"),
        ("timeout", 3.5),
        ("nrn", 5),
        ("scriptPath", []),
        ("logPath", {}),
        ("parameters", []),
    ],
)
@pytest.mark.parametrize("name", ["jobCondition", "runCondition"])
async def test_a_setting_that_can_not_be_read_is_not_sent_back(api, member, value, name):
    stored = read(Job, jobId="j", **{name: SETTINGS | {member: value}}).job_condition
    where = f"condition.{member}"
    await refused(api, api.jobs.execute("j", condition=stored), where, repr(value))
    await refused(api, api.jobs.create("abc", condition=stored), where)
    await refused(api, api.jobs.update("j", type="SCRIPT", condition=stored), where)
    await refused(api, api.jobs.update_execution_config("j", stored), where)


async def test_an_odd_setting_that_requests_do_not_have_is_no_obstacle(api):
    stored = read(
        Job, jobId="j", jobCondition=SETTINGS | {"workerType": 5, "consoleLogPath": []}
    ).job_condition
    await api.jobs.execute("j", condition=stored)
    assert api.body == {"jobCondition": {"nrn": "n", "scriptPath": "s", "logPath": "l"}}


async def test_odd_nodes_are_not_sent_back(api):
    good = {"id": 1, "name": "in", "type": "SOURCE_OBS", "parentNodeIds": []}
    job = read(Job, jobId="j", nodes=[good, 5])
    await refused(api, api.jobs.create("abc", nodes=job.nodes), "nodes[1]")
    for member, value in (("id", "1"), ("name", 5), ("type", []), ("parentNodeIds", "x")):
        job = read(Job, jobId="j", nodes=[good | {member: value}])
        await refused(api, api.jobs.create("abc", nodes=job.nodes), f"nodes[0].{member}")


@pytest.mark.parametrize("member", ["nrn", "scriptPath", "logPath"])
def test_a_workflow_node_is_not_made_of_settings_that_can_not_be_read(member):
    job = read(Job, jobId="j", name="step", jobCondition=SETTINGS | {member: 5})
    with pytest.raises(InvalidRequest, match=f"job.jobCondition.{member}"):
        WorkflowJobNode.of(job, ["t"])
    assert WorkflowJobNode.of(read(Job, jobId="j", jobCondition=SETTINGS | {"timeout": "5"}), ["t"])


def test_a_trigger_node_is_not_made_of_a_rule_that_can_not_be_read():
    with pytest.raises(InvalidRequest, match=r"trigger\.triggerRule\.type"):
        WorkflowTriggerNode.of(read(Trigger, triggerId="t", triggerRule={"type": 5}))


async def test_the_rule_of_a_trigger_may_make_another_trigger(api):
    rules = [
        {"type": "RECURRING", "interval": "WEEK", "time": "01:30", "dayOfWeek": ["MONDAY"]},
        {"type": "RECURRING", "interval": "MONTH", "time": "01:30", "dateOfMonth": "-1"},
        {"type": "ONE_TIME", "executionDate": "2026-12-01T00:00:00"},
        {"type": "NONE"},
    ]
    for rule in rules:
        await api.triggers.create("abc", read(Trigger, triggerId="t", triggerRule=rule).trigger_rule)
        assert api.body["triggerRule"] == rule


async def test_the_oldest_triggers_name_one_day_as_text(api):
    rule = {"type": "RECURRING", "interval": "WEEK", "time": "01:30", "dayOfWeek": "MONDAY"}
    await api.triggers.create("abc", read(Trigger, triggerId="t", triggerRule=rule).trigger_rule)
    assert api.body["triggerRule"] == rule | {"dayOfWeek": ["MONDAY"]}


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("type", 5),
        ("interval", []),
        ("time", 130),
        ("dayOfWeek", [1]),
        ("dateOfMonth", 1.5),
        ("executionDate", 5),
    ],
)
async def test_a_rule_that_can_not_be_read_is_not_sent_back(api, member, value):
    rule = {"type": "RECURRING", "interval": "DAY", "time": "01:30", member: value}
    given = read(Trigger, triggerId="t", triggerRule=rule).trigger_rule
    await refused(api, api.triggers.create("abc", given), f"rule.{member}", repr(value))
