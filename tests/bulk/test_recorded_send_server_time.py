"""Intents in server time: what is not heard, and what is corrected, before a launch goes out (ruling 87)."""

import math

import attrs
import pytest

from dataflow_async import Journal, Launch
from dataflow_async.emulator import Emulator
from dataflow_async.emulator.api.auth import WINDOW
from tests.support.clocks import LeapClock
from tests.support.examples import first_quick
from tests.support.internals import session_of


@attrs.frozen
class Follower:
    """A clock that is off by so much, and sleeps with the service's."""

    service: LeapClock
    ahead: float = 0.0

    def time(self):
        return self.service.time() + self.ahead

    def monotonic(self):
        return self.service.monotonic()

    async def sleep(self, seconds, /):
        await self.service.sleep(seconds)


def days(job, count=3):
    return [Launch(job.job_id, parameters={"day": str(n)}, key=f"day-{n}") for n in range(count)]


def entries(path):
    with Journal.open(path) as journal:
        return list(journal.rows())


@pytest.mark.parametrize("fault", ["close", "500", "429", "html", "401"])
async def test_server_time_that_cannot_be_established_does_not_matter(tmp_path, fault):
    clock = LeapClock()
    path = tmp_path / "j.db"
    async with Emulator(clock=clock, faults=f"getJobs {fault}") as server:
        async with server.client(clock=clock) as other:
            job = await other.jobs.create("stock_import", type="SCRIPT")
        async with server.client(clock=clock) as flow:
            outcomes = [outcome async for outcome in flow.run_all(days(job), journal=path)]
    assert [outcome.status for outcome in outcomes] == ["COMPLETED"] * 3


@pytest.mark.parametrize("off", [-3600.0, 3600.0])
async def test_an_intent_is_widened_durably_before_its_launch_is_sent_by_a_corrected_clock(tmp_path, off):
    """Our clock is an hour off, and nothing was heard: the first launch meets the 401 that tells it."""
    ours = LeapClock()
    truth = ours.now - off
    path = tmp_path / "j.db"
    seen = []
    async with Emulator(clock=LeapClock(now=truth), faults="getJobs close") as server:
        async with server.client(clock=LeapClock(now=truth)) as other:
            job = await other.jobs.create("stock_import", type="SCRIPT")
        async with server.client(clock=ours) as flow:
            send = session_of(flow).send

            async def spying(call, *arguments):
                if call.operation.name == "executeJob":
                    (entry,) = entries(path)
                    seen.append((entry.intended_from, entry.intended_until))
                return await send(call, *arguments)

            session_of(flow).send = spying
            (outcome,) = [outcome async for outcome in flow.launch_all(days(job, 1), journal=path)]
    assert outcome.execution is not None
    assert len(seen) == 2
    earliest, latest = seen[1]
    assert earliest <= truth
    assert latest >= truth - 2


WRONG = {
    "right": ("", WINDOW, 0.0),
    "11 minutes ahead, now and then": ("date-header 30%", WINDOW, 0.0),
    "2 hours ahead": ("date-header seconds=7200", WINDOW, 0.0),
    "2 hours behind, now and then": ("date-header seconds=-7200 50%", WINDOW, 0.0),
    "4 minutes ahead": ("date-header seconds=240", WINDOW, 0.0),
    "any timestamp passes, our clock is slow": ("", math.inf, -7200.0),
    "any timestamp passes, our clock is fast": ("", math.inf, 7200.0),
    "our clock is fast, no hearing": ("getJobs close", math.inf, 7200.0),
    "our clock is corrected": ("", WINDOW, 3600.0),
    "whole seconds": ("dates shift=0 fraction=cut", WINDOW, 0.0),
}


@pytest.mark.parametrize("correlation_parameter", first_quick(None, "key"))
@pytest.mark.parametrize(("faults", "window", "off"), WRONG.values(), ids=WRONG)
async def test_no_launch_starts_twice_whatever_time_answers_show(
    tmp_path, faults, window, off, correlation_parameter
):
    """Half of the launches are lost, before or after their effect; then the run is left, and a right clock goes on."""
    service = LeapClock()
    path = tmp_path / "j.db"
    closing = f"{faults + '; ' if faults else ''}executeJob close 25%; executeJob close after 25%"
    async with Emulator(clock=service, seed=3, signature_window=window, faults=closing) as server:
        async with server.client(clock=Follower(service)) as other:
            job = await other.jobs.create("stock_import", type="SCRIPT")
        for ahead, taken in ((off, 3), (0.0, 12)):
            async with server.client(clock=Follower(service, ahead)) as flow:
                outcomes = {}
                async with flow.run_all(
                    days(job, 12), journal=path, correlation_parameter=correlation_parameter
                ) as bulk:
                    async for outcome in bulk:
                        outcomes[outcome.key] = outcome
                        if len(outcomes) == taken:
                            break
        days_started = [run.parameters["day"] for run in server.state.executions.values()]
    assert sorted(days_started) == sorted(set(days_started))
    completed = {key for key, outcome in outcomes.items() if outcome.status == "COMPLETED"}
    assert {outcome.status for outcome in outcomes.values()} <= {"COMPLETED", "UNCERTAIN"}
    if faults in ("", "dates shift=0 fraction=cut") and (window != math.inf or correlation_parameter):
        others = [outcome for key, outcome in outcomes.items() if key not in completed]
        assert len(others) <= 1  # the last to be sent, which has not started: nothing is younger
        assert all("no run listed is known to be younger" in str(it.error) for it in others)
        assert not {it.launch.parameters["day"] for it in others} & set(days_started)
