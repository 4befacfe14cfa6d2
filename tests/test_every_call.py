"""Every call of the contract, by the client, over real HTTP, against the emulator."""

import pytest

from dataflow_async import (
    ExecutionInterval,
    ExecutionResult,
    ExecutionTimes,
    Job,
    JobCondition,
    JobExecution,
    NotFound,
    Page,
    Trigger,
    TriggerRule,
    Workflow,
    WorkflowJobNode,
    WorkflowReceipt,
    WorkflowTriggerNode,
)
from dataflow_async.emulator import Emulator
from tests.support import contract
from tests.support.internals import session_of

CONDITION = JobCondition(
    num_worker=4, timeout=90, nrn="nrn:PUB:IAM::1:Role/1", script_path="s/", log_path="l/"
)
PERIOD = ("2020-01-01T00:00:00", "2099-01-01T00:00:00")


class Listener:
    """Hears every call that goes through a client, and holds its answer against the contract."""

    def __init__(self, flow):
        import json

        self.heard = set()
        send = session_of(flow).send

        async def listening(call, *rest):
            answer = await send(call, *rest)
            if call.operation.name not in contract.operations():
                return answer
            self.heard.add(call.operation.name)
            body = json.loads(answer.body) if answer.body else None
            contract.validate_response(call.operation.name, answer.status, body)
            if call.body is not None:
                contract.validate_request(call.operation.name, json.loads(call.body))
            return answer

        session_of(flow).send = listening


async def test_all_of_them():
    async with Emulator(speed=1000) as server, server.client() as flow:
        listener = Listener(flow)

        trigger = await flow.triggers.create("by_hand", TriggerRule.manual())
        assert isinstance(trigger, Trigger) and trigger.type == "NONE"
        assert await flow.triggers.get(trigger.trigger_id) == trigger
        assert await flow.triggers.find("by_hand") == trigger
        assert await flow.triggers.find("by") is None

        job = await flow.jobs.create(
            "stock_import", type="SCRIPT", condition=CONDITION, max_concurrent_runs=2
        )
        assert isinstance(job, Job) and job.job_condition.num_worker == 4
        assert await flow.jobs.verify("stock_import", []) is True
        job = await flow.jobs.update(job.job_id, name="stock_import_v2")
        assert (job.name, job.type) == ("stock_import_v2", "SCRIPT")
        job = await flow.jobs.update_execution_config(job.job_id, {"numWorker": 3})
        assert job.job_condition.num_worker == 3
        assert (await flow.jobs.get(job.job_id)).max_concurrent_runs == 2
        page = await flow.jobs.page(limit=10)
        assert isinstance(page, Page) and (page.page, page.limit, len(page.items)) == (0, 10, 1)
        assert (await flow.jobs.find("stock_import_v2")).job_id == job.job_id

        run = await flow.jobs.execute(
            job.job_id, parameters={"day": "2026-11-01"}, trigger_id=trigger.trigger_id
        )
        assert isinstance(run, JobExecution) and run.status in {"READY", "RUNNING", "COMPLETED"}
        ended = await flow.wait(run)
        assert ended.parsed_parameters == {"day": "2026-11-01"}
        assert (await flow.jobs.execution(job.job_id, run.job_execution_id)).status == "COMPLETED"
        assert [row.job_execution_id async for row in flow.jobs.executions(job.job_id)] == [
            run.job_execution_id
        ]
        assert (await flow.jobs.executions_page(job.job_id)).count == 1

        nodes = [WorkflowTriggerNode.of(trigger), WorkflowJobNode.of(job, [trigger.trigger_id])]
        workflow = await flow.workflows.create("dawn_rollup", nodes)
        assert isinstance(workflow, Workflow) and len(workflow.nodes) == 2
        workflow = await flow.workflows.update(workflow.workflow_id, "dawn_rollup_v2", nodes)
        assert (await flow.workflows.get(workflow.workflow_id)).name == "dawn_rollup_v2"
        assert [row.workflow_id async for row in flow.workflows.list()] == [workflow.workflow_id]
        receipt = await flow.workflows.execute(workflow.workflow_id, payload={"sentBy": "야간"})
        assert isinstance(receipt, WorkflowReceipt)
        assert (receipt.status, receipt.trigger_id) == ("ACCEPTED", trigger.trigger_id)
        assert len([row async for row in flow.workflows.executions(workflow.workflow_id)]) == 1
        assert (await flow.workflows.executions_page(workflow.workflow_id, filter="none")).items == []

        server.script(job.job_id, [("COMPLETED", 1_000_000)])  # it must not end before it is cancelled
        second = await flow.jobs.execute(job.job_id)
        await flow.jobs.cancel_execution(job.job_id, second.job_execution_id)
        assert (await flow.wait(second, check=False)).status == "CANCELED"

        counts = await flow.dashboard.execution_result(*PERIOD)
        assert isinstance(counts, ExecutionResult) and counts.total_count == 3
        assert isinstance(
            await flow.dashboard.execution_interval("2026-01-01T00:00:00", "2026-01-03T00:00:00"),
            ExecutionInterval,
        )
        assert isinstance(await flow.dashboard.execution_times(*PERIOD), ExecutionTimes)

        await flow.workflows.delete(workflow.workflow_id)
        await flow.triggers.delete(trigger.trigger_id)
        await flow.jobs.delete(job.job_id)
        for get, gone in (
            (flow.jobs.get, job.job_id),
            (flow.workflows.get, workflow.workflow_id),
            (flow.triggers.get, trigger.trigger_id),
        ):
            with pytest.raises(NotFound) as caught:
                await get(gone)
            assert caught.value.source == "service"
        assert await flow.request("GET", "/api/v1/jobs", query={"name": "a b+c/가", "limit": 1}) is not None
    assert listener.heard >= set(contract.operations())


async def test_a_wrong_secret_is_refused_by_the_emulator():
    from dataflow_async import AuthenticationFailed, Credentials, DataFlow

    async with Emulator() as server:
        async with DataFlow(Credentials(server.credentials.access_key, "wrong"), base_url=server.url) as flow:
            with pytest.raises(AuthenticationFailed) as caught:
                await flow.jobs.page()
    assert caught.value.code == "200"
    assert caught.value.request_id


async def test_a_url_that_is_not_published_differs_from_an_id_that_does_not_exist():
    async with Emulator() as server, server.client() as flow:
        with pytest.raises(NotFound) as gateway:
            await flow.request("GET", "/api/v1/nothing")
        with pytest.raises(NotFound) as service:
            await flow.jobs.get("nothing")
    assert (gateway.value.source, gateway.value.code) == ("gateway", "300")
    assert (service.value.source, service.value.code) == ("service", "not-found")
