"""The operator that runs one workflow, in Dags that run in this process."""

import asyncio
import os
import signal

import pytest
from airflow.sdk.exceptions import AirflowException, AirflowFailException
from airflow.sdk.execution_time.context import NEVER_EXPIRE

from dataflow_async import defaults
from dataflow_async.airflow import DataFlowRunWorkflowOperator
from dataflow_async.airflow.events import RunEvent, RunReport
from dataflow_async.airflow.workflow_launching import StartRecord, WorkflowLauncher
from dataflow_async.emulator import verify_history
from tests.airflow.dags import AT_ONCE, DagRuns, context_of, dies
from tests.airflow.deployment.processes import until
from tests.airflow.operators.test_base import BOUNDED, LAUNCHING, beside, during, set_state, until_polled
from tests.support.task_states import MemoryTaskState
from tests.workflows.test_runner_emulator import SHAPES, made

pytestmark = pytest.mark.filterwarnings("ignore")
WAYS = pytest.mark.parametrize("deferrable", [True, False])


@pytest.fixture
def workflow(server):
    """A workflow of three jobs, one after the other: its id, and the ids of its jobs by name."""

    async def make():
        async with server.client() as flow:
            return await made(flow, SHAPES["job after job"])

    return asyncio.run(make())


def dag_of(workflow, **arguments):
    return DagRuns(
        lambda: DataFlowRunWorkflowOperator(
            task_id="run", workflow_id=workflow[0], visibility_delay=1.0, **AT_ONCE, **arguments
        )
    )


def statuses(server, workflow):
    """How the runs of the jobs have ended, job by job."""
    assert verify_history(server.history) == []
    runs = list(server.state.executions.values())
    return [
        [server.status(run.execution_id) for run in runs if run.job_id == job] for job in workflow[1].values()
    ]


@WAYS
def test_all_jobs_end_well_and_their_outcomes_are_the_xcom(server, workflow, deferrable):
    dag = dag_of(workflow, deferrable=deferrable)
    assert dag.test() == "success"
    assert statuses(server, workflow) == [["COMPLETED"]] * 3
    (outcome,) = dag.xcoms("run")
    assert outcome["workflow_id"] == workflow[0]
    assert [run["job_id"] for run in outcome["runs"]] == list(workflow[1].values())
    assert {run["status"] for run in outcome["runs"]} == {"COMPLETED"}


@WAYS
def test_after_a_job_that_failed_the_retry_starts_the_workflow_again(server, workflow, deferrable):
    server.script(workflow[1]["b"], ["FAILED", "COMPLETED"])
    dag = dag_of(workflow, deferrable=deferrable, retries=1)
    assert dag.test() == "success"
    assert statuses(server, workflow) == [["COMPLETED"] * 2, ["FAILED", "COMPLETED"], ["COMPLETED"]]


def test_a_clear_after_success_starts_it_again(server, workflow):
    dag = dag_of(workflow)
    assert dag.test() == "success"
    assert dag.clear("run") == "success"
    assert statuses(server, workflow) == [["COMPLETED"] * 2] * 3


def test_a_task_that_does_not_wait_names_the_start(server, workflow):
    dag = dag_of(workflow, wait_for_completion=False)
    assert dag.test() == "success"
    (outcome,) = dag.xcoms("run")
    assert outcome["workflow_id"] == workflow[0]
    assert outcome["trigger_id"]


@WAYS
@pytest.mark.parametrize("step", [1, 2])
@pytest.mark.parametrize("after", [False, True])
def test_a_try_that_dies_at_any_step_of_its_start_loses_and_doubles_nothing(
    server, workflow, monkeypatch, deferrable, step, after
):
    """Step 1 is the record of the intent, step 2 that of the answer."""
    dies(monkeypatch, StartRecord, "write", after=after, at=step)
    dag = dag_of(workflow, deferrable=deferrable, retries=1)
    happened = (step, after) != (1, True)  # recorded and not sent: nothing proves that it was not
    assert dag.test() == ("success" if happened else "failed")
    assert statuses(server, workflow) == [["COMPLETED"] if happened else []] * 3


def test_a_finding_that_it_was_not_started_starts_it(server, workflow, monkeypatch):
    dies(monkeypatch, StartRecord, "write", after=True)
    dag = dag_of(workflow, retries=1)
    assert dag.test() == "failed"
    monkeypatch.setattr(StartRecord, "finding", lambda _: asyncio.sleep(0, "not started"))
    assert dag.clear("run") == "success"
    assert statuses(server, workflow) == [["COMPLETED"]] * 3


