"""The trigger, in Airflow's own runner of triggers: waits, deadlines, kills, handovers, and what never ends a triggerer."""

import asyncio
import json
import threading
import time

import attrs
import pytest
from airflow.models.trigger import Trigger
from airflow.sdk.execution_time import task_runner
from structlog.testing import capture_logs

from dataflow_async import (
    Credentials,
    ExecutionRef,
    PollPolicy,
    TriggerRule,
    WorkflowJobNode,
    WorkflowTriggerNode,
)
from dataflow_async.airflow import hook as hooks
from dataflow_async.airflow import trigger as trigger_module
from dataflow_async.airflow import trigger_work
from dataflow_async.airflow.clients import Clients
from dataflow_async.airflow.events import RunEvent
from dataflow_async.airflow.task_states import TaskStates, fetch
from dataflow_async.airflow.trigger import DataFlowRunTrigger, kills
from dataflow_async.emulator import Emulator
from tests.airflow.triggerer import TASK, Triggerer, connected, trigger
from tests.support.clocks import LeapClock
from tests.support.fresh_process import loaded_by
from tests.support.threaded import running
from tests.support.workflow_scripts import ROLE

SOON = PollPolicy(min_interval=0.001, max_interval=0.01)


@pytest.fixture
def server():
    with running(Emulator(run_seconds=(1e6, 1e6), ready_seconds=(0, 0))) as server:
        yield server


@pytest.fixture
def job_id(server):
    return server.create_job("stock_import")


@pytest.fixture
def supervisor(monkeypatch, server):
    hooks.connections.forget()

    async def make(conn_id):
        await hooks.connections.aget(conn_id)
        return server.client(poll=SOON)

    monkeypatch.setattr(hooks, "clients", Clients(make))
    monkeypatch.setattr(trigger_work, "task_states", TaskStates(fetch, clock=LeapClock()))
    return connected(monkeypatch, server)


@pytest.fixture
def triggerer(supervisor):
    return Triggerer(supervisor)


def waits(server, count=1):
    """Whether so many waits have polled the server: they are under way."""
    return lambda: hooks.clients.users == {"etl": count} and server.history.requests > 0


def cancels(server):
    return [event for event in server.history if getattr(event, "operation", "") == "cancelJobExecution"]


# --- arguments ---------------------------------------------------------------------------------------------


def test_arguments_come_back_as_they_were():
    path, arguments = trigger(
        "job", "run1", "run2", deadline=1_800_000_000.5, cancel_on_kill=False
    ).serialize()
    assert path == "dataflow_async.airflow.trigger.DataFlowRunTrigger"
    assert arguments == {
        "conn_id": "etl",
        "job_id": "job",
        "workflow_id": None,
        "execution_ids": ["run1", "run2"],
        "workflow_start": None,
        "deadline": 1_800_000_000.5,
        "refill_delay": None,
        "cancel_on_kill": False,
        "cancel_on_deadline": True,
        "task": TASK,
    }
    assert json.loads(json.dumps(arguments)) == arguments
    row = Trigger(classpath=path, kwargs=arguments)  # encrypts them, as the database has them
    assert DataFlowRunTrigger(**row.kwargs).serialize() == (path, arguments)


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"conn_id": "etl", "job_id": "j", "execution_id": "r", "poll_interval": 30, "end_time": None},
        {"execution_ids": 5, "deadline": "noon", "task": "load", "conn_id": 7, "job_id": []},
    ],
    ids=["none", "of another version", "of wrong types"],
)
def test_construction_takes_any_arguments_and_keeps_them(arguments):
    made = DataFlowRunTrigger(**arguments)
    assert arguments.items() <= made.serialize()[1].items()
    assert DataFlowRunTrigger(**made.serialize()[1]).serialize() == made.serialize()
    assert "DataFlowRunTrigger" in repr(made)


