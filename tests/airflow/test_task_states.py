"""Questions about tasks: one request for all of a dag run, never an answer that is older than the question."""

import asyncio

import pytest
from airflow.sdk.execution_time import task_runner
from airflow.sdk.execution_time.comms import ErrorResponse

from dataflow_async import defaults
from dataflow_async.airflow.task_states import TaskKey, TaskStates, TaskStateUnknown, fetch, unambiguous
from tests.airflow.triggerer import TASK, Supervisor
from tests.support.clocks import LeapClock


class Airflow:
    """Counts requests; states by the name of the task instance, for any dag run."""

    def __init__(self, **states):
        self.states = states
        self.requests = []
        self.answering = asyncio.Event()
        self.answering.set()

    async def __call__(self, dag_id, run_id, task_ids):
        self.requests.append((dag_id, run_id, task_ids))
        states = dict(self.states)
        await self.answering.wait()
        return states


def key(task_id="load", map_index=-1, run_id="run 1"):
    return TaskKey("nightly", run_id, task_id, map_index)


async def test_all_that_come_within_the_window_share_a_request():
    airflow = Airflow(load_1="failed", load_2="deferred", other="success")
    states = TaskStates(airflow, clock=LeapClock())
    keys = [key("load", 1), key("load", 2), key("other")]
    assert await asyncio.gather(*map(states.has_ended, keys)) == [True, False, True]
    assert airflow.requests == [("nightly", "run 1", ["load", "other"])]


async def test_dag_runs_have_requests_of_their_own():
    airflow = Airflow(load="failed")
    states = TaskStates(airflow, clock=LeapClock())
    await asyncio.gather(*(states.has_ended(key(run_id=f"run {number}")) for number in (1, 2, 1, 2)))
    assert [request[1] for request in airflow.requests] == ["run 1", "run 2"]


async def test_a_question_is_not_answered_by_a_request_that_was_sent_before_it():
    airflow = Airflow(load="deferred")
    states = TaskStates(airflow, clock=LeapClock())
    airflow.answering.clear()
    first = asyncio.create_task(states.has_ended(key()))
    while not airflow.requests:
        await asyncio.sleep(0)
    airflow.states["load"] = "failed"
    second = asyncio.create_task(states.has_ended(key()))
    while len(airflow.requests) < 2:
        await asyncio.sleep(0)
    airflow.answering.set()
    assert (await first, await second) == (False, True)


@pytest.mark.parametrize("states", [{}, {"other": "failed"}, {"load_1": "failed"}])
async def test_a_task_that_is_not_in_the_answer_is_unknown(states):
    asking = TaskStates(Airflow(**states), clock=LeapClock())
    with pytest.raises(TaskStateUnknown, match="task load of dag run run 1 is not in Airflow's answer"):
        await asking.has_ended(key())


async def test_a_supervisor_that_answers_nothing_is_awaited_for_a_while(monkeypatch):
    monkeypatch.setattr(defaults, "TASK_STATE_TIMEOUT", 0.01)
    airflow = Airflow()
    airflow.answering.clear()
    with pytest.raises(TaskStateUnknown, match=r"no answer in time \(TimeoutError\)"):
        await TaskStates(airflow, clock=LeapClock()).has_ended(key())


async def test_a_connection_that_is_closed_meanwhile_cancels_no_question():
    async def closed(dag_id, run_id, task_ids):
        raise asyncio.CancelledError("Reader loop exited")

    with pytest.raises(TaskStateUnknown, match="the triggerer stops"):
        await TaskStates(closed, clock=LeapClock()).has_ended(key())


async def test_all_who_wait_get_the_error_of_airflow():
    async def broken(dag_id, run_id, task_ids):
        raise RuntimeError("500")

    states = TaskStates(broken, clock=LeapClock())
    found = await asyncio.gather(*(states.has_ended(key()) for _ in range(3)), return_exceptions=True)
    assert [str(error) for error in found] == ["dag run run 1 of nightly: 500 (RuntimeError)"] * 3


@pytest.mark.parametrize(
    ("task_ids", "groups"),
    [
        (["load"], [["load"]]),
        (["load_3", "other"], [["load_3", "other"]]),
        (["load", "load_3", "other"], [["load", "other"], ["load_3"]]),
        (["a", "a_1", "a_1_2"], [["a"], ["a_1"], ["a_1_2"]]),
    ],
)
def test_tasks_whose_instances_may_have_the_same_name_are_asked_about_apart(task_ids, groups):
    assert unambiguous(task_ids) == groups


async def test_a_task_is_not_taken_for_a_mapped_instance_of_another_one():
    async def airflow(dag_id, run_id, task_ids):
        shown = {}
        if "load" in task_ids:
            shown["load_3"] = "deferred"  # the mapped instance
        if "load_3" in task_ids:
            shown["load_3"] = "failed"  # the task of that id
        return shown

    states = TaskStates(airflow, clock=LeapClock())
    assert await asyncio.gather(states.has_ended(key("load", 3)), states.has_ended(key("load_3"))) == [
        False,
        True,
    ]


@pytest.mark.parametrize(
    ("task", "found"),
    [
        (TASK, TaskKey("nightly", "run 1", "load")),
        ({**TASK, "map_index": 4}, TaskKey("nightly", "run 1", "load", 4)),
        ({**TASK, "map_index": None}, TaskKey("nightly", "run 1", "load")),
        (key("load", 2), key("load", 2)),
        ({**TASK, "dag_id": None}, None),
        ({}, None),
        (None, None),
        ("load", None),
    ],
)
def test_a_key_is_read_from_arguments_or_from_a_task_instance(task, found):
    assert TaskKey.of(task) == found


# --- Airflow's channel -------------------------------------------------------------------------------------


@pytest.fixture
def supervisor(monkeypatch):
    supervisor = Supervisor()
    monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", supervisor, raising=False)
    return supervisor


async def test_states_are_fetched_by_dag_run_and_tasks(supervisor):
    supervisor.states = {"run 1": {"load_0": "deferred", "load_1": None, "other": "failed"}}
    assert await fetch("nightly", "run 1", ["load"]) == {"load_0": "deferred", "load_1": None}
    (question,) = supervisor.questions
    assert (question.dag_id, question.run_ids, question.task_ids) == ("nightly", ["run 1"], ["load"])


async def test_a_dag_run_is_gone_if_it_has_no_task_at_all(supervisor):
    assert await fetch("nightly", "run 1", ["load"]) is None
    assert supervisor.asked["GetTICount"] == 1
    supervisor.answer_GetTICount = lambda _: None
    assert await fetch("nightly", "run 1", ["load"]) == {}


async def test_any_other_answer_is_an_error(supervisor):
    supervisor.answer_GetTaskStates = lambda _: ErrorResponse()
    with pytest.raises(TypeError, match="expected the states of tasks, got ErrorResponse"):
        await fetch("nightly", "run 1", ["load"])
