"""The operator that runs one job, in Dags that run in this process."""

import asyncio
import time
from datetime import timedelta

import pytest
from airflow.sdk.exceptions import AirflowException, AirflowFailException
from airflow.sdk.execution_time.context import NEVER_EXPIRE
from structlog.testing import capture_logs

from dataflow_async import defaults
from dataflow_async.airflow import DataFlowRunJobOperator
from dataflow_async.airflow.events import RunError, RunEvent, RunReport
from dataflow_async.airflow.hook import DataFlowHook
from dataflow_async.airflow.operators.base import launched_in_time
from dataflow_async.airflow.task_state import TaskStateLaunchStore
from dataflow_async.emulator import verify_history
from dataflow_async.models.nodes.columns import Field
from dataflow_async.models.nodes.sources import SourceObsNode
from dataflow_async.models.nodes.targets import TargetObsNode
from tests.airflow.dags import AT_ONCE, DagRuns, Death, context_of, dies
from tests.support.task_states import MemoryTaskState

pytestmark = pytest.mark.filterwarnings("ignore")
WAYS = pytest.mark.parametrize("deferrable", [True, False])
LONG = ("COMPLETED", 3600)


def dag_of(job_id, **arguments):
    """A Dag with one task, ``run``."""
    return DagRuns(lambda: DataFlowRunJobOperator(task_id="run", job_id=job_id, **AT_ONCE, **arguments))


def runs_of(server, job_id):
    """The runs of a job, in the order of their launches; nothing in the history may contradict the rules."""
    assert verify_history(server.history) == []
    return [run for run in server.state.executions.values() if run.job_id == job_id]


def statuses(server, job_id):
    return [server.status(run.execution_id) for run in runs_of(server, job_id)]


# --- the outcome -------------------------------------------------------------------------------------------


@WAYS
def test_a_run_ends_well_and_its_outcome_is_the_xcom(server, job_id, deferrable):
    dag = dag_of(job_id, parameters={"day": "1"}, deferrable=deferrable)
    assert dag.test() == "success"
    (run,) = runs_of(server, job_id)
    assert run.parameters == {"day": "1"}
    (outcome,) = dag.xcoms("run")
    assert outcome.keys() == {
        *("job_id", "execution_id", "status", "running_minutes", "log_path", "job_name"),
        *("created", "started", "ended"),
    }
    assert (outcome["job_id"], outcome["execution_id"]) == (job_id, run.execution_id)
    assert (outcome["status"], outcome["job_name"]) == ("COMPLETED", "stock_import")


def test_the_path_of_the_log_is_read_where_a_list_has_shown_the_end(server, job_id):
    run = server.launch(job_id)
    server.finish(run)
    task = DataFlowRunJobOperator(task_id="run", job_id=job_id, durable=False)
    event = RunEvent((RunReport(job_id, run, "COMPLETED"),), "terminal").to_event()
    outcome = task.execute_complete(context_of(task), event)
    assert outcome["log_path"] == run
    assert task.shown_run.log_path == run


def test_an_outcome_is_reported_though_the_path_of_the_log_can_not_be_read(server, job_id):
    run = server.launch(job_id)
    server.finish(run)
    server.faults.add("empty-body", operation="getJobExecutionById")
    task = DataFlowRunJobOperator(task_id="run", job_id=job_id, durable=False)
    event = RunEvent((RunReport(job_id, run, "COMPLETED"),), "terminal").to_event()
    outcome = task.execute_complete(context_of(task), event)
    assert (outcome["status"], outcome["log_path"]) == ("COMPLETED", None)


def test_a_job_is_found_by_its_name_and_names_and_parameters_are_templates(server):
    name = f"orders_{len(server.state.jobs)}"
    job_id = server.create_job(name)
    dag = DagRuns(
        lambda: DataFlowRunJobOperator(
            task_id="run",
            job_name=name[:7] + "{{ params.number }}",
            parameters={"task": "{{ ti.task_id }}"},
            params={"number": name[7:]},
        )
    )
    assert dag.test() == "success"
    assert [run.parameters for run in runs_of(server, job_id)] == [{"task": "run"}]


def test_a_task_that_does_not_wait_returns_the_run_that_goes_on(server, job_id):
    server.script(job_id, [LONG])
    dag = dag_of(job_id, wait_for_completion=False)
    assert dag.test() == "success"
    (outcome,) = dag.xcoms("run")
    assert outcome["status"] in ("READY", "RUNNING")


