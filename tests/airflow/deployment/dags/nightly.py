"""The DAGs of the real deployment: many days at once and days in waves, whose tasks die, and three tasks to be marked by hand."""

import os
from datetime import timedelta

from airflow.sdk import DAG
from kill_points import POINTS, TASKS, mortal

from dataflow_async.airflow import DataFlowBulkOperator, DataFlowRunJobOperator

RETRIES = {"retries": 8, "retry_delay": timedelta(seconds=1)}
FOUND_AGAIN = {"correlation_parameter": "launch_key", "visibility_delay": 5.0}


def days(number: int) -> list[dict[str, str]]:
    """Return the parameters of as many days."""
    return [{"day": str(day)} for day in range(number)]


with DAG("nightly", schedule=None, default_args=RETRIES):
    mortal(DataFlowRunJobOperator).partial(task_id="run", job_name="nightly", **FOUND_AGAIN).expand(
        parameters=days(int(os.environ.get(TASKS, "1")))
    )

with DAG("by_hand", schedule=None, default_args=RETRIES):
    DataFlowRunJobOperator.partial(task_id="run", job_name="by_hand", **FOUND_AGAIN).expand(
        parameters=days(3)
    )

with DAG("in_waves", schedule=None, default_args=RETRIES):
    mortal(DataFlowBulkOperator).partial(task_id="run", max_in_flight=3, **FOUND_AGAIN).expand(
        launches=[
            [{"job_name": "in_waves", "parameters": {"day": f"{index}.{number}"}} for number in range(5)]
            for index in range(len(POINTS))
        ]
    )
