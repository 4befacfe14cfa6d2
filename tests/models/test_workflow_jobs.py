"""Workflows written as jobs, one after the other."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflow_async import (
    InvalidRequest,
    Job,
    JobCondition,
    JobSettings,
    JobSummary,
    Trigger,
    TriggerRule,
    TriggerRuleInfo,
    WorkflowJob,
)
from dataflow_async.models.workflow_jobs import nodes_of, plan
from tests.models.api import CONDITION, Api, refused
from tests.support import contract
from tests.support.examples import example_count

STORED = JobSettings(
    worker_type="DEFAULT",
    num_worker=7,
    timeout=5,
    nrn=CONDITION["nrn"],
    script_path=CONDITION["scriptPath"],
    log_path=CONDITION["logPath"],
)
TRIGGER = Trigger("t", name="start", trigger_rule=TriggerRuleInfo(type="RECURRING"))
START = {"id": "t", "name": "start", "type": "TRIGGER", "triggerRule": "RECURRING", "parentNodeIds": []}


def job(id_, name=None):
    return Job(id_, name=name, job_condition=STORED)


LOAD, REPORT, MAIL = job("L", "load"), job("R", "report"), job("M", "mail")


def node(stored, *parents, name=None, **condition):
    return {
        "id": stored.job_id,
        "name": name or stored.name,
        "type": "JOB",
        "parentNodeIds": [*parents],
        "jobCondition": CONDITION | condition,
    }


@pytest.mark.parametrize("call", ["create", "update"])
async def test_jobs_become_nodes_after_the_trigger_or_each_other(api, call):
    jobs = [
        LOAD,
        WorkflowJob(REPORT, after=LOAD, name="the report", condition=JobCondition(num_worker=3)),
        WorkflowJob(MAIL, after=["load", "R"], condition={"timeout": 9, "scriptPath": "other/"}),
    ]
    calls = {
        "create": lambda: api.workflows.create("abc", trigger=TRIGGER, jobs=jobs),
        "update": lambda: api.workflows.update("w", "abc", trigger=TRIGGER, jobs=jobs),
    }
    await calls[call]()
    assert api.body["nodes"] == [
        START,
        node(LOAD, "t"),
        node(REPORT, "L", name="the report", numWorker=3),
        node(MAIL, "L", "R", timeout=9, scriptPath="other/"),
    ]
    contract.validate_request(f"{call}Workflow", api.body)


@pytest.mark.parametrize(
    "after",
    [
        LOAD,
        "L",
        "load",
        ["load"],
        (LOAD,),
        WorkflowJob(LOAD),
        WorkflowJob("L"),
        JobSummary("L"),
        ["load", "L"],
    ],
    ids=range(9),
)
def test_what_a_job_comes_after_may_be_named_in_several_ways(after):
    assert plan([LOAD, WorkflowJob(REPORT, after=after)])[1].parents == ["L"]


def test_the_order_of_the_jobs_does_not_matter():
    assert [job.parents for job in plan([WorkflowJob(REPORT, after="load"), LOAD])] == [["L"], []]


def test_a_label_is_a_name_too():
    jobs = [WorkflowJob("L", name="first"), WorkflowJob(REPORT, after="first")]
    assert plan(jobs)[1].parents == ["L"]


def test_a_name_that_is_the_id_of_another_job_means_that_job():
    odd = job("X", "L")
    assert plan([LOAD, odd, WorkflowJob(REPORT, after="L")])[2].parents == ["L"]


TWINS = [job("A", "load"), job("B", "load")]


@pytest.mark.parametrize(
    ("jobs", "field", "words"),
    [
        ([LOAD, LOAD], "jobs[1]", ["'load'", "does not have yet"]),
        ([LOAD, WorkflowJob("L", after=LOAD)], "jobs[1]", ["'load'"]),
        ([LOAD, WorkflowJob(REPORT, after="laod")], "jobs[1].after", ["'laod'", "(load, report)", "such as 'load'"]),
        ([LOAD, WorkflowJob(REPORT, after=["load", MAIL])], "jobs[1].after", ["'mail'", "(load, report)"]),
        ([LOAD, WorkflowJob(REPORT, after=JobSummary("Z"))], "jobs[1].after", ["'Z'"]),
        ([LOAD, WorkflowJob(REPORT, after="")], "jobs[1].after", ["''"]),
        ([LOAD, WorkflowJob(REPORT, after=5)], "jobs[1].after", ["5"]),
        ([LOAD, WorkflowJob(REPORT, after=[None])], "jobs[1].after", ["None", "its id or its name"]),
        ([*TWINS, WorkflowJob(REPORT, after="load")], "jobs[2].after", ["'load'", "an id"]),
        ([WorkflowJob(LOAD, after="load")], "jobs", ["cycle", "load -> load"]),
        ([WorkflowJob(LOAD, after="report"), WorkflowJob(REPORT, after=LOAD)], "jobs", ["load -> report -> load"]),
        ([LOAD, None], "jobs[1]", ["None", "WorkflowJob"]),
        ([WorkflowJob(None)], "jobs[0]", ["None"]),
        ([WorkflowJob("")], "jobs[0]", ["''"]),
        ([WorkflowJob(LOAD, name="")], "jobs[0].name", ["''"]),
        ([WorkflowJob(LOAD, condition=JobCondition(num_worker=1))], "jobs[0].condition.num_worker", ["2 to 10"]),
        ([WorkflowJob(LOAD, condition={"numworker": 2})], "jobs[0].condition.numworker", ["'numWorker'"]),
        ([], "jobs", ["one job or more"]),
        (None, "jobs", ["None", "a list"]),
        ("L", "jobs", ["'L'", "a list"]),
        (LOAD, "jobs", ["a list"]),
    ],
)  # fmt: skip
async def test_jobs_that_make_no_workflow_are_refused_by_name(api, jobs, field, words):
    await refused(api, api.workflows.create("abc", trigger="t", jobs=jobs), field, *words)


@pytest.mark.parametrize(
    ("given", "field", "words"),
    [
        ({}, "nodes", ["or trigger and jobs"]),
        ({"nodes": [], "trigger": TRIGGER, "jobs": [LOAD]}, "nodes", ["left out"]),
        ({"jobs": [LOAD]}, "trigger", ["None"]),
        ({"trigger": TRIGGER}, "jobs", ["None"]),
        ({"trigger": TriggerRule.daily("03:30"), "jobs": [LOAD]}, "trigger", ["triggers.create"]),
        ({"trigger": "", "jobs": [LOAD]}, "trigger", ["''"]),
    ],
)
async def test_a_workflow_is_made_of_nodes_or_of_a_trigger_and_jobs(api, given, field, words):
    await refused(api, api.workflows.create("abc", **given), field, *words)


@pytest.mark.parametrize("member", ["nrn", "script_path", "log_path"])
async def test_a_setting_that_is_neither_stored_nor_given_is_refused_by_name(api, member):
    wire_name = {"nrn": "nrn", "script_path": "scriptPath", "log_path": "logPath"}[member]
    stored = {"nrn": "n", "script_path": "s", "log_path": "l"} | {member: None}
    half = Job("H", name="half", job_condition=JobSettings(**stored))
    call = api.workflows.create("abc", trigger=TRIGGER, jobs=[LOAD, half])
    await refused(api, call, f"jobs[1].condition.{member}", "'half'", "none stored")
    filled = WorkflowJob(half, condition=JobCondition(**{member: "x"}))
    await api.workflows.create("abc", trigger=TRIGGER, jobs=[filled])
    assert api.body["nodes"][1]["jobCondition"][wire_name] == "x"


def test_a_job_without_any_settings_is_refused():
    with pytest.raises(
        InvalidRequest, match=r"jobs\[0\]\.condition\.nrn must be given, because job 'J' has none"
    ):
        nodes_of(TRIGGER, plan([Job("J")]), {})


IDS = "ABCDE"


@settings(max_examples=example_count(25, 1000))
@given(
    st.lists(
        st.tuples(st.sampled_from(IDS), st.lists(st.sampled_from(IDS), max_size=3)), min_size=1, max_size=5
    )
)
async def test_jobs_are_refused_or_make_a_workflow_of_the_contract(shape):
    api = Api()
    names = {id_: id_.lower() * 3 for id_ in IDS}
    jobs = [WorkflowJob(job(id_, names[id_]), after=[names[it] for it in after]) for id_, after in shape]
    call = api.workflows.create("abc", trigger=TRIGGER, jobs=jobs)
    if not is_workflow(shape):
        with pytest.raises(InvalidRequest, match=r"^jobs(\[\d\](\.after)?)? must be "):
            await call
        assert api.sent == []
    else:
        await call
        contract.validate_request("createWorkflow", api.body)
        parents = {node["id"]: node["parentNodeIds"] for node in api.body["nodes"]}
        assert parents == {"t": []} | {id_: [*dict.fromkeys(after)] or ["t"] for id_, after in shape}


def is_workflow(shape):
    """Whether each job is there once and can start, as those before it can."""
    started = set()
    for _ in shape:
        started |= {id_ for id_, after in shape if {*after} <= started}
    return len({id_ for id_, _ in shape}) == len(shape) == len(started)
