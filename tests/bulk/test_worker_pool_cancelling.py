"""Leaving a bulk run at any moment, in any way: nothing half-recorded, nothing left behind (promise 9)."""

import asyncio
import gc
import inspect
import threading
import time
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from dataflow_async import Credentials, DataFlow, DataFlowError, Launch, PollPolicy, defaults
from dataflow_async.bulk.journal.store import JournalStore
from dataflow_async.bulk.journal.writer import JournalWriter
from dataflow_async.emulator import Emulator
from dataflow_async.emulator.audit.events import RequestReceived, StateChanged
from dataflow_async.emulator.audit.verify import read_journal, verify_history
from dataflow_async.wire.server_time import ServerTime
from tests.support.client import client
from tests.support.internals import calls_of, session_of
from tests.support.scripted import answer, gateway_error, scripted
from tests.support.threaded import running
from tests.support.turns import cancelled_after, run_counted, turns_of

KEYS = 4
POLL = PollPolicy(min_interval=0.01, max_interval=0.01)


@pytest.fixture(autouse=True)
def no_window(monkeypatch):
    monkeypatch.setattr(defaults, "JOURNAL_WINDOW", 0.0)


def launches(job_id, number=KEYS):
    return [Launch(job_id, parameters={"day": str(n)}, key=f"day-{n}") for n in range(number)]


@asynccontextmanager
async def service(**settings):
    async with Emulator(speed=2000) as server, server.client(poll=POLL, **settings) as flow:
        job = await flow.jobs.create("stock_import", type="SCRIPT")
        yield server, flow, job.job_id


def own_tasks():
    return {task for task in asyncio.all_tasks() if "/dataflow_async/" in repr(task)}


async def closings():
    """Where closing itself was cancelled, the run goes on with it by itself."""
    while own_tasks():
        await asyncio.wait(own_tasks())


def nothing_left(path, flow):
    assert own_tasks() == set()
    assert calls_of(flow).limiter.acquired == calls_of(flow).limiter.queued == 0
    assert open_files(path) == []


def open_files(path):
    found = []
    for link in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            found.append(str(link.readlink()))
    return [name for name in found if name.startswith(str(path))]


def closed_in_time(path):
    """What was cut off, in the middle of opening even, is closed by the journal's own thread, which ends with that."""
    deadline = time.monotonic() + 10
    while open_files(path) or any("dataflow_async-journal" in it.name for it in threading.enumerate()):
        gc.collect()
        assert time.monotonic() < deadline


def sent(server):
    return sum(isinstance(it, RequestReceived) and it.operation == "executeJob" for it in server.history)


def tells_the_truth(server, path):
    """The journal agrees with what the service knows, and leaves no launch open that was seen through."""
    rows = read_journal(path) if path.exists() else []
    assert verify_history(server.history, rows, finished=False) == []
    started = {
        it.parameters["day"]
        for it in server.history
        if isinstance(it, StateChanged) and it.what == "launched"
    }
    assert {row["key"] for row in rows} >= {f"day-{day}" for day in started}
    for row in rows:
        phases = {"accepted", "ended"} if row["key"].removeprefix("day-") in started else {"not_sent"}
        assert row["phase"] in phases


async def goes_on_to_its_end(server, flow, job_id, path, number=KEYS):
    """The same journal opens at once, and each launch has started once when all is done."""
    async with flow.run_all(launches(job_id, number), journal=path, visibility_delay=0.0) as run:
        outcomes = [outcome async for outcome in run]
    assert sorted(outcome.key for outcome in outcomes) == sorted(it.key for it in launches(job_id, number))
    assert {outcome.status for outcome in outcomes} == {"COMPLETED"}
    assert verify_history(server.history, read_journal(path)) == []
    assert len(server.state.executions) == number


# --- every moment --------------------------------------------------------------------------------------------------


async def takes_all(flow, job_id, path):
    async with flow.run_all(launches(job_id), journal=path, max_in_flight=2) as run:
        async for _ in run:
            pass


async def only_launches(flow, job_id, path):
    async with flow.launch_all(launches(job_id), journal=path, max_in_flight=3) as run:
        async for _ in run:
            pass


async def leaves_early(flow, job_id, path):
    async with flow.run_all(launches(job_id), journal=path, max_in_flight=3) as run:
        async for _ in run:
            break


async def awaits_a_slow_source(flow, job_id, path):
    async def source():
        for launch in launches(job_id):
            await asyncio.sleep(0.001)
            yield launch

    async with flow.run_all(source(), journal=path, max_in_flight=2) as run:
        async for _ in run:
            pass