def test_a_start_that_a_person_has_found_is_reported_though_the_task_is_cleared(
    server, workflow, monkeypatch
):
    dies(monkeypatch, StartRecord, "write", at=2)
    dag = dag_of(workflow)
    assert dag.test() == "failed"
    until(lambda: statuses(server, workflow) == [["COMPLETED"]] * 3, "the lost start has ended", 30)
    monkeypatch.setattr(StartRecord, "finding", lambda _: asyncio.sleep(0, "started"))
    assert dag.clear("run") == "success"
    assert statuses(server, workflow) == [["COMPLETED"]] * 3


def test_a_lost_answer_is_found_out_within_the_same_try(server, workflow):
    server.faults.add("reset", operation="executeWorkflow", when="after", count=1)
    assert dag_of(workflow).test() == "success"
    assert statuses(server, workflow) == [["COMPLETED"]] * 3


def test_an_event_that_can_not_be_read_is_replaced_by_the_runs_themselves(server, workflow, monkeypatch):
    whole = DataFlowRunWorkflowOperator.execute_complete
    monkeypatch.setattr(
        DataFlowRunWorkflowOperator,
        "execute_complete",
        lambda self, context, event=None: whole(self, context, {}),
    )
    assert dag_of(workflow).test() == "success"
    assert statuses(server, workflow) == [["COMPLETED"]] * 3


@WAYS
def test_a_time_out_is_kept_and_the_retry_starts_the_workflow_again(server, workflow, deferrable):
    server.script(workflow[1]["a"], [("COMPLETED", 3600), "COMPLETED"])
    dag = dag_of(workflow, deferrable=deferrable, timeout=1.0, retries=1)
    dag.test()
    assert statuses(server, workflow)[0][0] == "CANCELED"
    assert len(statuses(server, workflow)[0]) == 2


@pytest.mark.parametrize("durable", [True, False])
def test_a_start_that_takes_too_long_ends_its_try(server, workflow, monkeypatch, durable):
    monkeypatch.setattr(defaults, "TASK_LAUNCH_TIMEOUT", 0.0)
    task = DataFlowRunWorkflowOperator(task_id="run", workflow_id=workflow[0], durable=durable)
    with pytest.raises(AirflowException, match="no run is known after 0 s") as late:
        task.execute(context_of(task, task_state_store=MemoryTaskState()))
    assert isinstance(late.value, AirflowFailException) is not durable


def test_a_start_is_recorded_for_good(server, workflow):
    state = MemoryTaskState()
    task = DataFlowRunWorkflowOperator(task_id="run", workflow_id=workflow[0], wait_for_completion=False)
    assert task.execute(context_of(task, task_state_store=state))["workflow_id"] == workflow[0]
    assert set(map(id, state.retentions)) == {id(NEVER_EXPIRE)}  # Airflow looks which object it is


def test_without_a_record_the_outcome_names_the_workflow_too(server, workflow):
    task = DataFlowRunWorkflowOperator(task_id="run", workflow_id=workflow[0], durable=False)
    event = RunEvent((RunReport("job", "run", "COMPLETED"),), "terminal").to_event()
    outcome = task.execute_complete(context_of(task), event)
    assert (outcome["workflow_id"], outcome["trigger_id"]) == (workflow[0], None)


@pytest.mark.parametrize(("state", "end"), [("failed", "CANCELED"), ("restarting", "RUNNING")])
def test_a_signal_in_a_worker_cancels_the_runs_only_after_a_mark(server, workflow, state, end):
    server.script(workflow[1]["a"], [("COMPLETED", 3600)])
    dag = dag_of(workflow, deferrable=False)
    seen = []

    def marked():
        until(lambda: statuses(server, workflow)[0], "a run goes on", 60)
        until_polled(server)
        set_state(dag, state)
        os.kill(os.getpid(), signal.SIGTERM)
        if end == "CANCELED":  # nothing is polled any more
            until(lambda: statuses(server, workflow)[0] == [end], "it is cancelled", 30)
        else:
            until_polled(server, times=3)
        seen.extend(statuses(server, workflow)[0])
        for run in list(server.state.executions):
            server.cancel(run) if server.status(run) == "RUNNING" else None

    with beside(marked):
        dag.test()
    assert seen == [end]


@LAUNCHING
def test_a_mark_while_a_deferrable_task_starts_it_cancels_its_runs(server, workflow, monkeypatch, state, end):
    server.script(workflow[1]["a"], [("COMPLETED", 3600 if end == "CANCELED" else 0.1)])
    dag = dag_of(workflow, **BOUNDED)
    with during(monkeypatch, WorkflowLauncher, "start", lambda: set_state(dag, state)):
        assert dag.test() == ("failed" if end == "CANCELED" else "success")
    assert statuses(server, workflow)[0] == [end]


def test_without_a_state_durable_is_refused(server, workflow):
    task = DataFlowRunWorkflowOperator(task_id="run", workflow_id=workflow[0])
    with pytest.raises(AirflowFailException, match="durable must be False here"):
        task.execute(context_of(task))
    assert statuses(server, workflow) == [[]] * 3
