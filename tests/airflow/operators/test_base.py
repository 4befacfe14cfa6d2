"""Signals, clears and workers that were taken for dead, in Dags that run in this process."""

import os
import signal
import threading
import time
from contextlib import contextmanager

import pytest
from airflow.models.taskinstance import TaskInstance
from airflow.sdk.execution_time.context import TaskStateStoreAccessor
from airflow.utils.session import create_session
from airflow.utils.state import TaskInstanceState

from dataflow_async import defaults
from dataflow_async.airflow import DataFlowRunJobOperator
from dataflow_async.airflow.launching import TaskLauncher
from dataflow_async.emulator import verify_history
from tests.airflow.dags import AT_ONCE, DagRuns

pytestmark = pytest.mark.filterwarnings("ignore")
LONG = ("COMPLETED", 3600)


def dag_of(job_id, **arguments):
    return DagRuns(lambda: DataFlowRunJobOperator(task_id="run", job_id=job_id, **AT_ONCE, **arguments))


def runs_of(server, job_id):
    assert verify_history(server.history) == []
    return [run.execution_id for run in server.state.executions.values() if run.job_id == job_id]


def statuses(server, job_id):
    return [server.status(run) for run in runs_of(server, job_id)]


@contextmanager
def beside(action):
    """Run an action beside the main thread, and raise what it raises."""
    problems = []

    def guarded():
        try:
            action()
        except BaseException as problem:
            problems.append(problem)

    thread = threading.Thread(target=guarded)
    thread.start()
    yield
    thread.join()
    assert problems == []


def until(condition):
    """Wait until something holds; a test that never comes to it fails."""
    for _ in range(3000):
        if condition():
            return
        time.sleep(0.05)  # a look reads the whole history
    raise AssertionError("it did not come about")


def polls(server):
    """How often runs were polled so far."""
    return sum(
        getattr(event, "operation", None) in {"getJobExecutionById", "getJobExecutions"}
        for event in tuple(server.history)
    )


def until_polled(server, times=1):
    """Wait until runs were polled so many times from now on."""
    before = polls(server)
    until(lambda: polls(server) >= before + times)


def set_state(dag, state):
    """Change the state of the task as a person does."""
    with create_session() as session:
        ti = session.query(TaskInstance).filter_by(dag_id=dag.dag_id, task_id="run").one()
        ti.state = state


# --- signals, while the task waits in its worker ---------------------------------------------------------------


def test_a_signal_while_the_task_is_to_run_cancels_nothing(server, job_id):
    """As a graceful stop of the supervisor sends it, or an outage of the API server."""
    server.script(job_id, [LONG])
    dag = dag_of(job_id, deferrable=False)

    def stopped():
        until(lambda: runs_of(server, job_id))
        until_polled(server)
        os.kill(os.getpid(), signal.SIGTERM)
        until_polled(server, times=3)
        assert statuses(server, job_id) == ["RUNNING"]
        server.finish(runs_of(server, job_id)[0])

    with beside(stopped):
        assert dag.test() == "success"
    assert statuses(server, job_id) == ["COMPLETED"]


@pytest.mark.parametrize(
    ("state", "end"),
    [
        (TaskInstanceState.FAILED, "CANCELED"),
        (TaskInstanceState.SUCCESS, "CANCELED"),
        (TaskInstanceState.RESTARTING, "RUNNING"),
    ],
)
def test_a_signal_after_a_person_has_ended_the_task_cancels_its_run(server, job_id, state, end):
    """A clear, which leaves the state restarting, leaves the run to the next try."""
    server.script(job_id, [LONG])
    dag = dag_of(job_id, deferrable=False)
    seen = []

    def marked():
        until(lambda: runs_of(server, job_id))
        until_polled(server)
        set_state(dag, state)
        os.kill(os.getpid(), signal.SIGTERM)
        if end == "RUNNING":
            until_polled(server, times=3)
        else:
            until(lambda: statuses(server, job_id) == [end])
        seen.extend(statuses(server, job_id))
        server.finish(runs_of(server, job_id)[0])

    with beside(marked):
        dag.test()
    assert seen == [end]


@contextmanager
def during(monkeypatch, owner, method, action):
    """Do something while the first call of a method goes on, once it has done its work."""
    whole, calls = getattr(owner, method), []

    async def interrupted(*arguments, **more):
        found = await whole(*arguments, **more)
        if not calls:
            calls.append(method)
            action()
        return found

    monkeypatch.setattr(owner, method, interrupted)
    yield
    assert calls


BOUNDED = {"timeout": 20.0, "cancel_on_timeout": False}
"""A wait for a run that goes on though it should not ends by itself."""
LAUNCHING = pytest.mark.parametrize(
    ("state", "end"), [(TaskInstanceState.FAILED, "CANCELED"), (TaskInstanceState.RUNNING, "COMPLETED")]
)
"""What becomes of a task while it launches, and how the run ends."""