@pytest.mark.parametrize(
    ("arguments", "kind", "words"),
    [
        ({}, "InvalidRequest", "execution_ids must be a list of run ids, got None"),
        ({"execution_ids": ["r"]}, "InvalidRequest", "job_id must be the id of the job"),
        ({"execution_ids": [5], "job_id": "j"}, "InvalidRequest", "execution_ids must be ids of runs"),
        (
            {"execution_ids": ["r"], "job_id": "j", "deadline": "noon"},
            "InvalidRequest",
            "deadline must be a number of seconds",
        ),
        ({"execution_ids": ["r"], "job_id": "j", "conn_id": 7}, "CredentialsError", "conn_id must be"),
    ],
)
async def test_wrong_arguments_are_an_event_with_an_error(triggerer, arguments, kind, words):
    event = await triggerer.event(await triggerer.start(DataFlowRunTrigger(**arguments)))
    assert event["ended_by"] == "error"
    assert event["error"]["kind"] == kind
    assert words in event["error"]["message"]


PREVIOUS = {
    "conn_id": "etl",
    "job_id": None,
    "workflow_id": None,
    "deadline": None,
    "cancel_on_kill": True,
    "cancel_on_deadline": True,
    "task": TASK,
}
"""What the version before ``workflow_start`` has written into the database."""


async def test_arguments_of_the_previous_and_of_a_later_version_are_waited_for(server, job_id, triggerer):
    run = server.launch(job_id)
    server.finish(run)
    for later in ({}, {"workflow_start": None, "priority": 5, "labels": {"team": ["etl"]}}):
        made = DataFlowRunTrigger(**PREVIOUS, execution_ids=[str(ExecutionRef(job_id, run))], **later)
        event = await triggerer.event(await triggerer.start(made))
        assert (event["ended_by"], event["runs"][0]["execution_id"]) == ("terminal", run)


def test_a_triggerer_loads_the_client_only_when_a_trigger_runs_and_not_in_its_event_loop():
    loaded = loaded_by("import dataflow_async.airflow.trigger")
    assert "airflow" in loaded
    assert loaded & {"aiohttp", "cattrs", "dataflow_async.client", "dataflow_async.airflow.hook"} == set()


async def test_the_client_is_loaded_in_a_thread(triggerer, monkeypatch):
    threads = []
    monkeypatch.setattr(trigger_module, "loaded", set())
    monkeypatch.setattr(trigger_module, "import_module", lambda _: threads.append(threading.get_ident()))
    await triggerer.event(await triggerer.start(DataFlowRunTrigger()))
    assert len(threads) == 1
    assert threading.get_ident() not in threads


# --- ends --------------------------------------------------------------------------------------------------


async def test_a_run_that_ends_resumes_its_task_with_all_that_is_known(server, job_id, triggerer):
    run = server.launch(job_id)
    number = await triggerer.start(trigger(job_id, run))
    await triggerer.until(waits(server))
    server.finish(run)
    event = RunEvent.from_event(await triggerer.event(number))
    (report,) = event.runs
    assert (event.ended_by, event.error) == ("terminal", None)
    assert (report.job_id, report.execution_id, report.status) == (job_id, run, "COMPLETED")
    assert report.running_minutes is not None
    assert report.started and report.ended
    assert hooks.clients.users == {}


async def test_the_log_names_the_first_of_many_runs(server, job_id, triggerer):
    runs = [server.launch(job_id) for _ in range(12)]
    for run in runs:
        server.finish(run)
    with capture_logs() as captured:
        await triggerer.event(await triggerer.start(trigger(job_id, *runs)))
    lines = [each["event"] % each.get("positional_args", ()) for each in captured]
    (shown,) = [line for line in lines if line.startswith("waiting for ")]
    assert runs[9] in shown
    assert runs[10] not in shown
    assert shown.endswith(" and 2 more")


async def test_nothing_is_logged_before_the_connection_is_known(job_id, triggerer):
    """Airflow reads no log while it looks one up, and the event loop would wait for it."""
    triggerer.supervisor.connection = None
    with capture_logs() as captured:
        event = await triggerer.event(await triggerer.start(trigger(job_id, "run")))
    assert event["error"] is not None
    assert [each["event"] for each in captured if each["event"].startswith("waiting for ")] == []


