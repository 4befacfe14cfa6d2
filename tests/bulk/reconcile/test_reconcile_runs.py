"""A launch whose answer was lost, through `run_all` and over loopback: found, or launched once more, or reported."""

import asyncio
import logging

import attrs
import pytest

from dataflow_async import (
    InvalidRequest,
    Journal,
    JournalError,
    Launch,
    LaunchUncertain,
    NotSent,
    defaults,
)
from dataflow_async.bulk.journal.writer import JournalWriter
from dataflow_async.emulator import Emulator
from dataflow_async.emulator.audit.events import RequestReceived
from tests.support.client import RUN, client
from tests.support.clocks import LeapClock
from tests.support.scripted import RESET, answer, scripted
from tests.support.world import JOB, VISIBILITY_DELAY, Echo, Send, World

BEFORE, AFTER = "before", "after"


def losing(losses):
    """The faults under which the answers to these launches, by their number from 1, are lost before or after their effect."""
    return "; ".join(f"executeJob reset {when} #{number}" for number, when in losses.items())


def posts(server):
    """How many launches the server has received."""
    return sum(isinstance(it, RequestReceived) and it.operation == "executeJob" for it in server.history)


@attrs.define
class Off:
    """Another clock's time, off by some seconds."""

    clock: LeapClock
    seconds: float

    def time(self) -> float:
        return self.clock.time() + self.seconds


@pytest.fixture
def path(tmp_path):
    return tmp_path / "backfill.db"


@pytest.fixture
def clock():
    return LeapClock()


def days(job, count=1):
    return [Launch(job.job_id, parameters={"day": str(n)}, key=f"day-{n}") for n in range(count)]


def phases(path):
    with Journal.open(path) as journal:
        return {(row.key, row.attempt): row.state for row in journal.rows()}


async def taken(run):
    return {outcome.key: outcome async for outcome in run}


async def listed(flow, job):
    return [run async for run in flow.jobs.executions(job.job_id)]


@pytest.mark.parametrize("more", [{}, {"correlation_parameter": "key"}, {"assume_exclusive": True}], ids=str)
@pytest.mark.parametrize("off", [0.0, 299.0, -299.0])
@pytest.mark.parametrize("loss", [BEFORE, AFTER])
async def test_a_lost_launch_starts_exactly_once_however_clocks_differ(path, clock, loss, off, more):
    async with (
        Emulator(clock=Off(clock, off), faults=losing({2: loss})) as server,
        server.client(clock=clock) as flow,
    ):
        job = await flow.jobs.create("stock_import", type="SCRIPT")
        outcomes = await taken(flow.run_all(days(job, 3), journal=path, max_in_flight=1, **more))
        runs = await listed(flow, job)
    assert {outcome.status for outcome in outcomes.values()} == {"COMPLETED"}
    assert sorted(run.parsed_parameters["day"] for run in runs) == ["0", "1", "2"]
    assert posts(server) == (4 if loss is BEFORE else 3)
    assert {outcome.execution.job_execution_id for outcome in outcomes.values()} == {
        run.job_execution_id for run in runs
    }
    early = "correlation_parameter" in more and loss is AFTER
    assert (max(clock.naps) > defaults.VISIBILITY_DELAY - 2) is not early


async def test_a_run_that_echoes_its_key_is_adopted_before_it_has_settled(path, clock):
    async with Emulator(clock=clock, faults=losing({1: AFTER})) as server, server.client(clock=clock) as flow:
        job = await flow.jobs.create("stock_import", type="SCRIPT")
        began = clock.monotonic()
        outcomes = await taken(flow.launch_all(days(job), journal=path, correlation_parameter="key"))
        assert clock.monotonic() - began < 10
    assert phases(path) == {("day-0", 1): "accepted"}
    assert outcomes["day-0"].execution.parsed_parameters == {"day": "0", "key": "day-0"}


