"""Bulk tasks of a real Airflow that are killed, one between any two of its steps: each launch happens once all the same."""

from collections import Counter

import pytest

from tests.airflow.deployment.dags import kill_points

pytestmark = pytest.mark.slow
DAG_ID, RUN_ID = "in_waves", "run_1"


def test_each_launch_of_a_killed_task_happens_once(deployment, service):
    job_id = service.do(lambda: service.server.create_job(DAG_ID))
    service.do(lambda: service.server.script(job_id, [("COMPLETED", 3)], repeat=True))
    deployment.wait_for_dag(DAG_ID)
    deployment.api.start(DAG_ID, RUN_ID)
    assert deployment.wait_for_run(DAG_ID, RUN_ID, 400) == "success"

    planned = [f"{point}, {kill_points.TASK}" for point in kill_points.POINTS]
    assert deployment.deaths(DAG_ID) == dict(enumerate(planned))
    days = [[f"{index}.{number}" for number in range(5)] for index in range(len(planned))]
    assert service.launches(job_id) == Counter({day: 1 for row in days for day in row})
    outcomes = deployment.api.outcomes(DAG_ID, RUN_ID, "run", len(planned))
    day_of = service.days(job_id)
    assert [[day_of[it["execution_id"]] for it in row] for row in outcomes] == days
    assert {it["status"] for row in outcomes for it in row} == {"COMPLETED"}
