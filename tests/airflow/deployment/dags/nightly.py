"""The DAGs of the real deployment: one of each operator whose tasks die, and three tasks to be marked by hand."""

import os
from datetime import timedelta

from airflow.sdk import DAG
from kill_points import BULK, LARGE, MANY, POINTS, SENSOR, SENSOR_POINTS, TASKS, TRIGGERS, WORKFLOW, mortal

from dataflow_async.airflow import (
    DataFlowBulkOperator,
    DataFlowJobSensor,
    DataFlowRunJobOperator,
    DataFlowRunWorkflowOperator,
)

RETRIES = {"retries": 8, "retry_delay": timedelta(seconds=1)}
LISTED = {"visibility_delay": 5.0}
FOUND_AGAIN = {"correlation_parameter": "launch_key", **LISTED}


def days(number: int) -> list[dict[str, str]]:
    """Return the parameters of as many days."""
    return [{"day": str(day)} for day in range(number)]


with DAG(LARGE, schedule=None, default_args=RETRIES):
    mortal(DataFlowRunJobOperator).partial(task_id="run", job_name=LARGE, **FOUND_AGAIN).expand(
        parameters=days(int(os.environ.get(TASKS, "1")))
    )

with DAG(BULK, schedule=None, default_args=RETRIES):
    mortal(DataFlowBulkOperator).partial(task_id="run", max_in_flight=3, **FOUND_AGAIN).expand(
        launches=[
            [{"job_name": BULK, "parameters": {"day": f"{index}.{number}"}} for number in range(5)]
            for index in range(len(POINTS))
        ]
    )

with DAG(WORKFLOW, schedule=None, default_args=RETRIES | {"retries": 4}):  # one of them ends uncertain
    mortal(DataFlowRunWorkflowOperator).partial(
        task_id="run", workflow_id="{{ dag_run.conf['workflows'][ti.map_index] }}", **LISTED
    ).expand(payload=days(len(POINTS)))

with DAG(SENSOR, schedule=None, default_args=RETRIES):
    mortal(DataFlowJobSensor).partial(
        task_id="run",
        job_id="{{ dag_run.conf['jobs'][ti.map_index] }}",
        window_start="{{ dag_run.conf['since'] }}",
        poke_interval=2,
    ).expand(doc=[str(index) for index in range(len(SENSOR_POINTS))])

with DAG("by_hand", schedule=None, default_args=RETRIES):
    DataFlowRunJobOperator.partial(task_id="run", job_name="by_hand", **FOUND_AGAIN).expand(
        parameters=days(3)
    )

with DAG(MANY, schedule=None):  # nothing of the pool is run, so a test defers its tasks
    DataFlowRunJobOperator.partial(task_id="run", job_name=MANY, pool=MANY).expand(
        parameters=days(int(os.environ.get(TRIGGERS, "1")))
    )