async def test_absence_counts_from_the_last_send(path, clock):
    async with (
        Emulator(clock=clock, faults=losing({1: BEFORE, 2: BEFORE})) as server,
        server.client(clock=clock) as flow,
    ):
        job = await flow.jobs.create("stock_import", type="SCRIPT")
        outcomes = await taken(flow.run_all(days(job), journal=path, visibility_delay=500.0))
    assert posts(server) == 3
    assert sum(nap > 499 for nap in clock.naps) == 2
    assert outcomes["day-0"].status == "COMPLETED"


async def test_a_launch_lost_at_every_send_fails_and_is_launched_by_the_next_run(path, clock):
    losses = dict.fromkeys(range(1, defaults.MAX_ATTEMPTS + 1), BEFORE)
    async with Emulator(clock=clock, faults=losing(losses)) as server, server.client(clock=clock) as flow:
        job = await flow.jobs.create("stock_import", type="SCRIPT")
        first = await taken(flow.run_all(days(job), journal=path))
        assert phases(path) == {("day-0", 1): "not_sent"}
        second = await taken(flow.run_all(days(job), journal=path))
    assert first["day-0"].status == "NOT_LAUNCHED"
    assert isinstance(first["day-0"].error, NotSent)
    assert second["day-0"].status == "COMPLETED"
    assert posts(server) == defaults.MAX_ATTEMPTS + 1


async def test_a_strangers_run_makes_a_launch_uncertain_until_its_key_shows(path, clock):
    async with (
        Emulator(clock=clock, faults=losing({1: BEFORE})) as server,
        server.client(clock=clock) as flow,
    ):
        job = await flow.jobs.create("stock_import")
        stranger = server.launch(job.job_id)
        (outcome,) = (await taken(flow.run_all([Launch(job.job_id, key="a")], journal=path))).values()
        assert outcome.status == "UNCERTAIN"
        assert isinstance(outcome.error, LaunchUncertain)
        assert [run.job_execution_id for run in outcome.error.candidates] == [stranger]
        assert phases(path) == {("a", 1): "unknown"}
        again = await taken(flow.run_all([Launch(job.job_id, key="a")], journal=path))
        assert again["a"].status == "UNCERTAIN"
        assert posts(server) == 1
        sure = await taken(flow.run_all([Launch(job.job_id, key="a")], journal=path, on_uncertain="relaunch"))
    assert sure["a"].status == "COMPLETED"
    assert sure["a"].execution.job_execution_id != stranger
    assert posts(server) == 2


async def test_a_launch_relaunched_and_lost_each_time_stays_uncertain(path, clock):
    losses = dict.fromkeys(range(1, 9), BEFORE)
    async with Emulator(clock=clock, faults=losing(losses)) as server, server.client(clock=clock) as flow:
        job = await flow.jobs.create("stock_import")
        server.launch(job.job_id)
        run = flow.run_all([Launch(job.job_id, key="a")], journal=path, on_uncertain="relaunch")
        assert (await taken(run))["a"].status == "UNCERTAIN"
    assert posts(server) == defaults.MAX_ATTEMPTS
    assert phases(path) == {("a", 1): "unknown"}


async def test_a_clock_that_is_hours_ahead_does_not_make_a_run_look_older_than_its_intent(path):
    clock = LeapClock()
    async with Emulator(clock=Off(clock, -7200.0), faults=losing({2: AFTER})) as server:
        job = server.create_job("stock_import", type="SCRIPT")
        async with server.client(clock=clock) as flow:
            run = flow.run_all([Launch(job, parameters={"day": "1"}, key="a")], journal=path, max_in_flight=1)
            outcomes = await taken(run)
            runs = [run async for run in flow.jobs.executions(job)]
    assert outcomes["a"].status == "COMPLETED"
    assert len(runs) == 1


