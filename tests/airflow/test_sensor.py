"""The sensor, as Airflow runs it: deferred, resumed, here, skipped, timed out."""

import json
import time
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from airflow.models.trigger import Trigger
from airflow.sdk.exceptions import (
    AirflowException,
    AirflowSensorTimeout,
    AirflowSkipException,
    TaskDeferred,
)

from dataflow_async import DataFlowError, ExecutionRef, InvalidRequest, RetryPolicy
from dataflow_async.airflow import hook as hooks
from dataflow_async.airflow.clients import Clients
from dataflow_async.airflow.run_search import NoRunInPeriod
from dataflow_async.airflow.sensor import DataFlowJobSensor
from dataflow_async.airflow.trigger import DataFlowLatestRunTrigger, DataFlowRunTrigger
from dataflow_async.emulator import Emulator
from tests.airflow.triggerer import Triggerer, connected
from tests.support.threaded import running


@pytest.fixture
def server():
    with running(Emulator(run_seconds=(1e6, 1e6), ready_seconds=(0, 0))) as server:
        yield server


@pytest.fixture
def job_id(server):
    return server.create_job("stock_import")


@pytest.fixture(autouse=True)
def opened(monkeypatch, server):
    async def make(conn_id):
        assert conn_id == "etl"
        return server.client()

    monkeypatch.setattr(hooks, "clients", Clients(make))
    monkeypatch.setattr(hooks.connections, "get", lambda conn_id: None)


@pytest.fixture
def triggerer(monkeypatch, server):
    return Triggerer(connected(monkeypatch, server))


def sensor(**arguments):
    return DataFlowJobSensor(task_id="sense", conn_id="etl", **arguments)


def context(logical_date=None, run_after=None):
    now = datetime.now(UTC) - timedelta(seconds=60)
    return {
        "logical_date": logical_date,
        "dag_run": SimpleNamespace(run_after=run_after or now),
    }


def deferred(task, **dates):
    with pytest.raises(TaskDeferred) as to_triggerer:
        task.execute(context(**dates))
    assert to_triggerer.value.method_name == "execute_complete"
    path, arguments = to_triggerer.value.trigger.serialize()
    assert json.loads(json.dumps(arguments)) == arguments
    assert Trigger(classpath=path, kwargs=arguments).kwargs == arguments
    return to_triggerer.value.trigger


async def test_a_given_run_is_awaited_and_its_end_returned(server, job_id, triggerer):
    run = server.launch(job_id)
    task = sensor(job_id=job_id, execution_id=run)
    waiting = deferred(task)
    assert isinstance(waiting, DataFlowRunTrigger)
    server.finish(run)
    value = task.execute_complete({}, await triggerer.event(await triggerer.start(waiting)))
    assert value["status"] == "COMPLETED"
    assert (value["job_id"], value["execution_id"]) == (job_id, run)


async def test_a_run_is_named_by_a_reference_too(server, job_id, triggerer):
    run = server.launch(job_id)
    server.finish(run)
    task = sensor(execution_id=str(ExecutionRef(job_id, run)))
    event = await triggerer.event(await triggerer.start(deferred(task)))
    assert task.execute_complete({}, event)["execution_id"] == run


async def test_the_run_that_goes_on_is_awaited_and_not_one_that_has_ended(server, job_id, triggerer):
    server.finish(server.launch(job_id))
    run = server.launch(job_id)
    server.finish(server.launch(job_id))
    task = sensor(job_id=job_id)
    waiting = deferred(task)
    assert isinstance(waiting, DataFlowLatestRunTrigger)
    number = await triggerer.start(waiting)
    await triggerer.until(lambda: server.history.requests > 1)
    assert number not in triggerer.supervisor.events
    server.finish(run)
    event = await triggerer.event(number)
    assert task.execute_complete({}, event)["execution_id"] == run


async def test_the_end_of_its_task_cancels_no_run(server, job_id, triggerer):
    run = server.launch(job_id)
    numbers = [
        await triggerer.start(deferred(sensor(job_id=job_id, execution_id=run))),
        await triggerer.start(deferred(sensor(job_name="stock_import"))),
    ]
    await triggerer.until(lambda: server.history.requests > 2)
    triggerer.supervisor.states["run 1"] = {"load": "failed"}
    await triggerer.kill(*numbers)
    assert triggerer.supervisor.asked["GetTaskStates"] == 0
    assert server.status(run) == "RUNNING"


def test_an_event_that_can_not_be_read_makes_the_sensor_wait_again():
    task = sensor(job_id="job", execution_id="run")
    with pytest.raises(TaskDeferred) as again:
        task.execute_complete(context(), {"version": 2})
    assert again.value.trigger.serialize()[1]["execution_ids"] == ["run"]


@pytest.mark.parametrize(("fault", "ends"), [("503", False), ("401", True)])
def test_a_search_in_a_worker_outlives_what_passes(server, job_id, monkeypatch, fault, ends):
    async def make(conn_id):
        return server.client(retry=RetryPolicy(max_attempts=1))

    monkeypatch.setattr(hooks, "clients", Clients(make))
    server.faults.add(fault)
    task = sensor(job_id=job_id, execution_id=server.launch(job_id), deferrable=False)
    if ends:
        with pytest.raises(DataFlowError):
            task.poke(context())
    else:
        assert not task.poke(context()).is_done


