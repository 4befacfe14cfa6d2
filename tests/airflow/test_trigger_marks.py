"""What becomes of a run whose deferred task is marked or cleared by hand, in a real Airflow."""

import pytest

from tests.airflow.deployment.processes import until

pytestmark = pytest.mark.slow
DAG_ID, RUN_ID = "by_hand", "run_1"
FAILED, SUCCESS, CLEARED = range(3)
"""Map indexes, by what is done to them."""


@pytest.fixture(scope="module")
def runs(deployment, service):
    """The runs of three deferred tasks, by their map index, after each was marked or cleared."""
    job_id = service.create_endless_job(DAG_ID)
    deployment.wait_for_dag(DAG_ID)
    deployment.api.start(DAG_ID, RUN_ID)
    until(lambda: deployment.api.states(DAG_ID, RUN_ID) == {"deferred": 3}, "three tasks are deferred", 120)
    # Before its trigger runs, Airflow removes the trigger of a task that is marked without a word to it.
    # Before a triggerer has its connection, a kill has less time.
    until(lambda: all_see_their_runs(deployment), "all triggers see their runs", 120)
    deployment.api.mark(DAG_ID, RUN_ID, "run", "failed", FAILED)
    deployment.api.mark(DAG_ID, RUN_ID, "run", "success", SUCCESS)
    deployment.api.clear(DAG_ID, RUN_ID, "run", CLEARED)
    return {int(day): execution_id for execution_id, day in service.days(job_id).items()}


def all_see_their_runs(deployment):
    logs = [it.read_text("utf-8") for it in deployment.trigger_logs(DAG_ID)]
    return len(logs) == 3 and all("is RUNNING" in log for log in logs)


def status(service, execution_id):
    return service.do(lambda: service.server.status(execution_id))


@pytest.mark.parametrize("index", [FAILED, SUCCESS])
def test_the_run_of_a_task_that_is_marked_is_canceled(runs, service, index):
    until(lambda: status(service, runs[index]) == "CANCELED", "the run is canceled", 40)


def test_a_task_that_is_cleared_takes_up_its_run(runs, deployment, service):
    def again():
        [task] = [it for it in deployment.api.tasks(DAG_ID, RUN_ID) if it["map_index"] == CLEARED]
        return task["state"] == "deferred" and task["try_number"] == 2

    until(again, "the next try is deferred", 60)
    assert status(service, runs[CLEARED]) == "RUNNING"
    service.finish([runs[CLEARED]])
    until(lambda: deployment.api.states(DAG_ID, RUN_ID).get("success") == 2, "the cleared task succeeds", 60)
    job_id = service.do(lambda: service.server.state.executions[runs[CLEARED]].job_id)
    assert len(service.changes("launched", job_id)) == 3


def test_the_log_of_each_task_has_its_own_lines_and_those_of_its_kill(runs, deployment):
    """Each trigger has a log of its own; the second try of the cleared task is one more."""
    logs = [it.read_text("utf-8") for it in deployment.trigger_logs(DAG_ID)]
    named = [{run for run in runs.values() if run in log} for log in logs]
    assert sorted(len(each) for each in named) == [1, 1, 1, 1]
    for index in (FAILED, SUCCESS):
        (log,) = [it for it in logs if runs[index] in it]
        assert "waiting for " in log
        assert "is cancelled, because its task has ended" in log
    assert any("its task goes on: no run is cancelled" in log for log in logs if runs[CLEARED] in log)
