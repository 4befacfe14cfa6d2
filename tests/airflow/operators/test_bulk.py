"""The operator that runs many jobs in one task, in Dags that run in this process."""

import asyncio
import time
from datetime import timedelta

import pytest
from airflow.sdk.exceptions import AirflowException, AirflowFailException

from dataflow_async import defaults
from dataflow_async.airflow import DataFlowBulkOperator
from dataflow_async.airflow.bulk_launching import BulkLauncher
from dataflow_async.airflow.events import RunReport
from dataflow_async.airflow.task_state import TaskStateLaunchStore
from dataflow_async.emulator import verify_history
from tests.airflow.dags import AT_ONCE, DagRuns, context_of, dies
from tests.airflow.operators.test_base import BOUNDED, LAUNCHING, during, set_state
from tests.support.task_states import MemoryTaskState

pytestmark = pytest.mark.filterwarnings("ignore")
WAYS = pytest.mark.parametrize("deferrable", [True, False])


def launches_of(job_id, count):
    return [{"job_id": job_id, "parameters": {"day": str(day)}, "key": f"day {day}"} for day in range(count)]


def dag_of(launches, **arguments):
    return DagRuns(lambda: DataFlowBulkOperator(task_id="run", launches=launches, **AT_ONCE, **arguments))


def days(server, job_id):
    """The days that runs were launched for, in order."""
    assert verify_history(server.history, rerun=("FAILED",)) == []
    return [run.parameters["day"] for run in server.state.executions.values() if run.job_id == job_id]


@WAYS
def test_all_runs_end_well_and_their_outcomes_are_the_xcom(server, job_id, deferrable):
    dag = dag_of(launches_of(job_id, 5), deferrable=deferrable)
    assert dag.test() == "success"
    assert sorted(days(server, job_id)) == ["0", "1", "2", "3", "4"]
    (outcomes,) = dag.xcoms("run")
    assert [outcome["key"] for outcome in outcomes] == [f"day {day}" for day in range(5)]
    assert {outcome["status"] for outcome in outcomes} == {"COMPLETED"}
    assert len({outcome["execution_id"] for outcome in outcomes}) == 5
    shown = [RunReport.of(run) for run in asyncio.run(read(server, job_id, outcomes))]
    assert [it["running_minutes"] for it in outcomes] == [run.running_minutes for run in shown]
    assert all(it["log_path"] in {None, run.log_path} for it, run in zip(outcomes, shown, strict=True))


async def read(server, job_id, outcomes):
    async with server.client() as flow:
        return [await flow.jobs.execution(job_id, it["execution_id"]) for it in outcomes]


@WAYS
def test_no_more_runs_are_in_flight_than_may_be(server, job_id, deferrable):
    dag = dag_of(launches_of(job_id, 5), deferrable=deferrable, max_in_flight=2)
    assert dag.test() == "success"
    assert days(server, job_id) == ["0", "1", "2", "3", "4"]
    lives = [run.lifecycle for run in server.state.executions.values() if run.job_id == job_id]
    for one in lives:
        assert sum(it.created_at <= one.created_at < it.ends_at for it in lives) <= 2


@WAYS
def test_a_retry_launches_only_what_did_not_complete(server, job_id, deferrable):
    server.script(job_id, ["COMPLETED", "FAILED", "COMPLETED", "COMPLETED"])
    dag = dag_of(launches_of(job_id, 3), deferrable=deferrable, max_in_flight=1, retries=1)
    assert dag.test() == "success"
    assert days(server, job_id) == ["0", "1", "2", "1"]
    (outcomes,) = dag.xcoms("run")
    assert {outcome["status"] for outcome in outcomes} == {"COMPLETED"}


def test_one_run_that_failed_fails_the_task_after_all_have_ended(server, job_id):
    server.script(job_id, ["FAILED", "COMPLETED", "COMPLETED"])
    assert dag_of(launches_of(job_id, 3), max_in_flight=1).test() == "failed"
    assert days(server, job_id) == ["0", "1", "2"]


def test_a_clear_launches_all_again(server, job_id):
    dag = dag_of(launches_of(job_id, 2), max_in_flight=1)
    assert dag.test() == "success"
    assert dag.clear("run") == "success"
    assert days(server, job_id) == ["0", "1", "0", "1"]


@WAYS
@pytest.mark.parametrize(
    ("method", "after"), [("intend", False), ("intend", True), ("accepted", False), ("accepted", True)]
)
def test_a_try_that_dies_at_any_step_of_a_launch_loses_and_doubles_nothing(
    server, job_id, monkeypatch, deferrable, method, after
):
    dies(monkeypatch, TaskStateLaunchStore, method, after=after)
    dag = dag_of(
        launches_of(job_id, 4),
        retries=1,
        deferrable=deferrable,
        correlation_parameter="airflow_key",
        visibility_delay=0.0,
    )
    expected = ["0", "1", "2", "3"]
    if (
        dag.test() == "failed"
    ):  # the others were sent in the same moment: nothing younger shows that this one was not
        assert (method, after) == ("intend", True)
        expected.remove("0")  # reported as uncertain, for a person to decide
    assert sorted(days(server, job_id)) == expected


@pytest.mark.parametrize("when", ["before", "after"])
def test_lost_answers_lose_and_double_nothing(server, job_id, when):
    server.faults.add("reset", operation="executeJob", when=when, requests=[2, 4])
    dag = dag_of(launches_of(job_id, 5), correlation_parameter="airflow_key", visibility_delay=0.0)
    assert dag.test() == "success"
    assert sorted(days(server, job_id)) == ["0", "1", "2", "3", "4"]