PROGRAMS = [takes_all, only_launches, leaves_early, awaits_a_slow_source]


async def cancelled_everywhere(program, tmp_path, moments):
    """Cancel it at so many moments of its life, evenly spread."""
    async with service() as (_, flow, job_id):
        life = await turns_of(program(flow, job_id, tmp_path / "whole.db"))
    cut = 0
    for moment in range(moments):
        path = tmp_path / f"{moment}.db"
        async with service() as (server, flow, job_id):
            cut += await cancelled_after(life * moment // moments, program(flow, job_id, path))
            await closings()
            nothing_left(path, flow)
            tells_the_truth(server, path)
            await goes_on_to_its_end(server, flow, job_id, path)
    assert cut > moments / 2


@pytest.mark.parametrize("program", [takes_all, leaves_early])
def test_cancelled_at_any_moment_nothing_is_half_done(program, tmp_path):
    run_counted(cancelled_everywhere(program, tmp_path, moments=10))


@pytest.mark.slow
@pytest.mark.parametrize("program", PROGRAMS)
def test_cancelled_at_every_moment_nothing_is_half_done(program, tmp_path):
    run_counted(cancelled_everywhere(program, tmp_path, moments=100))


async def closing_cancelled(tmp_path):
    cut = 0
    for turns in range(0, 40, 4):
        path = tmp_path / f"{turns}.db"
        async with service() as (server, flow, job_id):
            run = flow.run_all(launches(job_id), journal=path, max_in_flight=2)
            await anext(run)
            cut += await cancelled_after(turns, run.aclose())
            await run.aclose()
            nothing_left(path, flow)
            tells_the_truth(server, path)
            await goes_on_to_its_end(server, flow, job_id, path)
    assert cut > 2


def test_closing_is_completed_when_it_is_cancelled_itself(tmp_path):
    run_counted(closing_cancelled(tmp_path))


async def cut_off(run, turns):
    """Cancel every task while the run closes, as asyncio.run does at its end; give whether all of them had begun."""
    closing = asyncio.create_task(run.aclose())
    for _ in range(turns):
        await asyncio.sleep(0)
    tasks = {it for it in asyncio.all_tasks() if "dataflow_async/" in repr(it)} | {closing}
    begun = all(inspect.getcoroutinestate(it.get_coro()) != inspect.CORO_CREATED for it in tasks)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    return begun


async def test_a_loop_that_ends_in_the_middle_of_closing_leaves_no_file_open(tmp_path):
    for turns in range(0, 60, 4):
        path = tmp_path / f"{turns}.db"
        with suppress(asyncio.CancelledError):  # the client finds its run cut off
            async with service() as (_, flow, job_id):
                run = flow.launch_all(launches(job_id), journal=path, max_in_flight=2)
                await anext(run)
                if not await cut_off(
                    run, turns
                ):  # what never ran can do nothing: the garbage collector does it
                    del run
                    await asyncio.sleep(0)  # the loop is told
                    gc.collect()
                deadline = time.monotonic() + 10
                while open_files(path):
                    assert time.monotonic() < deadline, turns
                    await asyncio.sleep(0)


async def test_a_journal_whose_closing_is_cut_off_is_closed_by_its_thread(tmp_path, monkeypatch):
    path = tmp_path / "backfill.db"
    release, commit = threading.Event(), JournalStore.commit

    def held(journal_store, group):
        release.wait(10)
        commit(journal_store, group)

    monkeypatch.setattr(JournalStore, "commit", held)
    writer = await JournalWriter.open(path, base_url="http://127.0.0.1:1", access_key="k")
    intent = asyncio.ensure_future(writer.intend("a", "j", b"s" * 16, None, ServerTime(0.0, 0.0)))
    closing = asyncio.create_task(writer.aclose())
    while not writer.commits.is_committing or writer.commits.closing is None:
        await asyncio.sleep(0)
    await asyncio.sleep(0)
    writer.commits.closing.cancel()
    await asyncio.wait([closing])
    release.set()
    assert await intent is None
    closed_in_time(path)


# --- every way -----------------------------------------------------------------------------------------------------


async def test_an_exception_in_the_body_closes_as_well(tmp_path):
    path = tmp_path / "backfill.db"
    async with service() as (server, flow, job_id):
        with pytest.raises(ZeroDivisionError):
            async with flow.run_all(launches(job_id), journal=path, max_in_flight=2) as run:
                async for _ in run:
                    raise ZeroDivisionError
        nothing_left(path, flow)
        tells_the_truth(server, path)
        await goes_on_to_its_end(server, flow, job_id, path)


async def test_an_iterator_that_is_dropped_releases_its_journal(tmp_path):
    path = tmp_path / "backfill.db"
    async with service() as (server, flow, job_id):
        async for _ in flow.run_all(launches(job_id), journal=path, max_in_flight=2):
            break
        gc.collect()
        await asyncio.sleep(0)  # the loop is told
        await closings()
        nothing_left(path, flow)
        tells_the_truth(server, path)
        await goes_on_to_its_end(server, flow, job_id, path)


async def test_a_client_that_is_closed_closes_its_runs_first(tmp_path):
    path = tmp_path / "backfill.db"
    async with service() as (server, flow, job_id):
        taken = []
        async with server.client(poll=POLL) as closed:
            run = closed.run_all(launches(job_id), journal=path, max_in_flight=2)
            taken.append(await anext(run))
        nothing_left(path, closed)
        tells_the_truth(server, path)
        taken += [outcome async for outcome in run]  # those that had come by then, and the end
        assert len(taken) < KEYS
        await goes_on_to_its_end(server, flow, job_id, path)


async def test_a_run_that_was_closed_before_it_began_does_nothing(tmp_path):
    path = tmp_path / "backfill.db"
    async with service() as (server, flow, job_id):
        run = flow.run_all(launches(job_id), journal=path)
        await run.aclose()
        assert [outcome async for outcome in run] == []
        assert sent(server) == 0
        assert not path.exists()


async def test_two_consumers_share_the_outcomes_and_both_hear_of_the_end():
    async def take(run):
        return [outcome.key async for outcome in run]

    async with service() as (_, flow, job_id):
        run = flow.run_all(launches(job_id), max_in_flight=2)
        one, other = await asyncio.gather(take(run), take(run))
    assert sorted(one + other) == [f"day-{n}" for n in range(KEYS)]


async def test_a_launch_that_waits_for_its_turn_when_the_run_is_closed_is_never_sent(tmp_path):
    """A launch in line for a slot is cheap to keep out of the air, and a run that starts all the same is not."""
    path = tmp_path / "backfill.db"
    async with service(max_concurrency=2) as (server, flow, job_id):
        await flow.jobs.page()  # the time is heard
        release, send = asyncio.Event(), session_of(flow).send

        async def held(*arguments):
            await release.wait()
            return await send(*arguments)

        session_of(flow).send = held
        run = flow.run_all(launches(job_id, 50), journal=path, max_in_flight=50)
        taking = asyncio.create_task(anext(run))
        while calls_of(flow).limiter.queued < 48:
            await asyncio.sleep(0)
        taking.cancel()
        closing = asyncio.create_task(run.aclose())
        await asyncio.sleep(0)
        release.set()
        await closing
        assert sent(server) == 2
        tells_the_truth(server, path)
        await goes_on_to_its_end(server, flow, job_id, path, 50)


async def test_a_launch_that_pauses_when_the_run_is_closed_is_never_sent(tmp_path):
    path = tmp_path / "backfill.db"

    def respond(request):
        return gateway_error(429, "410") if request.method == "POST" else answer(200, {"list": []})

    async with scripted(respond) as server, client(server.url, clock=None) as flow:
        run = flow.run_all(launches("a1", 1), journal=path)
        taking = asyncio.create_task(anext(run))
        while len(server.received) < 2 or calls_of(flow).limiter.acquired:
            await asyncio.sleep(0)
        taking.cancel()
        await run.aclose()
        assert [request.method for request in server.received] == ["GET", "POST"]
    assert [row["phase"] for row in read_journal(path)] == ["not_sent"]


# --- sources -------------------------------------------------------------------------------------------------------


async def test_a_source_that_raises_ends_the_run_and_releases_everything(tmp_path):
    path = tmp_path / "backfill.db"

    async def source(job_id):
        for launch in launches(job_id, 2):
            yield launch
        raise ZeroDivisionError

    async with service() as (server, flow, job_id):
        taken = []
        with pytest.raises(ZeroDivisionError):
            async for outcome in flow.run_all(source(job_id), journal=path):
                taken.append(outcome.status)
        assert taken == ["COMPLETED"] * 2
        nothing_left(path, flow)
        await goes_on_to_its_end(server, flow, job_id, path)


async def test_a_source_that_is_cancelled_ends_the_run_and_says_so():
    async def source(job_id):
        yield launches(job_id)[0]
        raise asyncio.CancelledError

    async with service() as (_, flow, job_id):
        run = flow.run_all(source(job_id))
        assert (await anext(run)).status == "COMPLETED"
        with pytest.raises(DataFlowError, match="something else than this run has cancelled its source"):
            await anext(run)


async def test_a_source_whose_end_fails_keeps_nothing_open(tmp_path):
    path = tmp_path / "backfill.db"

    class Source:
        def __aiter__(self):
            return self

        async def __anext__(self):
            try:
                await asyncio.Event().wait()
            finally:
                raise ZeroDivisionError

    async with service() as (_, flow, _job_id):
        run = flow.run_all(Source(), journal=path)
        taking = asyncio.create_task(anext(run))
        while not open_files(path):
            await asyncio.sleep(0)
        taking.cancel()
        await run.aclose()
        nothing_left(path, flow)


@pytest.mark.parametrize("end", ["fatal", "max_failures"])
async def test_a_source_that_gives_nothing_more_does_not_hold_up_a_run_that_has_stopped(end):
    left = asyncio.Event()

    async def source():
        try:
            yield Launch("a1", key="1")
            await asyncio.Event().wait()
        finally:
            left.set()

    refusal = gateway_error(403, "220") if end == "fatal" else gateway_error(400, "100")
    async with scripted(refusal) as server, client(server.url) as flow:
        taken = []

        async def take():
            async for outcome in flow.run_all(source(), max_failures=1 if end == "max_failures" else None):
                taken.append(outcome.status)

        (ended,) = await asyncio.gather(asyncio.wait_for(take(), 5), return_exceptions=True)
    assert taken == ["NOT_LAUNCHED"]
    assert type(ended).__name__ == ("PermissionDenied" if end == "fatal" else "NoneType")
    assert left.is_set()


async def test_a_source_that_swallows_its_cancellation_starts_nothing_more():
    async def source():
        yield Launch("a1", key="1")
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            yield Launch("a1", key="2")

    async with scripted(gateway_error(400, "100")) as server, client(server.url) as flow:
        outcomes = [outcome.key async for outcome in flow.run_all(source(), max_failures=1)]
    assert outcomes == ["1"]
    assert len(server.received) == 1


async def test_a_source_that_is_closed_meanwhile_ends_the_run():
    async with service() as (_, flow, job_id):
        source = (launch async for launch in given(job_id))
        async with flow.run_all(source, max_in_flight=1) as run:
            await anext(run)
            await source.aclose()
            rest = [outcome async for outcome in run]
    assert len(rest) <= 1


async def given(job_id):
    for launch in launches(job_id):
        yield launch


# --- whole programs ------------------------------------------------------------------------------------------------


async def programs_client(server, job_id, path, turns, again):
    """A program whose only task is cancelled after some turns, and then ``again`` at each turn."""
    main = asyncio.current_task()
    keys = Credentials(server.access_key, server.secret_key)

    async def interrupt():
        for _ in range(turns):
            await asyncio.sleep(0)
        main.cancel()
        while again:
            await asyncio.sleep(0)
            main.cancel()

    async with (
        DataFlow(keys, base_url=server.url, poll=POLL) as flow,
        flow.run_all(launches(job_id, 20), journal=path, max_in_flight=4) as run,
    ):
        interrupting = asyncio.create_task(interrupt())
        async for _ in run:
            pass
        interrupting.cancel()


async def finishing(server, job_id, path):
    keys = Credentials(server.access_key, server.secret_key)
    async with DataFlow(keys, base_url=server.url, poll=POLL) as flow:
        await goes_on_to_its_end(server, flow, job_id, path, 20)


@pytest.mark.parametrize(
    ("turns", "again"),
    [
        (1, False), (50, True), (150, False), (400, True),
        *(pytest.param(*case, marks=pytest.mark.slow) for case in [(1, True), (50, False), (150, True), (400, False)]),
    ],
)  # fmt: skip
def test_a_program_that_is_interrupted_can_be_run_again_at_once(tmp_path, turns, again):
    path = tmp_path / "backfill.db"
    with running(Emulator(speed=2000)) as server:
        job_id = asyncio.run(made(server))
        with pytest.raises(asyncio.CancelledError):
            asyncio.run(programs_client(server, job_id, path, turns, again))
        closed_in_time(path)
        if not again:
            tells_the_truth(server, path)
        asyncio.run(finishing(server, job_id, path))


async def made(server):
    keys = Credentials(server.access_key, server.secret_key)
    async with DataFlow(keys, base_url=server.url) as flow:
        return (await flow.jobs.create("stock_import", type="SCRIPT")).job_id