def test_mapped_tasks_launch_one_run_each_under_keys_of_their_own(server, job_id):
    days = [{"day": str(day)} for day in range(4)]
    dag = DagRuns(
        lambda: DataFlowRunJobOperator.partial(
            task_id="run", job_id=job_id, correlation_parameter="airflow_key"
        ).expand(parameters=days)
    )
    assert dag.test() == "success"
    runs = runs_of(server, job_id)
    assert sorted(run.parameters["day"] for run in runs) == ["0", "1", "2", "3"]
    assert len({run.parameters["airflow_key"] for run in runs}) == 4
    assert {outcome["execution_id"] for outcome in dag.xcoms("run")} == {run.execution_id for run in runs}


@WAYS
def test_a_run_that_failed_fails_the_try_and_the_retry_launches_another_one(server, job_id, deferrable):
    server.script(job_id, ["FAILED", "COMPLETED"])
    dag = dag_of(job_id, retries=1, deferrable=deferrable)
    assert dag.test() == "success"
    assert statuses(server, job_id) == ["FAILED", "COMPLETED"]
    (outcome,) = dag.xcoms("run")
    assert outcome["execution_id"] == runs_of(server, job_id)[1].execution_id


def test_without_retries_a_run_that_failed_fails_the_task(server, job_id):
    server.script(job_id, ["FAILED"])
    assert dag_of(job_id).test() == "failed"
    assert statuses(server, job_id) == ["FAILED"]


def test_a_clear_after_success_launches_another_run(server, job_id):
    dag = dag_of(job_id)
    assert dag.test() == "success"
    assert dag.clear("run") == "success"
    assert statuses(server, job_id) == ["COMPLETED", "COMPLETED"]
    assert [outcome["execution_id"] for outcome in dag.xcoms("run")] == [
        runs_of(server, job_id)[1].execution_id
    ]


def test_its_lineage_is_that_of_the_nodes_of_its_job(server):
    pytest.importorskip("openlineage")
    columns = [Field("id", "bigint")]

    async def create(flow):
        return await flow.jobs.create(
            "with_nodes",
            nodes=[
                SourceObsNode(1, "read", [], "1", "lake", "raw", "CSV", columns),
                TargetObsNode(2, "write", [1], "1", "lake", "clean", "CSV", columns),
            ],
        )

    job_id = DataFlowHook().run(create).job_id
    task = DataFlowRunJobOperator(task_id="run", job_id=job_id)
    assert task.get_openlineage_facets_on_complete(None).inputs == []
    task.shown_run = RunReport(job_id, "run")
    found = task.get_openlineage_facets_on_complete(None)
    assert [(data.namespace, data.name) for data in found.inputs] == [("s3://lake", "raw")]
    assert [(data.namespace, data.name) for data in found.outputs] == [("s3://lake", "clean")]
    assert found.run_facets["externalQuery"].source == server.url


# --- each step at which a try may die ------------------------------------------------------------------------


STEPS = [("intend", False), ("intend", True), ("accepted", False), ("accepted", True)]


@WAYS
@pytest.mark.parametrize(("method", "after"), STEPS)
def test_a_try_that_dies_at_any_step_of_its_launch_loses_and_doubles_nothing(
    server, job_id, monkeypatch, deferrable, method, after
):
    dies(monkeypatch, TaskStateLaunchStore, method, after=after)
    dag = dag_of(
        job_id,
        retries=1,
        deferrable=deferrable,
        correlation_parameter="airflow_key",
        visibility_delay=0.0,
    )
    assert dag.test() == "success"
    assert statuses(server, job_id) == ["COMPLETED"]


@pytest.mark.parametrize("event", ["conclude", "defer"])
def test_a_try_that_dies_around_its_deferral_leaves_the_run_to_the_next_one(
    server, job_id, monkeypatch, event
):
    deaths = []
    method = {"conclude": "execute_complete", "defer": "wait_deferred"}[event]
    whole = getattr(DataFlowRunJobOperator, method)

    def dying(self, *arguments, **more):
        if deaths:
            return whole(self, *arguments, **more)
        deaths.append(1)
        raise Death(method)

    monkeypatch.setattr(DataFlowRunJobOperator, method, dying)
    dag = dag_of(job_id, retries=1)
    assert dag.test() == "success"
    assert statuses(server, job_id) == ["COMPLETED"]


