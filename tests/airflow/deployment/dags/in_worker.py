"""A DAG whose task waits in its worker, and notes its processes for whoever sends them signals."""

import os
from datetime import timedelta
from pathlib import Path
from typing import Any

from airflow.sdk import DAG
from kill_points import FOLDER

from dataflow_async.airflow import DataFlowRunJobOperator


class Noted(DataFlowRunJobOperator):
    """Notes the process of the task and its supervisor."""

    def execute(self, context: Any) -> Any:
        note = Path(os.environ[FOLDER]) / f"{context['run_id']}-{context['ti'].try_number}"
        note.write_text(f"{os.getpid()} {os.getppid()}")
        return super().execute(context)


with DAG("in_worker", schedule=None):
    Noted(
        task_id="run",
        job_name="in_worker",
        parameters={"day": "{{ run_id }}"},
        deferrable=False,
        retries=1,
        retry_delay=timedelta(seconds=1),
    )