async def test_several_runs_of_several_jobs_resume_their_task_together(server, job_id, triggerer):
    other = server.create_job("other")
    runs = [(job_id, server.launch(job_id)), (other, server.launch(other)), (job_id, server.launch(job_id))]
    refs = [str(ExecutionRef(*run)) for run in runs]
    number = await triggerer.start(trigger(None, *refs))
    await triggerer.until(waits(server))
    server.fail(runs[0][1])
    server.cancel(runs[1][1])
    await triggerer.turn()
    assert number not in triggerer.supervisor.events
    server.finish(runs[2][1])
    event = await triggerer.event(number)
    assert [(run["job_id"], run["execution_id"], run["status"]) for run in event["runs"]] == [
        (*runs[0], "FAILED"),
        (*runs[1], "CANCELED"),
        (*runs[2], "COMPLETED"),
    ]
    assert event["ended_by"] == "terminal"


@pytest.fixture
def workflow_start(server):
    """Starts a workflow of one job, as an operator does."""

    async def start(job_id):
        async with server.client() as flow:
            manual = await flow.triggers.create("by_hand", TriggerRule.manual())
            nodes = [
                WorkflowTriggerNode(manual.trigger_id, "start"),
                WorkflowJobNode(job_id, "load", [manual.trigger_id], ROLE),
            ]
            workflow = await flow.workflows.create("dawn_rollup", nodes)
            return await flow.begin_workflow(workflow.workflow_id)

    return start


async def test_the_runs_of_a_workflow_are_awaited(server, job_id, triggerer, workflow_start):
    start = await workflow_start(job_id)
    number = await triggerer.start(trigger(None, workflow_start=start.to_json()))
    await triggerer.until(lambda: server.state.executions and waits(server)())
    (run,) = server.state.executions
    server.finish(run)
    event = await triggerer.event(number)
    assert (event["ended_by"], [each["execution_id"] for each in event["runs"]]) == ("terminal", [run])


async def test_a_kill_cancels_the_runs_of_a_workflow(server, job_id, triggerer, workflow_start):
    start = await workflow_start(job_id)
    number = await triggerer.start(trigger(None, workflow_start=start.to_json()))
    await triggerer.until(lambda: server.state.executions and waits(server)())
    triggerer.supervisor.states["run 1"] = {"load": "failed"}
    await triggerer.kill(number)
    await asyncio.gather(*kills.tasks)
    assert [server.status(run) for run in server.state.executions] == ["CANCELED"]


async def test_a_deadline_cancels_the_run_and_then_resumes_the_task(server, job_id, triggerer):
    run = server.launch(job_id)
    event = await triggerer.event(await triggerer.start(trigger(job_id, run, deadline=time.time() - 1)))
    assert event["ended_by"] == "deadline"
    assert event["runs"][0]["status"] == "CANCELED"
    assert server.status(run) == "CANCELED"


async def test_a_deadline_can_leave_the_run_alone(server, job_id, triggerer):
    run = server.launch(job_id)
    event = await triggerer.event(
        await triggerer.start(trigger(job_id, run, deadline=time.time() - 1, cancel_on_deadline=False))
    )
    assert (event["ended_by"], event["runs"][0]["status"]) == ("deadline", "RUNNING")
    assert cancels(server) == []


@pytest.fixture
def opening(monkeypatch):
    """Replaces how clients are made."""

    def replace(make):
        async def amake(conn_id):
            return make()

        monkeypatch.setattr(hooks, "clients", Clients(amake))

    return replace


async def test_refused_keys_are_an_event_with_an_error(server, job_id, triggerer, opening):
    opening(lambda: server.client(credentials=Credentials("OTHER", "OtherSecret"), poll=SOON))
    run = server.launch(job_id)
    event = await triggerer.event(await triggerer.start(trigger(job_id, run)))
    assert event["error"]["kind"] == "AuthenticationFailed"
    assert event["runs"][0]["execution_id"] == run
    assert hooks.clients.users == {}