@pytest.mark.parametrize(("when", "runs"), [("before", 1), ("after", 1)])
def test_a_lost_answer_loses_and_doubles_nothing(server, job_id, when, runs):
    server.faults.add("reset", operation="executeJob", when=when, count=1)
    dag = dag_of(job_id, correlation_parameter="airflow_key", visibility_delay=0.0)
    assert dag.test() == "success"
    assert statuses(server, job_id) == ["COMPLETED"] * runs


def test_while_it_is_uncertain_whether_a_launch_has_started_no_other_one_starts(server, job_id, monkeypatch):
    logged = []
    monkeypatch.setattr(DataFlowRunJobOperator, "on_failure_callback", logged.append, raising=False)
    server.launch(job_id)
    server.faults.add("reset", operation="executeJob", when="after", count=1)
    dag = dag_of(job_id, visibility_delay=0.0, retries=1)
    assert dag.test() == "failed"
    assert len(runs_of(server, job_id)) == 2


def test_relaunching_while_uncertain_is_the_users_word(server, job_id):
    server.launch(job_id)
    server.faults.add("reset", operation="executeJob", when="after", count=1)
    dag = dag_of(job_id, visibility_delay=0.0, on_uncertain="relaunch")
    assert dag.test() == "success"
    assert len([run for run in server.state.executions.values() if run.job_id == job_id]) == 3


# --- events and time-outs --------------------------------------------------------------------------------------


@pytest.mark.parametrize("event", [{"version": 99}, {}, None, {"version": 1, "runs": 5}])
def test_an_event_that_can_not_be_read_is_replaced_by_the_run_itself(server, job_id, monkeypatch, event):
    whole, seen = DataFlowRunJobOperator.execute_complete, []

    def replaced(self, context, given=None, **more):
        seen.append(more.get("event", given))
        return whole(self, context, event if len(seen) == 1 else seen[-1])

    monkeypatch.setattr(DataFlowRunJobOperator, "execute_complete", replaced)
    dag = dag_of(job_id)
    assert dag.test() == "success"
    assert statuses(server, job_id) == ["COMPLETED"]
    assert dag.xcoms("run")[0]["status"] == "COMPLETED"


@WAYS
@pytest.mark.parametrize("by", ["timeout", "execution_timeout"])
def test_a_time_out_is_kept_and_the_run_is_cancelled(server, job_id, deferrable, by):
    server.script(job_id, [LONG])
    dag = dag_of(job_id, deferrable=deferrable, **{by: timedelta(seconds=1)})
    assert dag.test() == "failed"
    assert statuses(server, job_id) == ["CANCELED"]


def test_after_a_time_out_the_retry_launches_another_run(server, job_id):
    server.script(job_id, [LONG, "COMPLETED"])
    dag = dag_of(job_id, timeout=1, retries=1)
    assert dag.test() == "success"
    assert statuses(server, job_id) == ["CANCELED", "COMPLETED"]


def test_a_time_out_that_cancels_nothing_leaves_the_run_to_the_retry(server, job_id):
    server.script(job_id, [("COMPLETED", 2.5)])
    dag = dag_of(job_id, timeout=1.0, cancel_on_timeout=False, retries=5)
    assert dag.test() == "success"
    assert statuses(server, job_id) == ["COMPLETED"]


# --- arguments ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ({"job_id": None}, "job_id must be given, or job_name, and not both"),
        ({"job_name": "x"}, "job_id must be given, or job_name, and not both"),
        ({"on_uncertain": "guess"}, "on_uncertain must be 'fail' or 'relaunch', got 'guess'"),
        ({"cancel_on_kill": {1}}, "cancel_on_kill must be str, int, float, bool or None"),
        ({"timeout": float("nan")}, "timeout must be a time or a number of seconds above 0, got nan"),
        ({"timeout": -1}, "timeout must be a time or a number of seconds above 0, got -1"),
        ({"timeout": "1 h"}, "timeout must be a time or a number of seconds above 0, got '1 h'"),
        ({"timeout": float("inf")}, "deadline must be a finite number"),
    ],
)
def test_arguments_that_can_not_work_are_refused_before_anything_is_sent(server, job_id, arguments, why):
    requests = len(server.history)
    task = DataFlowRunJobOperator(task_id="run", **({"job_id": job_id, "durable": False} | arguments))
    with pytest.raises(AirflowFailException, match=why):
        task.execute(context_of(task))
    assert len(server.history) == requests


