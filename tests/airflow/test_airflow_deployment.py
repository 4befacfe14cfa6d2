"""A night of a real Airflow whose parts are killed at every step: nothing is launched twice, and nothing is lost.

The tests are the steps of one run of a DAG, in their order: each goes on from the one before.
"""

import random
import re
import time
from collections import Counter

import pytest

from dataflow_async.emulator import verify_history
from tests.airflow.deployment.night import DAG_ID, Night
from tests.airflow.deployment.processes import until

pytestmark = pytest.mark.slow
WINDOW = 20
"""Seconds for which requests are counted."""


@pytest.fixture(scope="module")
def night(deployment, service):
    job_id = service.create_endless_job(DAG_ID)
    deployment.wait_for_dag(DAG_ID)
    print(f"seed {deployment.seed}")
    yield Night(deployment, service, job_id, random.Random(deployment.seed))
    print(deployment.took, deployment.memory)


def once_each(night):
    return Counter({str(day): 1 for day in range(night.tasks)})


def test_each_task_is_launched_once_though_workers_scheduler_and_triggerer_die(night):
    night.launch()
    assert night.service.launches(night.job_id) == once_each(night)
    planned = night.planned_deaths()
    died = night.deaths()
    assert died.items() <= planned.items()
    assert len(died) >= 0.8 * len(planned)  # a scheduler that dies takes its tasks with it, at any point
    assert len(night.killed) == 2


def test_polls_of_all_tasks_share_their_requests(night):
    since = time.time()
    time.sleep(WINDOW)
    until_ = time.time()
    polls = night.service.polls(since, until_)
    alone = night.service.polls_one_by_one(night.job_id, since, until_)
    print(f"{polls} requests instead of {sum(alone):.0f}; the youngest run alone takes {max(alone):.0f}")
    assert 0 < polls <= max(sum(alone) / 50, 2 * max(alone))  # the second part is the larger one of few tasks


BLOCKED = "async thread was blocked"
"""What Airflow logs when the event loop of a triggerer did nothing else for over 0.2 s; see the settings."""
LONG = 2.0
"""Seconds. A busy machine may take the processor away for a moment; a look-up or a call that blocks takes longer."""


def long_blocks(night):
    """For how long the event loops of triggerers were blocked, seconds, where it was long; print all of them."""
    found = [
        float(re.search(r"blocked for ([0-9.]+) seconds", line)[1])
        for line in night.deployment.logged(BLOCKED)
    ]
    print(f"seconds for which a loop was blocked: {found}")
    return [seconds for seconds in found if seconds > LONG]


def test_the_loop_of_the_triggerer_is_never_blocked(night):
    assert long_blocks(night) == []


def test_a_handover_cancels_nothing(night):
    before = night.triggerers()
    night.deployment.start_triggerer(2)
    first = night.deployment.parts["triggerer-1"]
    first.freeze()  # until it is taken for dead; then it finds that its triggers are another's
    after = night.wait_for_handover(before)
    first.thaw()
    until(lambda: night.deployment.logged(BLOCKED), "the first one sees that time has passed", 30)
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


def test_the_history_shows_nothing_doubled_and_nothing_lost(night):
    assert night.service.launches(night.job_id) == once_each(night)
    assert night.service.changes("canceled", night.job_id) == []
    assert verify_history(night.service.server.history) == []


def test_the_loop_of_the_triggerer_was_never_blocked_but_by_its_own_freeze(night):
    assert len(long_blocks(night)) == 1