async def test_runs_that_are_gone_are_an_event_with_an_error_once_the_others_have_ended(
    server, job_id, triggerer, opening
):
    opening(lambda: server.client(poll=attrs.evolve(SOON, not_found_grace=0.001)))
    run = server.launch(job_id)
    server.finish(run)
    event = await triggerer.event(await triggerer.start(trigger(job_id, "nowhere", run, "gone")))
    assert event["ended_by"] == "error"
    assert event["error"]["kind"] == "NotFound"
    assert "2 runs can't be waited for" in event["error"]["message"]
    assert [each["status"] for each in event["runs"]] == [None, "COMPLETED", None]


async def test_an_outage_ends_no_wait(server, job_id, triggerer):
    run = server.launch(job_id)
    server.faults.parse("503 x3; reset x3")
    number = await triggerer.start(trigger(job_id, run))
    await triggerer.until(waits(server))
    server.finish(run)
    assert (await triggerer.event(number))["ended_by"] == "terminal"


async def test_a_mistake_of_ours_is_an_event_with_an_error(server, job_id, triggerer, opening):
    opening(lambda: 1 // 0)
    event = await triggerer.event(await triggerer.start(trigger(job_id, "run")))
    assert event["error"] == {"kind": "ZeroDivisionError", "message": "integer division or modulo by zero"}
    assert event["runs"][0]["execution_id"] == "run"


# --- kills, handovers, restarts ----------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["failed", "success", "skipped", "upstream_failed", "removed"])
async def test_a_kill_of_a_task_that_has_ended_cancels_its_run(server, job_id, triggerer, state):
    run = server.launch(job_id)
    number = await triggerer.start(trigger(job_id, run))
    await triggerer.until(waits(server))
    triggerer.supervisor.states["run 1"] = {"load": state}
    await triggerer.kill(number)
    await asyncio.gather(*kills.tasks)
    assert server.status(run) == "CANCELED"
    assert hooks.clients.users == {}
    assert triggerer.supervisor.events == {}


async def test_a_run_that_has_ended_before_its_task_was_killed_is_logged_as_ended(server, job_id, triggerer):
    runs = [server.launch(job_id) for _ in range(2)]
    number = await triggerer.start(trigger(job_id, *runs))
    await triggerer.until(waits(server))
    server.finish(runs[0])
    triggerer.supervisor.states["run 1"] = {"load": "failed"}
    with capture_logs() as captured:
        await triggerer.kill(number)
        await asyncio.gather(*kills.tasks)
    lines = [each["event"] % each.get("positional_args", ()) for each in captured]
    assert f"run {runs[0]} of job {job_id} has ended already, and is not cancelled" in lines
    assert f"run {runs[1]} of job {job_id} is cancelled, because its task has ended" in lines
    assert [server.status(run) for run in runs] == ["COMPLETED", "CANCELED"]


@pytest.mark.parametrize(
    "state", ["deferred", None, "scheduled", "queued", "running", "restarting", "up_for_retry"]
)
async def test_a_handover_a_clear_and_a_later_try_cancel_nothing(server, job_id, triggerer, state):
    run = server.launch(job_id)
    number = await triggerer.start(trigger(job_id, run))
    await triggerer.until(waits(server))
    triggerer.supervisor.states["run 1"] = {"load": state}
    await triggerer.kill(number)
    await asyncio.gather(*kills.tasks)
    assert triggerer.supervisor.asked["GetTaskStates"] == 1
    assert (server.status(run), cancels(server)) == ("RUNNING", [])


async def test_a_dag_run_that_was_deleted_cancels_its_runs_and_a_task_that_is_not_named_does_not(
    server, job_id, triggerer
):
    for states, status in (({}, "RUNNING"), (None, "CANCELED")):
        run = server.launch(job_id)
        number = await triggerer.start(trigger(job_id, run))
        await triggerer.until(waits(server))
        if states is not None:
            triggerer.supervisor.states["run 1"] = {"other": "failed", **states}
        else:
            triggerer.supervisor.states.clear()
        await triggerer.kill(number)
        await asyncio.gather(*kills.tasks)
        assert server.status(run) == status


async def test_a_kill_can_leave_the_run_alone(server, job_id, triggerer):
    run = server.launch(job_id)
    number = await triggerer.start(trigger(job_id, run, cancel_on_kill=False))
    await triggerer.until(waits(server))
    triggerer.supervisor.states["run 1"] = {"load": "failed"}
    await triggerer.kill(number)
    assert triggerer.supervisor.asked["GetTaskStates"] == 0
    assert server.status(run) == "RUNNING"


async def test_a_triggerer_that_stops_cancels_and_requests_nothing(server, job_id, triggerer):
    run = server.launch(job_id)
    number = await triggerer.start(trigger(job_id, run))
    await triggerer.until(waits(server))
    triggerer.supervisor.is_silent = True
    asked = triggerer.supervisor.asked.total()
    task = triggerer.runner.triggers[number]["task"]
    await triggerer.stop()
    assert task.cancelled()
    assert triggerer.supervisor.asked.total() == asked
    assert (server.status(run), cancels(server)) == ("RUNNING", [])
    assert hooks.clients.users == {}


async def test_another_triggerer_goes_on_where_the_first_one_was_killed(server, job_id, triggerer):
    run = server.launch(job_id)
    await triggerer.start(trigger(job_id, run))
    await triggerer.until(waits(server))
    await triggerer.stop()
    second = Triggerer(triggerer.supervisor)
    number = await second.start(trigger(job_id, run))
    await second.until(waits(server))
    server.finish(run)
    assert (await second.event(number))["runs"][0]["status"] == "COMPLETED"
    assert cancels(server) == []


async def test_a_kill_that_airflow_cancels_again_and_again_is_done_all_the_same(
    server, job_id, triggerer, monkeypatch
):
    """Airflow cancels `on_kill` with each exchange with its supervisor, until the trigger has finished."""
    run = server.launch(job_id)
    number = await triggerer.start(trigger(job_id, run))
    await triggerer.until(waits(server))
    answered = asyncio.Event()

    async def slow(dag_id, run_id, task_ids):
        await answered.wait()
        return {"load": "failed"}

    monkeypatch.setattr(trigger_work, "task_states", TaskStates(slow, clock=LeapClock()))
    triggerer.period = 0.1
    killing = asyncio.create_task(triggerer.kill(number))
    while triggerer.supervisor.asked["TriggerStateChanges"] < 8 and not killing.done():
        await asyncio.sleep(0)
    assert server.status(run) == "RUNNING"
    answered.set()
    await killing
    await asyncio.gather(*kills.tasks)
    assert server.status(run) == "CANCELED"


async def test_a_kill_that_airflow_cancels_before_it_calls_it_is_done_all_the_same(server, job_id, triggerer):
    """Airflow logs before it calls `on_kill`, which takes long where a thousand are killed, and cancels that too."""
    run = server.launch(job_id)
    number = await triggerer.start(trigger(job_id, run))
    await triggerer.until(waits(server))
    triggerer.supervisor.states["run 1"] = {"load": "failed"}
    task = triggerer.runner.triggers[number]["task"]
    while not task.done():
        triggerer.runner.to_cancel.append(number)
        await triggerer.runner.cancel_triggers()
    await asyncio.gather(*kills.tasks)
    assert server.status(run) == "CANCELED"
    assert len(cancels(server)) == 1


async def test_a_kill_passes_its_cancellation_on_once_it_is_done(server, job_id, triggerer, monkeypatch):
    run = server.launch(job_id)
    answered = asyncio.Event()

    async def slow(dag_id, run_id, task_ids):
        await answered.wait()
        return {"load": "failed"}

    monkeypatch.setattr(trigger_work, "task_states", TaskStates(slow, clock=LeapClock()))
    kill = asyncio.create_task(trigger(job_id, run).on_kill())
    for _ in range(3):
        await asyncio.sleep(0)
        kill.cancel()
    await asyncio.sleep(0)
    assert not kill.done()
    answered.set()
    with pytest.raises(asyncio.CancelledError):
        await kill
    assert server.status(run) == "CANCELED"


async def test_a_kill_that_takes_longer_than_airflow_allows_is_given_up(
    server, job_id, supervisor, monkeypatch
):
    run = server.launch(job_id)
    monkeypatch.setattr("dataflow_async.defaults.KILL_TIMEOUT", 0.01)
    silent = asyncio.get_running_loop().create_future()
    monkeypatch.setattr(trigger_work.task_states, "has_ended", lambda _: silent)
    with capture_logs() as captured:
        kill = asyncio.create_task(trigger(job_id, run).on_kill())
        done, _ = await asyncio.wait([kill], timeout=10)
    silent.cancel()  # it would never end by itself
    assert done == {kill}
    assert any("the trigger was stopped" in line["event"] for line in captured)
    assert (server.status(run), cancels(server)) == ("RUNNING", [])


async def test_the_end_of_the_process_ends_a_kill_before_it_sends_anything(
    server, job_id, triggerer, monkeypatch
):
    run = server.launch(job_id)
    number = await triggerer.start(trigger(job_id, run))
    await triggerer.until(waits(server))
    triggerer.supervisor.is_silent = True
    task = triggerer.runner.triggers[number]["task"]
    triggerer.supervisor.to_cancel = {number}
    triggerer.runner.to_cancel.append(number)
    await triggerer.runner.cancel_triggers()
    while not kills.tasks:
        await asyncio.sleep(0)
    for each in asyncio.all_tasks() - {asyncio.current_task()}:
        each.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    assert (server.status(run), cancels(server)) == ("RUNNING", [])


async def test_a_trigger_that_has_yielded_is_not_asked_about(server, job_id, triggerer):
    run = server.launch(job_id)
    made = trigger(job_id, run)
    server.finish(run)
    events = [event async for event in made.run()]
    assert len(events) == 1
    await made.on_kill()
    await made.cleanup()
    assert triggerer.supervisor.asked["GetTaskStates"] == 0


async def test_triggers_of_a_dag_run_that_are_killed_together_share_one_question(server, job_id, triggerer):
    count = 30
    runs = [server.launch(job_id) for _ in range(count)]
    numbers = [
        await triggerer.start(trigger(job_id, run, task={**TASK, "map_index": index}), map_index=index)
        for index, run in enumerate(runs)
    ]
    await triggerer.until(waits(server, count))
    ended = range(0, count, 2)
    triggerer.supervisor.states["run 1"] = {
        f"load_{index}": "failed" if index in ended else "deferred" for index in range(count)
    }
    questions = TaskStates(fetch, clock=Waiting(count))
    trigger_work.task_states = questions
    await triggerer.kill(*numbers)
    await asyncio.gather(*kills.tasks)
    assert triggerer.supervisor.asked["GetTaskStates"] == 1
    assert [server.status(run) == "CANCELED" for run in runs] == [index in ended for index in range(count)]


class Waiting(LeapClock):
    """Time passes once so many kills are under way: that takes less than the window in a real triggerer."""

    def __init__(self, kills):
        super().__init__()
        self.kills = kills

    async def sleep(self, seconds, /):
        while len(kills.tasks) < self.kills:
            await asyncio.sleep(0)
        for _ in range(10):  # the last ones have just begun
            await asyncio.sleep(0)


async def test_the_inline_trigger_of_a_dag_test_needs_nothing_after_its_event(server, job_id, supervisor):
    run = server.launch(job_id)
    server.finish(run)
    stream = trigger(job_id, run).run()
    event = await anext(stream)
    assert hooks.clients.users == {}
    assert event.payload["runs"][0]["status"] == "COMPLETED"
    assert task_runner.SUPERVISOR_COMMS is supervisor
    await stream.aclose()