async def test_a_rerun_whose_answer_is_lost_does_not_take_the_first_attempts_run(path, clock):
    for loss in (BEFORE, AFTER):
        async with Emulator(clock=clock, faults=losing({2: loss}), fail_rate=1.0) as server:
            journal = path.with_name(f"{loss}.db")
            async with server.client(clock=clock) as flow:
                job = await flow.jobs.create("stock_import", type="SCRIPT")
                first = await taken(flow.run_all(days(job), journal=journal, correlation_parameter="key"))
                second = await taken(
                    flow.run_all(days(job), journal=journal, correlation_parameter="key", rerun=("FAILED",))
                )
                runs = await listed(flow, job)
        ids = [outcomes["day-0"].execution.job_execution_id for outcomes in (first, second)]
        assert len(runs) == 2
        assert sorted(ids) == sorted(run.job_execution_id for run in runs)
        assert phases(journal) == {("day-0", 1): "FAILED", ("day-0", 2): "FAILED"}


async def test_other_settings_under_a_known_key_and_a_key_twice_end_the_run(path, clock):
    async with Emulator(clock=clock) as server, server.client(clock=clock) as flow:
        job = await flow.jobs.create("stock_import", type="SCRIPT")
        await taken(flow.run_all(days(job), journal=path))
        other = Launch(job.job_id, parameters={"day": "another"}, key="day-0")
        with pytest.raises(InvalidRequest, match="'day-0' stands in the journal with other settings"):
            await taken(flow.run_all([other], journal=path))
        with pytest.raises(InvalidRequest, match="must name one launch"):
            await taken(flow.run_all(days(job) * 2, journal=path))
    assert posts(server) == 1


# --- listings that fail, or disagree -----------------------------------------------------------------------

PAGE = {"list": [], "count": 0}


def lost_then(*lists):
    """Answer a launch with a reset, the first list kindly, later ones in order, and everything else as done."""
    remaining = list(lists)
    posts = 0

    def respond(request):
        nonlocal posts
        if request.method == "POST":
            posts += 1
            return RESET if posts == 1 else answer(202, RUN)
        if "executions?" in request.target or "execution?" in request.target:
            return remaining.pop(0) if remaining else answer(200, PAGE)
        return answer(200, {**RUN, "status": "COMPLETED", "list": []})

    return respond


async def test_listings_that_fail_for_a_while_are_waited_for(path):
    weather = [answer(500), RESET, answer(503), answer(200, "{"), answer(404, "<p>Not here.</p>")]
    async with scripted(lost_then(*weather)) as server, client(server.url) as flow:
        outcomes = await taken(flow.launch_all([Launch("Jq3kT9vLmN2x", key="a")], journal=path))
    assert outcomes["a"].execution is not None
    assert sum(request.method == "POST" for request in server.received) == 2


@pytest.mark.parametrize("status", [400, 403, 404])
async def test_listings_that_will_never_work_leave_it_uncertain(path, status):
    respond = lost_then(*[answer(status, {"errorType": "bad-request", "detail": "no"})] * 50)
    async with scripted(respond) as server, client(server.url) as flow:
        outcomes = await taken(flow.launch_all([Launch("Jq3kT9vLmN2x", key="a")], journal=path))
    assert outcomes["a"].status == "UNCERTAIN"
    assert "can't be listed" in str(outcomes["a"].error)
    assert sum(request.method == "POST" for request in server.received) == 1


def row(name):
    return {**RUN, "jobExecutionId": name, "createdDate": None, "status": "RUNNING"}


def pages(*names):
    """A list of one page, and the empty one after it."""
    return answer(200, {"list": [row(name) for name in names]}), answer(200, PAGE)


async def test_two_listings_that_disagree_prove_nothing_and_a_list_that_keeps_changing_never_will(path):
    lists = [page for n in range(50) for page in pages(f"run{n}")]
    async with scripted(lost_then(*lists)) as server, client(server.url) as flow:
        outcomes = await taken(flow.launch_all([Launch("Jq3kT9vLmN2x", key="a")], journal=path))
    assert "kept changing" in str(outcomes["a"].error)
    assert sum("page=0" in target for target in server.targets) == 2 + defaults.CONSISTENT_TRIES


