"""A thousand deferred tasks of one triggerer, in a real Airflow: their start, their handover and their ends, each at once."""

import pytest

from dataflow_async.airflow.trigger import DataFlowRunTrigger
from tests.airflow.deployment.dags.kill_points import MANY
from tests.airflow.deployment.deployment import LONG
from tests.airflow.deployment.processes import until

pytestmark = pytest.mark.slow
RUN_ID = "at_once"
SECONDS = 180
"""Most seconds of a step; the supervisor of a triggerer reads about twenty lines a second while hundreds of triggers start."""


@pytest.fixture(scope="module")
def many(deployment, service):
    """The ids of the runs that the tasks wait for, none of which a worker has run."""
    job_id = service.create_endless_job(MANY)
    deployment.wait_for_dag(MANY)
    if "triggerer-2" in deployment.parts:
        deployment.parts["triggerer-2"].stop()
    api, number = deployment.api, deployment.triggers
    api.add_closed_pool(MANY)
    api.start(MANY, RUN_ID)
    until(lambda: api.count(MANY, RUN_ID, "scheduled") == number, "all tasks are scheduled", SECONDS)
    runs = service.do(lambda: [service.server.launch(job_id) for _ in range(number)])
    conn_id = deployment.connection["connection_id"]
    arguments = [{"conn_id": conn_id, "job_id": job_id, "execution_ids": [run]} for run in runs]
    deployment.defer(MANY, RUN_ID, DataFlowRunTrigger, arguments)
    return {"job_id": job_id, "runs": runs}


def number_of_logs(deployment, text):
    """How many logs of triggers hold a text."""
    return sum(text in it.read_text("utf-8") for it in deployment.trigger_logs(MANY))


def triggerers(deployment):
    """The ids of the triggerers that the tasks wait in; None for a task that waits in none."""
    found = [it["triggerer_job"] for it in deployment.api.tasks(MANY, RUN_ID)]
    return {None if it is None else it["id"] for it in found}


def test_all_wait_though_they_start_at_once(many, deployment):
    number = deployment.triggers
    until(lambda: number_of_logs(deployment, "is RUNNING") == number, "all see their runs", SECONDS)


def test_all_are_handed_over_and_nothing_is_cancelled(many, deployment, service):
    before = triggerers(deployment)
    deployment.start_triggerer(2)
    first = deployment.parts["triggerer-1"]
    first.freeze()  # until it is taken for dead

    def are_elsewhere():
        return not triggerers(deployment) & {*before, None}

    until(are_elsewhere, "the other triggerer has all", SECONDS)
    first.thaw()
    until(lambda: deployment.has_spared(MANY), "the first one sees that time has passed", 60)
    assert deployment.api.states(MANY, RUN_ID) == {"deferred": deployment.triggers}
    assert service.changes("canceled", many["job_id"]) == []
    number = 2 * deployment.triggers  # logs: one for each task and triggerer
    until(lambda: number_of_logs(deployment, "is RUNNING") == number, "the other one sees all runs", SECONDS)


def test_all_events_arrive_though_many_runs_end_at_once(many, deployment, service):
    half = many["runs"][::2]
    service.finish(half)
    until(lambda: deployment.api.count(MANY, RUN_ID, "scheduled") == len(half), "tasks are resumed", SECONDS)
    assert number_of_logs(deployment, "is COMPLETED") == len(half)


def test_all_runs_are_cancelled_when_their_dag_run_is_marked_as_failed(many, deployment, service):
    deployment.api.mark_run(MANY, RUN_ID, "failed")
    others = len(many["runs"]) - len(many["runs"][::2])
    until(lambda: len(service.changes("canceled", many["job_id"])) >= others, "they are cancelled", SECONDS)
    assert service.do(lambda: {service.server.status(run) for run in many["runs"][1::2]}) == {"CANCELED"}
    assert service.do(lambda: {service.server.status(run) for run in many["runs"][::2]}) == {"COMPLETED"}


def test_nothing_of_the_library_has_blocked_the_loop_of_a_triggerer(many, deployment):
    assert [it for it in deployment.blocks if it.seconds > LONG and it.is_ours and not it.is_freeze] == []
