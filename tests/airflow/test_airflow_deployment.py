"""A night of a real Airflow whose parts are killed at every step: nothing is launched twice, and nothing is lost.

The tests are the steps of one run of a DAG, in their order: each goes on from the one before.
"""

import random
import time
from collections import Counter

import pytest

from dataflow_async.airflow.task_state import FINDING, NOT_STARTED
from dataflow_async.emulator import verify_history
from tests.airflow.deployment.beside import SHAPE, UNSEEN, Beside
from tests.airflow.deployment.dags.kill_points import BULK, POINTS, SENSOR, SENSOR_POINTS, WORKFLOW
from tests.airflow.deployment.deployment import LONG
from tests.airflow.deployment.night import DAG_ID, RUN_ID, Night
from tests.airflow.deployment.processes import until

pytestmark = pytest.mark.slow
WINDOW = 10
"""Seconds for which requests are counted, and five more for each hundred tasks: old runs are polled once a minute."""


@pytest.fixture(scope="module")
def night(deployment, service):
    job_id = service.create_endless_job(DAG_ID)
    deployment.wait_for_dag(DAG_ID)
    print(f"seed {deployment.seed}")
    beside = Beside.create(deployment, service)
    yield Night(deployment, service, job_id, beside, random.Random(deployment.seed))
    print(deployment.took, deployment.memory)


def once_each(night):
    return Counter({str(day): 1 for day in range(night.tasks)})


def test_each_task_is_launched_once_though_workers_scheduler_and_triggerer_die(night):
    night.launch()
    print_figures(night)
    assert night.service.launches(night.job_id) == once_each(night)
    assert_died(night, until_deferred=True)
    assert len(night.killed) == 2


def print_figures(night):
    launches = night.service.launches(night.job_id)
    doubled = sum(number - 1 for number in launches.values())
    lost = len(once_each(night) - launches)
    print(
        f"{night.tasks} tasks, {len(night.deaths())} deaths, killed {night.killed}: {doubled} doubled, {lost} lost"
    )


def assert_died(night, *, until_deferred):
    assert night.deaths() <= night.planned_deaths(until_deferred=False)
    planned = night.planned_deaths(until_deferred=until_deferred)
    died = night.deaths() & planned
    assert len(died) >= 0.8 * len(planned)  # a scheduler that dies takes its tasks with it, at any point


def test_workflows_start_once_though_all_of_that_dies(night):
    """One start was recorded, and its worker killed before it was sent: nothing proves that, so it is left to a person."""
    expected = [[1] * len(SHAPE) for _ in POINTS]
    expected[UNSEEN] = [0] * len(SHAPE)
    assert night.beside.starts() == expected


def test_bulk_launches_happen_once_though_all_of_that_dies(night):
    assert night.deployment.wait_for_run(BULK, RUN_ID, night.step_timeout) == "success"
    days = [[f"{index}.{number}" for number in range(5)] for index in range(len(POINTS))]
    assert night.service.launches(night.beside.bulk_job) == Counter(day for row in days for day in row)
    day_of = night.service.days(night.beside.bulk_job)
    outcomes = night.deployment.api.outcomes(BULK, RUN_ID, "run", len(POINTS))
    assert [[day_of[it["execution_id"]] for it in row] for row in outcomes] == days
    assert {it["status"] for row in outcomes for it in row} == {"COMPLETED"}


def print_polls(night, since, until_):
    polls = night.service.polls(night.job_id, since, until_)
    alone = night.service.polls_one_by_one(night.job_id, since, until_)
    share = f"1/{sum(alone) / polls:.0f}" if polls else "none"
    print(f"{polls} requests instead of {sum(alone):.0f}, {share}; a run alone takes up to {max(alone):.0f}")
    return polls, alone


def test_polls_of_all_tasks_share_their_requests(night):
    since = time.time()
    time.sleep(WINDOW + night.tasks / 20)
    until_ = time.time()
    print_polls(night, 0.0, until_)
    polls, alone = print_polls(night, since, until_)
    assert 0 < polls <= max(sum(alone) / 50, 2 * max(alone))  # the second part is the larger one of few tasks


