"""A task that waits in its worker, in a real Airflow: what signals, marks and the death of the worker do to its run."""

import os
import signal

import pytest

from dataflow_async.emulator import verify_history
from tests.airflow.deployment.processes import until

pytestmark = pytest.mark.slow
DAG_ID = "in_worker"


class InWorker:
    """Runs of the DAG, one after the other."""

    def __init__(self, deployment, service, job_id):
        self.deployment = deployment
        self.service = service
        self.job_id = job_id

    def start(self, run_id):
        """Start the DAG, wait until its task waits for a run, and return the run."""
        before = len(self.runs)
        self.deployment.api.start(DAG_ID, run_id)
        until(lambda: len(self.runs) > before, "a run is launched", 90)
        run = self.runs[-1]
        until(lambda: self.polls(run) > 1, "it is awaited", 60)
        return run

    @property
    def runs(self):
        return [it.resource_id for it in self.service.changes("launched", self.job_id)]

    def polls(self, run):
        target = f"/executions/{run}"
        return sum(target in getattr(event, "target", "") for event in list(self.service.server.history))

    def status(self, run):
        return self.service.do(lambda: self.service.server.status(run))

    def processes(self, run_id, try_number=1):
        """The process of the task, and its supervisor."""
        note = self.deployment.home / "killed" / f"{run_id}-{try_number}"
        return [int(pid) for pid in note.read_text("utf-8").split()]


@pytest.fixture(scope="module")
def in_worker(deployment, service):
    job_id = service.create_endless_job(DAG_ID)
    deployment.wait_for_dag(DAG_ID)
    return InWorker(deployment, service, job_id)


def test_a_signal_to_a_task_that_is_to_run_cancels_nothing(in_worker):
    run = in_worker.start("signalled")
    os.kill(in_worker.processes("signalled")[0], signal.SIGTERM)
    polls = in_worker.polls(run)
    until(lambda: in_worker.polls(run) > polls + 2, "the task goes on", 60)
    assert in_worker.status(run) == "RUNNING"
    in_worker.service.finish([run])
    assert in_worker.deployment.wait_for_run(DAG_ID, "signalled", 60) == "success"


def test_a_task_that_is_marked_as_failed_has_its_run_cancelled(in_worker):
    run = in_worker.start("marked")
    in_worker.deployment.api.call(
        "PATCH", f"/dags/{DAG_ID}/dagRuns/marked/taskInstances/run", {"new_state": "failed"}
    )
    until(lambda: in_worker.status(run) == "CANCELED", "the run is cancelled", 60)


def test_a_worker_that_dies_leaves_its_run_to_the_next_try(in_worker):
    run = in_worker.start("killed")
    for pid in reversed(in_worker.processes("killed")):
        os.kill(pid, signal.SIGKILL)
    note = in_worker.deployment.home / "killed" / "killed-2"
    until(note.exists, "the next try begins", 120)
    in_worker.service.finish([run])
    assert in_worker.deployment.wait_for_run(DAG_ID, "killed", 60) == "success"
    assert in_worker.runs[-1] == run
    assert verify_history(in_worker.service.server.history) == []
