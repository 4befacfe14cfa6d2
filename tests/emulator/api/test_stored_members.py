"""Requests are open objects, answers are typed: no member that a request may carry makes an answer break the contract."""

import copy

import pytest

from tests.support import contract

JUNK = ([5], 5, {"odd": 5}, None, True, "text")


SHOWN = ("Job", "JobSettings", "JobNodeInfo", "WorkflowNodeInfo", "TriggerRuleInfo")
"""Schemas of what is shown as it was stored."""
NAMES = {name for it in SHOWN for name in contract.document()["components"]["schemas"][it]["properties"]}


def objects(value):
    """Every object inside a JSON value."""
    if isinstance(value, dict):
        yield value
        value = list(value.values())
    for inner in value if isinstance(value, list) else []:
        yield from objects(inner)


def overloaded(operation_id, body, junk):
    """The body with every member that the contract lets a request add, each of them junk."""
    body = copy.deepcopy(body)
    for place in list(objects(body)):
        added = NAMES - place.keys()
        place.update(dict.fromkeys(added, junk))
        if not contract.accepts(operation_id, body):
            for name in added:
                del place[name]
            for name in added:
                place[name] = junk
                if not contract.accepts(operation_id, body):
                    del place[name]
    return body


@pytest.mark.parametrize("junk", JUNK, ids=repr)
async def test_answers_about_jobs_fit_the_contract_whatever_was_sent_beside(api, clock, junk):
    """`api` holds every answer against the contract."""
    for example in contract.request_examples("createJob").values():
        job = (await api.ok("createJob", body=overloaded("createJob", example, junk)))["jobId"]
        for operation_id in ("updateJob", "updateJobExecuteConfig"):
            for changes in contract.request_examples(operation_id).values():
                await api.ok(operation_id, job, body=overloaded(operation_id, changes, junk))
        await api.ok("getJobById", job)
        for settings in contract.request_examples("executeJob").values():
            await clock.push(60)
            run = await api.ok("executeJob", job, body=overloaded("executeJob", settings, junk))
            await api.ok("getJobExecutionById", job, run["jobExecutionId"])
    await api.ok("getJobs")


@pytest.mark.parametrize("junk", JUNK, ids=repr)
async def test_answers_about_workflows_and_triggers_fit_the_contract_whatever_was_sent_beside(
    api, clock, junk
):
    job = await api.job()
    for example in contract.request_examples("createTrigger").values():
        await api.ok("createTrigger", body=overloaded("createTrigger", example, junk))
    trigger = await api.trigger()
    for example in contract.request_examples("createWorkflow").values():
        body = overloaded("createWorkflow", example, junk)
        for node in body["nodes"]:
            node["id"] = trigger if node["type"] == "TRIGGER" else job
            node["parentNodeIds"] = [] if node["type"] == "TRIGGER" else [trigger]
        workflow = (await api.ok("createWorkflow", body=body))["workflowId"]
        await api.ok("updateWorkflow", workflow, body=body)
        await api.ok("executeWorkflow", workflow)
        await clock.push(60)
        await api.ok("getWorkflowExecutions", workflow)
    for operation_id in ("getWorkflows", "getTriggers"):
        await api.ok(operation_id)


async def test_a_member_that_the_service_writes_is_left_out_and_others_are_kept_where_they_fit(api):
    condition = {"consoleLogPath": "x", "workerType": "DEFAULT", "later": [1]}
    job = await api.job(jobCondition=condition)
    assert (await api.ok("getJobById", job))["jobCondition"] == {
        "numWorker": 2,
        "timeout": 360,
        "workerType": "DEFAULT",
        "later": [1],
    }
    await api.ok("updateJobExecuteConfig", job, body={"jobCondition": {"workerType": 5, "later": None}})
    stored = (await api.ok("getJobById", job))["jobCondition"]
    assert (stored["workerType"], stored["later"]) == ("DEFAULT", None)