def long_blocks(night):
    """Blocks of event loops of triggerers by this package that were too long; print the longest of all."""
    found = sorted(night.deployment.blocks, key=lambda it: -it.seconds)
    print(f"a loop was blocked {len(found)} times, the longest: {found[:3]}")
    return [it for it in found if it.seconds > LONG and it.is_ours and not it.is_freeze]


def test_the_loop_of_the_triggerer_is_never_blocked(night):
    assert long_blocks(night) == []


def test_a_handover_cancels_nothing(night):
    before = night.triggerers()
    night.deployment.start_triggerer(2)
    first = night.deployment.parts["triggerer-1"]
    first.freeze()  # until it is taken for dead; then it finds that its triggers are another's
    after = night.wait_for_handover(before)
    first.thaw()
    until(lambda: night.deployment.has_spared(DAG_ID), "the first one sees that time has passed", 60)
    until(lambda: night.deployment.api.healthy()["triggerer"] == "healthy", "both are healthy", 30)
    assert not after & before
    assert night.states() == {"deferred": night.tasks}
    assert night.service.changes("canceled", night.job_id) == []


def test_a_rolling_restart_cancels_nothing(night):
    for name in ("triggerer-2", "triggerer-1", "scheduler"):
        night.deployment.parts[name].stop()
        night.deployment.parts[name].start()
    until(night.triggerers, "triggers run again", 60)
    assert night.states() == {"deferred": night.tasks}
    assert night.service.changes("canceled", night.job_id) == []


def test_each_task_ends_with_the_outcome_of_its_own_run(night):
    night.resume()
    assert night.states() == {"success": night.tasks}
    days = night.service.days(night.job_id)
    outcomes = night.outcomes()
    assert [days[it["execution_id"]] for it in outcomes] == [str(day) for day in range(night.tasks)]
    assert {it["status"] for it in outcomes} == {"COMPLETED"}
    assert len(night.killed) == 5
    assert_died(night, until_deferred=False)


def test_each_sensor_reports_the_run_of_its_own_period(night):
    beside = night.beside
    assert beside.states(SENSOR) == {"success": len(SENSOR_POINTS)}
    runs = [night.service.runs(job_id) for job_id in beside.awaited]
    assert [len(each) for each in runs] == [2] * len(
        SENSOR_POINTS
    )  # one of before, and what was launched for it
    outcomes = night.deployment.api.outcomes(SENSOR, RUN_ID, "run", len(SENSOR_POINTS))
    assert [it["execution_id"] for it in outcomes] == [latest for _, latest in runs]


def test_a_start_that_a_person_has_not_found_is_repeated(night):
    """By a note in the state of its task; the runs of all other workflows have been reported."""
    assert night.beside.states(WORKFLOW) == {"success": len(POINTS) - 1, "failed": 1}
    api = night.deployment.api
    api.write_state(WORKFLOW, RUN_ID, "run", UNSEEN, FINDING, NOT_STARTED)
    api.clear(WORKFLOW, RUN_ID, "run", UNSEEN)
    until(lambda: night.beside.starts()[UNSEEN] == [1] * len(SHAPE), "it is started", 120)
    night.beside.finish()
    until(lambda: night.beside.states(WORKFLOW) == {"success": len(POINTS)}, "it is reported", 120)
    assert night.beside.starts() == [[1] * len(SHAPE) for _ in POINTS]
    outcomes = api.outcomes(WORKFLOW, RUN_ID, "run", len(POINTS))
    assert [it["workflow_id"] for it in outcomes] == list(night.beside.workflows)


def test_the_history_shows_nothing_doubled_and_nothing_lost(night):
    print_figures(night)
    assert night.service.launches(night.job_id) == once_each(night)
    for job_id in night.beside.jobs:
        assert night.service.changes("canceled", job_id) == []
    assert night.service.changes("canceled", night.job_id) == []
    assert verify_history(night.service.server.history) == []


def test_the_loop_of_the_triggerer_was_never_blocked_but_by_its_own_freeze(night):
    assert long_blocks(night) == []
    assert len([it for it in night.deployment.blocks if it.is_freeze]) <= 1