async def test_a_list_that_keeps_changing_can_still_show_a_run_that_echoes_the_key(path):
    own = {**row("own"), "parsedParameters": {"key": "a"}}
    lists = [answer(200, PAGE)]
    for n in range(50):
        lists += [answer(200, {"list": [row(f"run{n}"), own]}), answer(200, PAGE)]
    async with scripted(lost_then(*lists)) as server, client(server.url) as flow:
        launches = [Launch("Jq3kT9vLmN2x", key="a")]
        outcomes = await taken(flow.launch_all(launches, journal=path, correlation_parameter="key"))
    assert outcomes["a"].execution.job_execution_id == "own"


async def test_a_run_that_only_one_of_two_listings_shows_keeps_it_from_being_launched(path):
    lists = [answer(200, PAGE), *pages("late"), *pages("late")]
    async with scripted(lost_then(*lists)) as server, client(server.url) as flow:
        outcomes = await taken(flow.launch_all([Launch("Jq3kT9vLmN2x", key="a")], journal=path))
    assert [run.job_execution_id for run in outcomes["a"].error.candidates] == ["late"]


# --- leaving, and journals that fail -----------------------------------------------------------------------


async def test_a_run_left_while_a_launch_is_uncertain_closes_at_once_and_the_next_finds_out(path):
    release = asyncio.Event()

    class Stopped(LeapClock):
        stops = True

        async def sleep(self, seconds, /):
            if self.stops and seconds > 60:
                release.set()
                await asyncio.Event().wait()
            await super().sleep(seconds)

    clock = Stopped()
    async with Emulator(clock=clock, faults=losing({1: AFTER})) as server, server.client(clock=clock) as flow:
        job = await flow.jobs.create("stock_import", type="SCRIPT")
        async with flow.run_all(days(job), journal=path) as run:
            taking = asyncio.create_task(anext(run))
            await asyncio.wait_for(release.wait(), 60)
            taking.cancel()
        assert phases(path) == {("day-0", 1): "unknown"}
        clock.stops = False
        outcomes = await taken(flow.run_all(days(job), journal=path))
    assert outcomes["day-0"].resumed
    assert outcomes["day-0"].status == "COMPLETED"
    assert posts(server) == 1


async def test_a_run_left_before_the_answer_is_lost_does_not_wait_for_it_to_settle(path):
    clock, sent, release = LeapClock(), asyncio.Event(), asyncio.Event()

    class Held(Off):
        """The clock of a server that holds a launch until it is released."""

        async def sleep(self, seconds, /):
            sent.set()
            await release.wait()

    faults = f"executeJob latency mean=1 #1; {losing({1: AFTER})}"
    async with Emulator(clock=Held(clock, 0.0), faults=faults) as server, server.client(clock=clock) as flow:
        job = await flow.jobs.create("stock_import", type="SCRIPT")
        run = flow.run_all(days(job), journal=path)
        taking = asyncio.create_task(anext(run))
        await asyncio.wait_for(sent.wait(), 60)
        taking.cancel()
        closing = asyncio.create_task(run.aclose())
        await asyncio.sleep(0)
        release.set()
        await asyncio.wait_for(closing, 60)
    assert phases(path) == {("day-0", 1): "unknown"}
    assert max(clock.naps, default=0.0) < 60


@pytest.mark.parametrize(
    ("method", "status"),
    [
        ("intend", "NOT_LAUNCHED"),
        ("accepted", None),
        ("unknown", "UNCERTAIN"),
        ("known_runs", "UNCERTAIN"),
        ("count_parameters", "UNCERTAIN"),
        ("unresolved", "UNCERTAIN"),
        ("intend_again", "NOT_LAUNCHED"),
        ("ended", "COMPLETED"),
    ],
)
async def test_a_journal_that_fails_ends_the_run_and_the_outcome_says_what_is_known(
    path, clock, monkeypatch, caplog, method, status
):
    async def fails(*_, **__):
        raise JournalError("the disk is full")

    monkeypatch.setattr(JournalWriter, method, fails)
    losses = {} if method in ("intend", "accepted", "ended") else {1: BEFORE}
    outcomes = []
    async with Emulator(clock=clock, faults=losing(losses)) as server, server.client(clock=clock) as flow:
        job = await flow.jobs.create("stock_import", type="SCRIPT")
        with pytest.raises(JournalError, match="the disk is full"):
            async for outcome in flow.run_all(days(job), journal=path):
                outcomes.append(outcome)
        runs = await listed(flow, job)
    (outcome,) = outcomes
    assert outcome.status == status
    assert isinstance(outcome.error, JournalError)
    assert outcome.error.may_have_run is (status != "NOT_LAUNCHED")
    assert [run.job_execution_id for run in runs] == (
        [outcome.execution.job_execution_id] if outcome.execution else []
    )
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