def test_a_launch_that_is_refused_fails_the_task_once_the_others_have_ended(server, job_id):
    launches = [*launches_of(job_id, 2), {"job_id": "no-such-job"}]
    dag = dag_of(launches)
    assert dag.test() == "failed"
    assert sorted(days(server, job_id)) == ["0", "1"]


def test_an_event_that_can_not_be_read_is_replaced_by_the_runs_themselves(server, job_id, monkeypatch):
    whole = DataFlowBulkOperator.execute_complete
    monkeypatch.setattr(
        DataFlowBulkOperator, "execute_complete", lambda self, context, event=None: whole(self, context, {})
    )
    dag = dag_of(launches_of(job_id, 3), max_in_flight=2)
    assert dag.test() == "success"
    assert sorted(days(server, job_id)) == ["0", "1", "2"]


def test_after_a_time_out_the_retry_launches_what_was_cancelled(server, job_id):
    server.script(job_id, ["COMPLETED", ("COMPLETED", 3600), "COMPLETED"])
    dag = dag_of(launches_of(job_id, 2), timeout=1.0, retries=4, max_in_flight=2)
    assert dag.test() == "success"
    assert len(days(server, job_id)) == 3


@LAUNCHING
def test_a_mark_while_a_deferrable_task_launches_cancels_its_runs(server, job_id, monkeypatch, state, end):
    server.script(job_id, [("COMPLETED", 3600 if end == "CANCELED" else 0.1)], repeat=True)
    dag = dag_of(launches_of(job_id, 3), **BOUNDED)
    with during(monkeypatch, BulkLauncher, "next_wave", lambda: set_state(dag, state)):
        assert dag.test() == ("failed" if end == "CANCELED" else "success")
    runs = [run for run in server.state.executions.values() if run.job_id == job_id]
    assert [server.status(run.execution_id) for run in runs] == [end] * 3


def test_a_task_that_does_not_wait_returns_the_runs_that_go_on(server, job_id):
    server.script(job_id, [("COMPLETED", 3600)], repeat=True)
    dag = dag_of(launches_of(job_id, 3), wait_for_completion=False)
    assert dag.test() == "success"
    (outcomes,) = dag.xcoms("run")
    assert [outcome["status"] for outcome in outcomes] == ["RUNNING"] * 3


@WAYS
def test_a_task_that_does_not_wait_launches_all_all_the_same(server, job_id, deferrable):
    dag = dag_of(launches_of(job_id, 3), wait_for_completion=False, max_in_flight=1, deferrable=deferrable)
    assert dag.test() == "success"
    assert days(server, job_id) == ["0", "1", "2"]
    (outcomes,) = dag.xcoms("run")
    assert all(outcome["execution_id"] for outcome in outcomes)


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ({"launches": []}, "launches must be a list of dicts"),
        ({"launches": "text"}, "launches must be a list of dicts"),
        ({"launches": [5]}, r"launches\[0\] must be a dict with job_id"),
        ({"launches": [{"job_id": "a", "parameter": {}}]}, r"launches\[0\] must be a dict with job_id"),
        ({"launches": [{}]}, r"launches\[0\] must have job_id or job_name, and not both"),
        ({"launches": [{"job_id": "a", "key": "k"}] * 2}, "launches must have keys of their own, got 'k'"),
        ({"launches": [{"job_id": "a", "key": 5}]}, r"key of launches\[0\] must be text, got 5"),
        ({"max_in_flight": 0}, "max_in_flight must be a number from 1, got 0"),
        ({"durable": False}, "durable must be True"),
    ],
)
def test_arguments_that_can_not_work_are_refused_before_anything_is_sent(server, arguments, why):
    requests = len(server.history)
    task = DataFlowBulkOperator(task_id="run", **({"launches": [{"job_id": "a"}]} | arguments))
    with pytest.raises(AirflowFailException, match=why):
        task.execute(context_of(task, task_state_store=object()))
    assert len(server.history) == requests


def test_the_time_out_is_for_all_launches_together():
    task = DataFlowBulkOperator(task_id="run", launches=[{"job_id": "a"}], timeout=600)
    context = context_of(task)
    context["ti"].start_date -= timedelta(minutes=9)
    assert task.deadline(context) - time.time() == pytest.approx(60, abs=30)


def test_nothing_is_launched_once_the_time_is_over(server, job_id):
    task = DataFlowBulkOperator(task_id="run", launches=launches_of(job_id, 2), timeout=60)
    context = context_of(task, task_state_store=MemoryTaskState())
    context["ti"].start_date -= timedelta(minutes=2)
    with pytest.raises(
        AirflowException, match=r"2 of 2 launches did not complete: day 0: NOT_LAUNCHED.*\. The time was over"
    ):
        task.execute(context)
    assert days(server, job_id) == []


def test_launches_that_take_too_long_end_their_try(server, job_id, monkeypatch):
    monkeypatch.setattr(defaults, "TASK_LAUNCH_TIMEOUT", 0.0)
    task = DataFlowBulkOperator(task_id="run", launches=launches_of(job_id, 2))
    with pytest.raises(AirflowException, match="no run is known after 0 s; what is known is recorded"):
        task.execute(context_of(task, task_state_store=MemoryTaskState()))


def test_others_are_started_while_one_of_the_first_goes_on(server, job_id, monkeypatch):
    monkeypatch.setattr(defaults, "BULK_REFILL_DELAY", 0.0)
    server.script(job_id, [("COMPLETED", 20), *["COMPLETED"] * 3])
    dag = dag_of(launches_of(job_id, 4), max_in_flight=2, deferrable=False)
    assert dag.test() == "success"
    first, *others = [run.lifecycle for run in server.state.executions.values() if run.job_id == job_id]
    assert [other.created_at < first.ends_at for other in others] == [True] * 3
