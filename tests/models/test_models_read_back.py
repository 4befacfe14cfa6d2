"""What was read is sent back whole, or refused."""

import pytest

from dataflow_async import (
    InvalidRequest,
    Job,
    Trigger,
    WorkflowJobNode,
    WorkflowTriggerNode,
)
from dataflow_async.wire import decoding
from tests.models.api import refused


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
