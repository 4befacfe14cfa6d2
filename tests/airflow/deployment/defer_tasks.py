"""Defers mapped tasks of a run of a DAG without a worker, thousands in seconds; run in the environment of a deployment.

Usage: ``python defer_tasks.py DAG_ID RUN_ID CLASSPATH < ARGUMENTS``, where those are a JSON array with an object for each task: what
its trigger is made of.
"""

import json
import sys

from airflow.models.taskinstance import TaskInstance
from airflow.models.trigger import Trigger
from airflow.utils import timezone
from airflow.utils.session import create_session
from airflow.utils.state import TaskInstanceState


def main() -> None:
    """Defer the tasks."""
    dag_id, run_id, classpath = sys.argv[1:]
    with create_session() as session:
        tasks = session.query(TaskInstance).filter_by(dag_id=dag_id, run_id=run_id)
        for task, arguments in zip(tasks.order_by(TaskInstance.map_index), json.load(sys.stdin), strict=True):
            trigger = Trigger(classpath, arguments)
            session.add(trigger)
            session.flush()
            task.state, task.start_date, task.try_number = TaskInstanceState.DEFERRED, timezone.utcnow(), 1
            task.trigger_id, task.next_method, task.next_kwargs = trigger.id, "execute_complete", {}


if __name__ == "__main__":
    main()
