"""Run settings in a request: what is allowed goes out, the rest is refused by name."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflow_async import (
    Credentials,
    ExecutionRef,
    InvalidRequest,
    JobCondition,
    JobSettings,
    TriggerRule,
)
from dataflow_async.wire.request import query_text
from tests.models.api import CONDITION, JOB_NODE, JUNK, TRIGGER_NODE, Api, refused
from tests.support import contract
from tests.support.examples import example_count

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