# --- every phase at resume, in a world of arithmetic -------------------------------------------------------

ONE = Launch(JOB, key="a", parameters={"day": "1"})


@pytest.fixture
def world():
    made = World(Echo())
    yield made
    made.close()


@pytest.mark.parametrize("steps", range(9))
@pytest.mark.parametrize("send", [Send(), Send(heard=False), Send(effect=False, heard=False)], ids=str)
def test_killed_at_any_step_it_goes_on_and_starts_once(world, steps, send):
    first = world.live([ONE], [send], steps=steps)
    (outcome,) = world.live([ONE])
    assert outcome.status == "COMPLETED"
    assert len(world.runs) == 1
    (entry,) = world.entries()
    assert (entry.status, entry.execution_id) == ("COMPLETED", world.runs[0].id)
    assert first is None or first[0].status == "COMPLETED"


def test_a_run_that_shows_late_is_found_as_long_as_it_shows_before_it_settles(world):
    (outcome,) = world.live([ONE], [Send(heard=False, unseen=VISIBILITY_DELAY - 5)])
    assert outcome.execution.job_execution_id == "run0"
    assert len(world.runs) == 1


@pytest.mark.parametrize("steps", [2, 3, 4])
def test_a_launch_that_a_killed_process_left_has_time_to_show_as_well(world, steps):
    assert world.live([ONE], [Send(heard=False, unseen=VISIBILITY_DELAY - 5)], steps=steps) is None
    assert len(world.runs) == 1
    (outcome,) = world.live([ONE])
    assert outcome.execution.job_execution_id == "run0"
    assert len(world.runs) == 1


@pytest.mark.parametrize("clock_off", [299.0, -299.0])
@pytest.mark.parametrize("correlation_parameter", [None, "key"])
def test_clocks_that_differ_by_almost_ten_minutes_hide_no_run(world, clock_off, correlation_parameter):
    """By its key a run is known unless it seems to have ended before the intent: that is doubt, never absence."""
    (outcome,) = world.live(
        [ONE],
        [Send(heard=False)],
        correlation_parameter=correlation_parameter,
        clock_off=clock_off,
        send_off=-clock_off,
    )
    (run,) = outcome.error.candidates if outcome.error else [outcome.execution]
    assert run.job_execution_id == "run0"
    assert len(world.runs) == 1


@pytest.mark.parametrize("page", [1, 2, 7])
def test_capped_pages_hide_nothing(page):
    world = World(Echo(), page=page)
    launches = [Launch(JOB, key=str(n), parameters={"day": str(n)}) for n in range(9)]
    outcomes = world.live(launches, [Send(heard=False)] * 9)
    assert {outcome.status for outcome in outcomes} == {"COMPLETED"}
    assert len(world.runs) == 9
    world.close()


@pytest.mark.parametrize(("before", "after"), [("key", None), ("key", "other"), (None, "key")])
def test_a_launch_sent_under_another_correlation_parameter_is_found_by_its_parameters(world, before, after):
    world.live([ONE], [Send(heard=False)], correlation_parameter=before, steps=3)
    (outcome,) = world.live([ONE], correlation_parameter=after)
    assert outcome.execution.job_execution_id == "run0"
    assert len(world.runs) == 1


def test_a_launch_left_unresolved_long_ago_need_not_settle_again(world):
    world.live([ONE], [Send(heard=False)], steps=4)
    assert [entry.state for entry in world.entries()] == ["unknown"]
    world.clock.advance(defaults.CLOCK_MARGIN + VISIBILITY_DELAY)
    began = world.clock.time()
    world.live([ONE])
    assert world.clock.time() - began < 60
