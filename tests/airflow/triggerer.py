"""A triggerer in the tests' own process: Airflow's own runner of triggers, and a supervisor that is none."""

import asyncio
from collections import Counter
from uuid import UUID

from airflow.executors.workloads import RunTrigger
from airflow.executors.workloads.task import TaskInstanceDTO
from airflow.jobs.triggerer_job_runner import TriggerRunner, messages
from airflow.models.trigger import Trigger
from airflow.sdk.execution_time import task_runner
from airflow.sdk.execution_time.comms import ConnectionResult, TaskStatesResult, TICount

from dataflow_async.airflow.trigger import DataFlowRunTrigger

TASK = {"dag_id": "nightly", "run_id": "run 1", "task_id": "load", "map_index": -1, "try_number": 1}


class Supervisor:
    """Answers as Airflow's supervisor does; knows the states of tasks, and counts requests by their kinds."""

    def __init__(self, connection=None):
        self.connection = connection
        self.asked = Counter()
        self.questions = []
        self.states = {}
        """States of tasks: dag run -> name of the task instance -> state."""
        self.to_create, self.to_cancel = [], set()
        self.events, self.failures = {}, {}
        self.is_silent = False
        """Whether it answers nothing any more, as a supervisor that stops."""

    async def asend(self, message):
        kind = type(message).__name__
        self.asked[kind] += 1
        if self.is_silent:
            await asyncio.get_running_loop().create_future()
        await asyncio.sleep(0)
        return getattr(self, f"answer_{kind}", lambda _: None)(message)

    def send(self, message):
        raise AssertionError(f"a blocking request: {message}")

    def answer_TriggerStateChanges(self, message):  # noqa: N802
        for entry in message.events or ():
            self.events.setdefault(entry.trigger_id, []).append(entry.event.payload)
        self.failures |= dict(message.failures or ())
        self.to_cancel -= set(message.finished or ())
        created, self.to_create = self.to_create, []
        # those that are being cancelled are named again in each answer, until they have finished
        return messages.TriggerStateSync(to_create=created, to_cancel=self.to_cancel)

    def answer_GetConnection(self, message):  # noqa: N802
        return self.connection

    def answer_GetTaskStates(self, message):  # noqa: N802
        self.questions.append(message)
        (run_id,) = message.run_ids
        names = self.states.get(run_id)
        if names is None:
            return TaskStatesResult(task_states={})
        shown = {
            name: state
            for name, state in names.items()
            if any(name == each or name.startswith(f"{each}_") for each in message.task_ids)
        }
        return TaskStatesResult(task_states={run_id: shown})

    def answer_GetTICount(self, message):  # noqa: N802
        return TICount(count=sum(len(self.states.get(run_id, ())) for run_id in message.run_ids))


class Triggerer:
    """Airflow's runner of triggers, turned by hand."""

    def __init__(self, supervisor):
        self.supervisor = supervisor
        self.runner = TriggerRunner()
        self.runner.comms_decoder = supervisor
        self.count = 0
        self.period = 1.0

    async def start(self, trigger, **task):
        """Give a trigger to the triggerer as the database has it; returns its id."""
        self.count += 1
        classpath, arguments = trigger.serialize()
        values = {**TASK, **task}
        self.supervisor.to_create.append(
            RunTrigger(
                id=self.count,
                classpath=classpath,
                encrypted_kwargs=Trigger.encrypt_kwargs(arguments),
                ti=TaskInstanceDTO(
                    id=UUID(int=self.count),
                    dag_version_id=UUID(int=1),
                    pool_slots=1,
                    priority_weight=1,
                    queue="default",
                    **values,
                ),
            )
        )
        return self.count

    async def turn(self):
        """Do once what the runner does about every second."""
        finished = await self.runner.cleanup_finished_triggers()
        await self.runner.sync_state_to_supervisor(finished)
        await self.runner.create_triggers()
        await self.runner.cancel_triggers()

    async def until(self, condition):
        while not condition():
            await self.turn()
            await asyncio.sleep(0)

    async def event(self, trigger_id):
        """The one event of a trigger, once it has ended by itself."""
        await self.until(lambda: trigger_id in self.supervisor.events)
        await self.until(lambda: trigger_id not in self.runner.triggers)
        (event,) = self.supervisor.events[trigger_id]
        assert trigger_id not in self.supervisor.failures
        return event

    async def kill(self, *trigger_ids):
        """Stop triggers as after a change in the database, and wait until they have finished.

        They are cancelled again with each turn, of which the runner has one a second.
        """
        self.supervisor.to_cancel |= set(trigger_ids)
        tasks = [self.runner.triggers[each]["task"] for each in trigger_ids]
        while not all(task.done() for task in tasks):
            await self.turn()
            await asyncio.wait(tasks, timeout=self.period)
        await self.turn()

    async def stop(self):
        """Cancel everything, as the end of the process does."""
        running = [each["task"] for each in self.runner.triggers.values()]
        for task in running:
            task.cancel()
        if running:
            await asyncio.wait(running)


def connected(monkeypatch, server, **settings):
    """A supervisor whose connection ``etl`` leads to a server."""
    supervisor = Supervisor(
        ConnectionResult(
            conn_id="etl",
            conn_type="ncloud_data_flow",
            host=server.url,
            schema=None,
            login=server.access_key,
            password=server.secret_key,
            port=None,
            extra=None,
        )
    )
    monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", supervisor, raising=False)
    return supervisor


def trigger(job_id, *execution_ids, **arguments):
    return DataFlowRunTrigger(
        **{"conn_id": "etl", "job_id": job_id, "execution_ids": [*execution_ids], "task": TASK, **arguments}
    )
