"""Dags run in this process, as `dag.test()` does, against an emulator in a thread of its own."""

from __future__ import annotations

import itertools
import json
from contextlib import contextmanager
from datetime import timedelta

import pendulum
from airflow.dag_processing.bundles.manager import DagBundlesManager
from airflow.dag_processing.collection import update_dag_parsing_results_in_db
from airflow.models.taskinstance import clear_task_instances
from airflow.models.xcom import XComModel
from airflow.sdk import DAG
from airflow.sdk.definitions.dag import _run_task
from airflow.serialization.serialized_objects import LazyDeserializedDAG
from airflow.utils.session import create_session
from airflow.utils.state import TaskInstanceState

from dataflow_async.emulator import Emulator
from dataflow_async.emulator.threaded import loop_in_a_thread

NUMBERS = itertools.count(1)
AT_ONCE = {"retry_delay": timedelta(0)}


@contextmanager
def threaded_emulator(**settings):
    """Run an emulator beside this thread, which Airflow's tasks block."""
    with loop_in_a_thread() as on_loop:
        server = Emulator(**settings)
        on_loop(server.start())
        try:
            yield server
        finally:
            on_loop(server.stop())


def connection(server):
    """What an environment variable holds for a connection to an emulator."""
    return json.dumps(
        {
            "conn_type": "ncloud_data_flow",
            "login": server.access_key,
            "password": server.secret_key,
            "extra": {"base_url": server.url},
        }
    )


class DagRuns:
    """Runs of one Dag: a given one, or one whose tasks a function makes."""

    def __init__(self, make_tasks=None, *, dag=None):
        if dag is None:
            with DAG(f"dag{next(NUMBERS)}", schedule=None) as dag:
                make_tasks()
        self.dag, self.dag_id = dag, dag.dag_id
        DagBundlesManager().sync_bundles_to_db()
        with create_session() as session:
            update_dag_parsing_results_in_db(
                "dags-folder",
                None,
                [LazyDeserializedDAG.from_dag(self.dag)],
                {},
                None,
                set(),
                session=session,
                files_parsed=None,
            )
        self.run = None

    def test(self, **settings):
        """Run the Dag as `dag.test()` does, and return the state of its run."""
        day = pendulum.datetime(2026, 1, 1).add(days=next(NUMBERS))
        self.run = self.dag.test(**({"logical_date": day} | settings))
        return str(self.run.state)

    def clear(self, task_id):
        """Clear a task as a person does, and run it again; return the state of its instance."""
        with create_session() as session:
            (ti,) = [it for it in self.run.get_task_instances(session=session) if it.task_id == task_id]
            clear_task_instances([ti], session)
            ti.state = TaskInstanceState.SCHEDULED
            ti.try_number += 1
            session.commit()
            _run_task(ti=ti, task=self.dag.task_dict[task_id], run_triggerer=True)
        with create_session() as session:
            return str(
                next(it.state for it in self.run.get_task_instances(session=session) if it.task_id == task_id)
            )

    def xcoms(self, task_id):
        """Return the return values of the instances of a task, in the order of their map index."""
        with create_session() as session:
            rows = session.query(XComModel).filter_by(
                dag_id=self.dag_id, run_id=self.run.run_id, task_id=task_id, key="return_value"
            )
            found = {row.map_index: XComModel.deserialize_value(row) for row in rows}
        return [found[index] for index in sorted(found)]


class Death(Exception):
    """The worker dies here."""


def dies(monkeypatch, owner, method, *, after=False, at=1):
    """Let one call of a method raise, the first unless told otherwise, before or after it has done its work."""
    whole, calls = getattr(owner, method), itertools.count(1)

    async def dying(self, *arguments, **more):
        if next(calls) != at:
            return await whole(self, *arguments, **more)
        if after:
            await whole(self, *arguments, **more)
        raise Death(method)

    monkeypatch.setattr(owner, method, dying)


def context_of(task, **more):
    """The context of a first try, with what else is given."""

    class Instance:
        dag_id, run_id, task_id, map_index, try_number, max_tries = "d", "r", "run", -1, 1, 0
        start_date = pendulum.now()

    return {"ti": Instance(), "task": task, **more}