async def test_the_time_out_of_the_sensor_is_kept_and_leaves_the_run_alone(server, job_id, triggerer):
    run = server.launch(job_id)
    task = sensor(job_id=job_id, execution_id=run, timeout=0)
    event = await triggerer.event(await triggerer.start(deferred(task)))
    with pytest.raises(
        AirflowSensorTimeout, match=f"no end within 0 s: run {run} of job {job_id} is RUNNING"
    ):
        task.execute_complete({}, event)
    task = sensor(job_id=server.create_job("other"), timeout=0)
    event = await triggerer.event(await triggerer.start(deferred(task)))
    with pytest.raises(AirflowSensorTimeout, match="there is no run yet"):
        task.execute_complete({}, event)
    assert server.status(run) == "RUNNING"


def test_the_deadline_counts_from_the_beginning_of_the_try():
    waiting = deferred(sensor(job_id="job", execution_id="run", timeout=3600))
    assert waiting.serialize()[1]["deadline"] == pytest.approx(time.time() + 3600, abs=60)


async def test_the_time_out_of_a_try_is_kept_while_it_is_deferred_and_may_be_retried(
    server, job_id, triggerer
):
    task = sensor(job_id=job_id, execution_id=server.launch(job_id), execution_timeout=timedelta(0))
    event = await triggerer.event(await triggerer.start(deferred(task)))
    with pytest.raises(AirflowException, match="no end within 0 s") as failed:
        task.execute_complete({}, event)
    assert not isinstance(failed.value, AirflowSensorTimeout)


def test_arguments_that_do_not_come_back_are_refused_before_they_are_deferred():
    class Text(str):
        __slots__ = ()

    with pytest.raises(InvalidRequest, match="job_id"):
        sensor(job_id=Text("job")).execute(context())


@pytest.mark.parametrize(
    ("event", "words"),
    [
        ({"ended_by": "terminal", "status": "FAILED"}, "is FAILED; its log: /logs, expected COMPLETED"),
        ({"ended_by": "error", "error": {"kind": "NotFound", "message": "gone"}}, "NotFound: gone"),
    ],
)
def test_another_end_fails_the_task_or_skips_it(event, words):
    run = {"job_id": "j", "execution_id": "r", "status": event.pop("status", None), "log_path": "/logs"}
    event = {"version": 1, "runs": [run], "error": None, **event}
    with pytest.raises(AirflowException, match=words) as failed:
        sensor(job_id="j").execute_complete({}, event)
    assert not isinstance(failed.value, AirflowSkipException)
    for skip in ("soft_fail", "never_fail"):
        with pytest.raises(AirflowSkipException, match=words):
            sensor(job_id="j", **{skip: True}).execute_complete({}, event)


def test_other_ends_may_be_expected():
    run = {"job_id": "j", "execution_id": "r", "status": "FAILED"}
    event = {"version": 1, "runs": [run], "ended_by": "terminal", "error": None}
    value = sensor(job_id="j", expected=["COMPLETED", "FAILED"]).execute_complete({}, event)
    assert value["status"] == "FAILED"


# --- without a triggerer -----------------------------------------------------------------------------------


def test_a_worker_can_wait_by_itself(server, job_id):
    run = server.launch(job_id)
    task = sensor(job_id=job_id, deferrable=False)
    assert not task.poke(context())
    server.finish(run)
    assert task.execute(context())["execution_id"] == run
    assert (
        sensor(job_id=job_id, execution_id=run, deferrable=False).execute(context())["status"] == "COMPLETED"
    )


def test_a_worker_fails_the_task_when_no_run_can_come_any_more(server, job_id):
    task = sensor(job_id=job_id, deferrable=False, window_start="2026-01-01T00:00:00+09:00")
    with pytest.raises(NoRunInPeriod):
        task.poke(context())


# --- arguments ---------------------------------------------------------------------------------------------

DAY = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("given", "dates", "start"),
    [
        (None, {"logical_date": DAY, "run_after": DAY + timedelta(1)}, DAY),
        (None, {"run_after": DAY}, DAY),
        ("2026-11-01T09:00:00+09:00", {"logical_date": DAY + timedelta(9)}, DAY),
        (DAY, {"logical_date": DAY + timedelta(9)}, DAY),
    ],
)
def test_the_period_begins_with_the_logical_date_unless_another_time_is_given(given, dates, start):
    arguments = deferred(sensor(job_id="j", window_start=given), **dates).serialize()[1]
    assert arguments["window_start"] == start.timestamp()
    assert arguments["window_end"] == start.timestamp() + 86_400


@pytest.mark.parametrize("start", ["noon", "2026-11-01T00:00:00", datetime(2026, 11, 1)])  # noqa: DTZ001
def test_a_time_without_a_zone_is_refused(start):
    with pytest.raises(InvalidRequest, match="window_start must be a"):
        sensor(job_id="j", window_start=start).execute(context())


@pytest.mark.parametrize(
    ("arguments", "field"),
    [({}, "job_id"), ({"job_id": "j", "job_name": "n"}, "job_name")],
)
def test_what_names_no_run_is_refused_when_the_dag_is_read(arguments, field):
    with pytest.raises(InvalidRequest) as refused:
        sensor(**arguments)
    assert refused.value.field == field


def test_a_run_without_a_job_is_refused_before_it_is_deferred():
    with pytest.raises(InvalidRequest, match="job_id must be the id of the job"):
        sensor(execution_id="run").execute(context())


def test_the_trigger_of_a_period_takes_any_arguments_and_keeps_them():
    made = DataFlowLatestRunTrigger(job_id="j", since=5)
    assert {"job_id": "j", "since": 5}.items() <= made.serialize()[1].items()
    assert DataFlowLatestRunTrigger(**made.serialize()[1]).serialize() == made.serialize()
