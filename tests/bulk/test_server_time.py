"""Intents in server time: what is not heard, and what is corrected, before a launch goes out (ruling 87)."""

import pytest

from dataflow_async import Journal, Launch
from dataflow_async.emulator import Emulator
from tests.support.clocks import LeapClock


def days(job, count=3):
    return [Launch(job.job_id, parameters={"day": str(n)}, key=f"day-{n}") for n in range(count)]


def entries(path):
    with Journal.open(path) as journal:
        return list(journal.rows())


@pytest.mark.parametrize("fault", ["close", "500", "429", "html", "401"])
async def test_a_hearing_that_fails_does_not_matter(tmp_path, fault):
    clock = LeapClock()
    path = tmp_path / "j.db"
    async with Emulator(clock=clock, weather=f"getJobs {fault}") as server:
        async with server.client(clock=clock) as other:
            job = await other.jobs.create("stock_import", type="SCRIPT")
        async with server.client(clock=clock) as flow:
            outcomes = [outcome async for outcome in flow.run_all(days(job), journal=path)]
    assert [outcome.status for outcome in outcomes] == ["COMPLETED"] * 3