@LAUNCHING
def test_a_mark_while_a_deferrable_task_launches_cancels_its_run(server, job_id, monkeypatch, state, end):
    server.script(job_id, [("COMPLETED", 3600 if end == "CANCELED" else 0.1)])
    dag = dag_of(job_id, **BOUNDED)
    with during(monkeypatch, TaskLauncher, "start", lambda: set_state(dag, state)):
        assert dag.test() == ("failed" if end == "CANCELED" else "success")
    assert statuses(server, job_id) == [end]


@pytest.mark.parametrize(
    ("state", "failures"),
    [(TaskInstanceState.FAILED, 1), (TaskInstanceState.SUCCESS, 0), (TaskInstanceState.SKIPPED, 0)],
)
def test_a_mark_as_success_while_a_task_launches_is_no_failure(server, job_id, monkeypatch, state, failures):
    server.script(job_id, [LONG])
    failed = []
    dag = dag_of(job_id, on_failure_callback=failed.append, **BOUNDED)
    with during(monkeypatch, TaskLauncher, "start", lambda: set_state(dag, state)):
        dag.test()
    assert statuses(server, job_id) == ["CANCELED"]
    assert len(failed) == failures


def test_a_mark_while_a_task_launches_that_does_not_wait_cancels_nothing(server, job_id, monkeypatch):
    server.script(job_id, [LONG])
    dag = dag_of(job_id, wait_for_completion=False)
    with during(monkeypatch, TaskLauncher, "start", lambda: set_state(dag, TaskInstanceState.FAILED)):
        dag.test()
    assert statuses(server, job_id) == ["RUNNING"]


def test_without_cancel_on_kill_a_run_outlives_its_task(server, job_id):
    server.script(job_id, [LONG])
    dag = dag_of(job_id, deferrable=False, cancel_on_kill=False)

    def marked():
        until(lambda: runs_of(server, job_id))
        until_polled(server)
        set_state(dag, TaskInstanceState.FAILED)
        os.kill(os.getpid(), signal.SIGTERM)
        until_polled(server, times=3)
        assert statuses(server, job_id) == ["RUNNING"]
        server.finish(runs_of(server, job_id)[0])

    with beside(marked):
        dag.test()


def test_to_cancel_takes_no_longer_than_airflow_lets_a_process_live():
    assert defaults.TASK_KILL_TIMEOUT < 5.0


def test_a_launch_is_over_well_before_airflow_takes_a_worker_for_dead():
    from airflow.sdk.configuration import conf

    heartbeat = conf.getint("scheduler", "task_instance_heartbeat_timeout")
    one_call = defaults.TOTAL_TIMEOUT + defaults.ATTEMPT_TIMEOUT
    assert defaults.TASK_INTENT_AGE + one_call < heartbeat
    assert heartbeat > defaults.TASK_LAUNCH_TIMEOUT


# --- clears ----------------------------------------------------------------------------------------------------


def test_a_clear_takes_up_the_run_that_goes_on(server, job_id):
    server.script(job_id, [LONG])
    dag = dag_of(job_id, wait_for_completion=False)
    assert dag.test() == "success"
    (run,) = runs_of(server, job_id)
    assert dag.clear("run") == "success"
    assert runs_of(server, job_id) == [run]


@pytest.mark.parametrize("deferrable", [True, False])
def test_a_cleared_task_does_not_wait_for_a_run_that_is_being_cancelled(server, job_id, deferrable):
    """The run of the try before is cancelled after the new try has taken it up: the new try launches its own."""
    server.script(job_id, [LONG, "COMPLETED"])
    dag = dag_of(job_id, deferrable=deferrable, timeout=0.5, cancel_on_timeout=False)
    assert dag.test() == "failed"
    (run,) = runs_of(server, job_id)
    dag.dag.task_dict["run"].timeout = None

    def cancelled():
        until_polled(server, times=3)
        server.cancel(run)

    with beside(cancelled):
        assert dag.clear("run") == "success"
    assert statuses(server, job_id) == ["CANCELED", "COMPLETED"]


# --- a worker that was taken for dead ----------------------------------------------------------------------------


def test_a_worker_that_was_taken_for_dead_can_not_record_and_so_not_send(server, job_id, monkeypatch):
    """Its next try has begun: Airflow refuses what it writes under the id of the old one."""
    states = []
    whole = DataFlowRunJobOperator.store_of

    def kept(self, context):
        states.append(context["task_state_store"])
        return whole(self, context)

    monkeypatch.setattr(DataFlowRunJobOperator, "store_of", kept)
    dag = dag_of(job_id)
    assert dag.test() == "success"
    old = states[0]
    assert isinstance(old, TaskStateStoreAccessor)
    refused = []

    def late(self, context):
        if context["ti"].try_number > 1 and not refused:
            try:
                old.set("dataflow_async.launches.0", {"version": 1})
            except Exception as problem:
                refused.append(str(problem))
        return whole(self, context)

    monkeypatch.setattr(DataFlowRunJobOperator, "store_of", late)
    assert dag.clear("run") == "success"
    assert refused
    assert statuses(server, job_id) == ["COMPLETED"] * 2
