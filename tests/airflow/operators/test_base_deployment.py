"""A task that waits in its worker, in a real Airflow: what signals, marks and the death of the worker do to its run."""

import os
import signal

import pytest

from dataflow_async.emulator import verify_history
from tests.airflow.deployment.processes import until

pytestmark = pytest.mark.slow
DAG_ID = "in_worker"


SIGNALLED, MARKED, KILLED = RUN_IDS = ("signalled", "marked", "killed")
"""Runs of the DAG, by what is done to their tasks."""


class InWorker:
    """Three runs of the DAG at the same time, each with one task."""

    def __init__(self, deployment, service, job_id):
        self.deployment = deployment
        self.service = service
        self.job_id = job_id

    def start(self):
        """Start the DAG, and wait until each task waits for its run."""
        for run_id in RUN_IDS:
            self.deployment.api.start(DAG_ID, run_id)
        until(lambda: set(self.runs) == set(RUN_IDS), "runs are launched", 180)
        until(lambda: all(self.polls(run_id) > 1 for run_id in RUN_IDS), "they are awaited", 120)

    @property
    def runs(self):
        """The run of the service that each run of the DAG has launched."""
        days = self.service.days(self.job_id)
        assert len(set(days.values())) == len(days)  # it has launched one
        return {run_id: run for run, run_id in days.items()}

    def polls(self, run_id):
        target = f"/executions/{self.runs[run_id]}"
        return sum(target in getattr(event, "target", "") for event in list(self.service.server.history))

    def status(self, run_id):
        return self.service.do(lambda: self.service.server.status(self.runs[run_id]))

    def processes(self, run_id):
        """The process of the first try of the task, and its supervisor."""
        return [int(pid) for pid in self.note(run_id, 1).read_text("utf-8").split()]

    def note(self, run_id, try_number):
        return self.deployment.home / "killed" / f"{run_id}-{try_number}"

    def ends_well(self, run_id):
        """Let a run complete, and return whether the run of the DAG succeeds."""
        self.service.finish([self.runs[run_id]])
        return self.deployment.wait_for_run(DAG_ID, run_id, 60) == "success"


@pytest.fixture(scope="module")
def in_worker(deployment, service):
    job_id = service.create_endless_job(DAG_ID)
    deployment.wait_for_dag(DAG_ID)
    started = InWorker(deployment, service, job_id)
    started.start()
    for pid in reversed(started.processes(KILLED)):  # it takes Airflow a while to notice
        os.kill(pid, signal.SIGKILL)
    return started


def test_a_signal_to_a_task_that_is_to_run_cancels_nothing(in_worker):
    os.kill(in_worker.processes(SIGNALLED)[0], signal.SIGTERM)
    polls = in_worker.polls(SIGNALLED)
    until(lambda: in_worker.polls(SIGNALLED) > polls + 2, "the task goes on", 60)
    assert in_worker.status(SIGNALLED) == "RUNNING"
    assert in_worker.ends_well(SIGNALLED)


def test_a_task_that_is_marked_as_failed_has_its_run_cancelled(in_worker):
    in_worker.deployment.api.mark(DAG_ID, MARKED, "run", "failed")
    until(lambda: in_worker.status(MARKED) == "CANCELED", "the run is cancelled", 60)


def test_a_worker_that_dies_leaves_its_run_to_the_next_try(in_worker):
    until(in_worker.note(KILLED, 2).exists, "the next try begins", 120)
    assert in_worker.status(KILLED) == "RUNNING"
    assert in_worker.ends_well(KILLED)
    assert len(in_worker.runs) == len(RUN_IDS)
    assert verify_history(in_worker.service.server.history) == []
