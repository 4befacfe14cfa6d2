"""Many triggers in one triggerer: what they cost the service, the event loop, Airflow, and each other's logs."""

import asyncio
import gc
import logging
import time

import pytest
from structlog.contextvars import get_contextvars, merge_contextvars
from structlog.testing import capture_logs

from dataflow_async.airflow import hook as hooks
from dataflow_async.airflow.trigger import DataFlowRunTrigger, kills
from dataflow_async.emulator import Emulator
from tests.airflow.triggerer import TASK, Triggerer, connected, trigger
from tests.support.threaded import running

COUNT = 1000


@pytest.fixture(autouse=True)
def no_connections():
    hooks.connections.forget()


async def start(triggerer, server, job_id, count):
    """Start so many triggers, each with a run of its own; returns their ids, with their runs."""
    runs = [server.launch(job_id) for _ in range(count)]
    return {
        await triggerer.start(trigger(job_id, run, task={**TASK, "map_index": index}), map_index=index): run
        for index, run in enumerate(runs)
    }


class Steps:
    """The longest step of the event loop, in processor time of its thread: other processes do not lengthen it."""

    def __init__(self):
        self.longest = 0.0
        self.is_over = False
        self.last = 0.0
        self.loop = asyncio.get_running_loop()

    def step(self):
        now = time.thread_time()
        self.longest = max(self.longest, now - self.last)
        self.last = now
        if not self.is_over:
            self.loop.call_soon(self.step)

    def __enter__(self):
        gc.collect()
        gc.freeze()  # what Airflow has imported takes a collection 200 ms, whatever the triggers do
        self.last = time.thread_time()
        self.loop.call_soon(self.step)
        return self

    def __exit__(self, *_):
        self.is_over = True
        gc.unfreeze()


@pytest.mark.slow
async def test_a_thousand_triggers_share_polls_and_never_block_the_loop(monkeypatch, capsys):
    with running(Emulator(run_seconds=(2, 30), ready_seconds=(0, 5), seed=7)) as server:
        triggerer = Triggerer(connected(monkeypatch, server))
        await triggerer.event(await triggerer.start(DataFlowRunTrigger()))  # loads what Airflow imports late
        triggerer.supervisor.events.clear()
        runs = await start(triggerer, server, server.create_job("stock_import"), COUNT)
        async with hooks.clients.use("etl") as flow:
            with Steps() as steps:
                await triggerer.turn()
                while triggerer.runner.triggers:
                    await triggerer.turn()
                    await asyncio.sleep(1)
            polls = flow.poll_stats.polls
        events, requests = triggerer.supervisor.events, server.history.requests
        with capsys.disabled():
            print(f"\n{COUNT} triggers: {polls} polls in {requests} requests")
            print(
                f"longest step of the loop {steps.longest * 1000:.0f} ms; to Airflow {triggerer.supervisor.asked}"
            )
        assert {number: event["runs"][0]["execution_id"] for number, (event,) in events.items()} == runs
        assert {event["runs"][0]["status"] for (event,) in events.values()} == {"COMPLETED"}
        assert requests <= polls / 50
        assert triggerer.supervisor.asked["GetConnection"] == 1
        assert steps.longest < 0.2


@pytest.mark.slow
async def test_a_thousand_tasks_that_are_marked_as_failed_are_cancelled_after_few_questions(
    monkeypatch, capsys
):
    with running(Emulator(run_seconds=(1e6, 1e6), ready_seconds=(0, 0))) as server:
        triggerer = Triggerer(connected(monkeypatch, server))
        runs = await start(triggerer, server, server.create_job("stock_import"), COUNT)
        await triggerer.until(lambda: hooks.clients.users == {"etl": COUNT})
        triggerer.supervisor.states["run 1"] = {f"load_{index}": "failed" for index in range(COUNT)}
        await triggerer.kill(*runs)
        await asyncio.gather(*kills.tasks)
        questions = triggerer.supervisor.asked["GetTaskStates"]
        with capsys.disabled():
            print(f"\n{COUNT} kills: {questions} questions")
        assert [run for run in runs.values() if server.status(run) != "CANCELED"] == []
        assert questions <= COUNT / 50  # one a second, however long a loaded machine takes to stop them
        assert hooks.clients.users == {}


class Lines(logging.Handler):
    """What the library logs, with the id of the trigger under which Airflow would file it."""

    def __init__(self):
        super().__init__(logging.DEBUG)
        self.seen = []

    def emit(self, record):
        self.seen.append((get_contextvars().get("trigger_id"), record.getMessage()))


async def test_lines_of_each_task_are_logged_under_it_and_those_of_all_under_none(monkeypatch):
    client, library = Lines(), logging.getLogger("dataflow_async")
    library.addHandler(client)
    level = library.level
    library.setLevel(logging.DEBUG)
    with running(Emulator(run_seconds=(1e6, 1e6), ready_seconds=(0, 0))) as server:
        triggerer = Triggerer(connected(monkeypatch, server))
        with capture_logs(processors=[merge_contextvars]) as captured:
            runs = await start(triggerer, server, server.create_job("stock_import"), 20)
            await triggerer.until(lambda: server.history.requests > 0)
            for run in runs.values():
                server.finish(run)
            await triggerer.until(lambda: len(triggerer.supervisor.events) == len(runs))
            await triggerer.until(lambda: not triggerer.runner.triggers)
    library.setLevel(level)
    library.removeHandler(client)
    for number, run in runs.items():
        lines = [
            line["event"] % line.get("positional_args", ())
            for line in captured
            if line.get("trigger_id") == number
        ]
        own = [line for line in lines if run in line]
        assert own[0].startswith("waiting for ")
        assert "is COMPLETED after " in own[-1]
        others = [other for other in runs.values() if other != run and other in "\n".join(lines)]
        assert others == []
    keys = [line for line in client.seen if "access key" in line[1]]
    assert keys
    assert {number for number, _ in keys} == {None}