def test_without_a_state_and_without_correlation_durable_is_refused(server, job_id):
    task = DataFlowRunJobOperator(task_id="run", job_id=job_id)
    with pytest.raises(AirflowFailException, match="durable must be False here"):
        task.execute(context_of(task))
    assert runs_of(server, job_id) == []


def test_without_a_state_a_retry_takes_up_the_run_by_its_key(server, job_id, monkeypatch, caplog):
    whole = DataFlowRunJobOperator.execute

    def stateless(self, context):
        del context["task_state_store"]
        outcome = whole(self, context)
        if context["ti"].try_number == 1:
            raise Death("after its run has completed")
        return outcome

    monkeypatch.setattr(DataFlowRunJobOperator, "execute", stateless)
    dag = dag_of(
        job_id, correlation_parameter="airflow_key", deferrable=False, retries=1, visibility_delay=0.0
    )
    assert dag.test() == "success"
    assert statuses(server, job_id) == ["COMPLETED"]
    assert "recognized by parameter 'airflow_key' alone" in caplog.text


def test_without_durable_a_lost_answer_is_final(server, job_id):
    server.faults.add("reset", operation="executeJob", when="after", count=1)
    task = DataFlowRunJobOperator(task_id="run", job_id=job_id, durable=False)
    with pytest.raises(AirflowFailException, match="No second one was started"):
        task.execute(context_of(task))
    assert len(runs_of(server, job_id)) == 1


def test_an_unknown_job_is_reported(server):
    task = DataFlowRunJobOperator(task_id="run", job_name="no_such_job", durable=False)
    with pytest.raises(AirflowException, match="job_name must be the name of a job, got 'no_such_job'"):
        task.execute(context_of(task))


def test_an_error_of_a_trigger_that_names_no_run_is_the_reason_of_the_failure():
    task = DataFlowRunJobOperator(task_id="run", job_id="job", durable=False)
    error = RunError("InvalidRequest", "execution_ids must be a list of run ids, got None")
    event = RunEvent((), "error", error).to_event()
    with pytest.raises(AirflowException, match="execution_ids must be a list of run ids, got None"):
        task.execute_complete(context_of(task), event)
    with pytest.raises(AirflowException, match="the event must be about one run, got 0"):
        task.execute_complete(context_of(task), RunEvent((), "terminal").to_event())


def test_an_execution_time_out_counts_from_the_beginning_of_the_try_also_after_a_deferral():
    task = DataFlowRunJobOperator(task_id="run", job_id="job", execution_timeout=timedelta(hours=1))
    context = context_of(task)
    context["ti"].start_date -= timedelta(minutes=50)
    assert task.deadline(context) - time.time() == pytest.approx(600 - defaults.TASK_TIMEOUT_MARGIN, abs=60)


def test_a_launch_is_recorded_for_good_and_its_settings_are_logged(server, job_id):
    server.script(job_id, [LONG])
    state = MemoryTaskState()
    task = DataFlowRunJobOperator(
        task_id="run", job_id=job_id, condition={"numWorker": 3}, wait_for_completion=False
    )
    with capture_logs() as captured:
        task.execute(context_of(task, task_state_store=state))
    assert set(map(id, state.retentions)) == {id(NEVER_EXPIRE)}  # Airflow looks which object it is
    (run,) = runs_of(server, job_id)
    (line,) = [line["event"] % line.get("positional_args", ()) for line in captured]
    assert f"run {run.execution_id} of job stock_import ({job_id}) is RUNNING; it was launched now" in line
    assert "'numWorker': 3" in line


def test_a_launch_that_takes_too_long_ends_its_try(server, job_id, monkeypatch):
    monkeypatch.setattr(defaults, "TASK_LAUNCH_TIMEOUT", 0.0)
    task = DataFlowRunJobOperator(task_id="run", job_id=job_id)
    with pytest.raises(AirflowException, match="no run is known after 0 s; what is known is recorded"):
        task.execute(context_of(task, task_state_store=MemoryTaskState()))


async def test_without_durable_a_launch_that_takes_too_long_is_final(monkeypatch):
    monkeypatch.setattr(defaults, "TASK_LAUNCH_TIMEOUT", 0.0)
    for durable, kind in ((True, AirflowException), (False, AirflowFailException)):
        with pytest.raises(AirflowException) as late:
            await launched_in_time(asyncio.sleep(3600), durable=durable)
        assert type(late.value) is kind
