"""Time-outs of waits: nobody times out unseen, and nothing a wait does outlives its time-out by much."""

import asyncio

import pytest

from dataflow_async import ExecutionRef, InvalidRequest, JobExecution, PollPolicy, WaitTimeout
from dataflow_async.polling.waiter import Waiter
from tests.support.client import RUN, client
from tests.support.examples import first_quick
from tests.support.fake_service import FakeService, Waits, outage
from tests.support.scripted import STALL, answer, gateway_error, scripted
from tests.support.warp import warped

REF = ExecutionRef(RUN["jobId"], RUN["jobExecutionId"])


def now():
    return asyncio.get_running_loop().time()


class Service(FakeService):
    """The fake, with a cancel call."""

    def __init__(self, **settings):
        super().__init__(**settings)
        self.cancelled = []

    async def cancel_execution(self, job_id, execution_id, /):
        self.cancelled.append(now())
        await self.travel()


class Patient:
    """What a client waits with, by the virtual clock."""

    def __init__(self, service, **settings):
        self.waits = Waits(service, **settings)
        self.spawned = []
        self.waiter = Waiter(self.waits.tracker, service, PollPolicy(), self.spawn)

    def spawn(self, work):
        self.spawned.append(asyncio.ensure_future(work()))
        return self.spawned[-1]


# --- in line -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("timeout", first_quick(3.0, 0.0))
@warped
async def test_a_queued_wait_does_not_time_out_unpolled_while_others_are_answered(timeout):
    service = FakeService(latency=0.05)
    service.page = lambda job, number, rows: []  # every run has to be asked for by its id
    waits = Waits(service, capacity=lambda: 4)
    waits.begin([service.start(ends=0.0) for _ in range(3000)], timeout)
    assert {getattr(run, "status", run) for run in await waits.all()} == {"COMPLETED"}
    assert now() > 30
    await waits.at_rest()


@warped
async def test_a_queued_wait_does_not_time_out_while_page_after_page_is_read():
    service = FakeService(latency=1.0)
    waits = Waits(service, capacity=lambda: 1)
    refs = [service.start(ends=0.0) for _ in range(10_000)]
    waits.begin(refs, 2.0)
    assert {getattr(run, "status", run) for run in await waits.all()} == {"COMPLETED"}
    assert now() > 8


@pytest.mark.parametrize("hangs", [False, True])
@warped
async def test_queued_waits_on_a_dead_service_end_near_their_time_out(hangs):
    service = FakeService(latency=30.0 if hangs else 0.01)

    def fail(*_):
        raise outage()

    service.page = service.get = fail
    waits = Waits(service, capacity=lambda: 4)
    waits.begin([service.start(job=f"job{number % 40}") for number in range(400)], 1.0)
    assert {type(error) for error in await waits.all()} == {WaitTimeout}
    assert now() <= 5.1
    await waits.at_rest()


@warped
async def test_the_last_poll_gets_a_moment_and_no_more():
    service = FakeService(latency=0.4)
    ref = service.start(ends=10.0)
    assert (await Waits(service).wait(ref, 10.0)).status == "COMPLETED"
    ref = service.start(ends=1e9)
    began, waits = now(), Waits(service)
    waits.begin([ref], 9.9)
    await asyncio.sleep(9.5)
    service.latency = 50.0
    with pytest.raises(WaitTimeout, match="RUNNING"):
        await waits.tasks[0]
    assert now() - began <= 10.91


class Hanging(FakeService):
    """Does not answer about one job, or one run."""

    def __init__(self, hangs):
        super().__init__(latency=0.02)
        self.hangs = hangs

    async def execution(self, job_id, execution_id, /):
        await self._hang(ExecutionRef(job_id, execution_id))
        return await super().execution(job_id, execution_id)

    async def run_page(self, job_id, number, limit, /):
        await self._hang(ExecutionRef(job_id, "a page"))
        return await super().run_page(job_id, number, limit)

    async def _hang(self, ref):
        if self.hangs(ref):
            await asyncio.sleep(30)
            raise outage()


@warped
async def test_a_wait_for_a_job_that_hangs_ends_near_its_time_out_though_others_are_answered():
    service = Hanging(lambda ref: ref.job_id == "hangs")
    waits = Waits(service)
    waits.begin([service.start(ends=1e9, job="lively") for _ in range(3)])
    await asyncio.sleep(5)
    waits.begin([service.start(ends=1e9, job="hangs") for _ in range(3)], 1.0)
    for task in waits.tasks[3:]:
        with pytest.raises(WaitTimeout):
            await task
    assert now() <= 5 + 5.1
    for task in waits.tasks[:3]:
        task.cancel()


@pytest.mark.parametrize("known", [False, True])
@warped
async def test_a_sibling_that_hangs_does_not_put_off_the_end_of_a_wait(known):
    service = Hanging(lambda ref: ref == hanging)
    service.page = lambda job, number, rows: []
    hanging, other = service.start(ends=1e9), service.start(ends=1e9)
    waits = Waits(service, PollPolicy(min_interval=20.0, max_interval=30.0))
    if known:
        waits.begin([other])
        await asyncio.sleep(50)
    waits.begin([hanging])
    await asyncio.sleep(0.1)
    began = now()
    with pytest.raises(WaitTimeout, match="RUNNING"):
        await waits.wait(other, 7.0)
    assert 7.0 <= now() - began <= 8.1
    for task in waits.tasks:
        task.cancel()


# --- cancel_on_timeout ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("latency", [0.1, 1.0, 100.0])
@warped
async def test_cancelling_a_run_that_took_too_long_takes_three_seconds_at_most(latency):
    service = Service()
    ref = service.start(ends=1e9, script=["RUNNING"])
    patient = Patient(service)
    waiting = asyncio.ensure_future(patient.waiter.wait(ref, timeout=2.0, cancel_on_timeout=True))
    await asyncio.sleep(1.9)
    service.latency = latency
    with pytest.raises(WaitTimeout) as caught:
        await waiting
    assert now() <= 2.0 + 1.0 + 3.0 + 0.01
    assert caught.value.execution.status == "RUNNING"
    await asyncio.gather(*patient.spawned)
    assert len(service.cancelled) == 1


async def test_a_wait_with_cancel_on_timeout_ends_near_its_time_out_on_a_dead_service():
    async with scripted(STALL) as server, client(server.url, timeout=0.3, clock=None) as flow:
        loop = asyncio.get_running_loop()
        began = loop.time()
        with pytest.raises(WaitTimeout):
            await flow.wait(REF, timeout=0.1, cancel_on_timeout=True)
        assert loop.time() - began < 5.0


async def test_cancel_on_timeout_is_still_sent_to_a_refusing_service():
    async with scripted(gateway_error(503, "500")) as server, client(server.url) as flow:
        with pytest.raises(WaitTimeout):
            await flow.wait(REF, timeout=0.0, cancel_on_timeout=True)
        assert any("/cancel" in target for target in server.targets)


# --- on_change -----------------------------------------------------------------------------------------------


@warped
async def test_a_callback_that_hangs_does_not_outlive_the_time_out():
    service = FakeService()
    ref = service.start(ends=1e9)
    stopped = []

    async def hang(execution):
        try:
            await asyncio.sleep(1e6)
        finally:
            stopped.append(now())

    with pytest.raises(WaitTimeout, match="on_change") as caught:
        await Patient(service).waiter.wait(ref, timeout=7.0, on_change=hang)
    assert stopped == [pytest.approx(7.0, abs=0.01)]
    assert caught.value.execution_ref == ref and caught.value.execution.status in {"READY", "RUNNING"}


@warped
async def test_a_run_that_has_ended_is_returned_though_its_callback_hangs(caplog):
    service = FakeService()
    ref = service.start(ends=0.0)

    async def hang(execution):
        await asyncio.sleep(1e6)

    ended = await Patient(service).waiter.wait(ref, timeout=7.0, on_change=hang)
    assert ended.status == "COMPLETED" and now() == pytest.approx(7.0, abs=0.01)
    assert "on_change was cancelled" in caplog.text


@warped
async def test_a_time_out_of_the_callbacks_own_stays_its_own():
    service = FakeService()
    ref = service.start(ends=1e9)

    async def fail(execution):
        raise TimeoutError("mine")

    with pytest.raises(TimeoutError, match="mine"):
        await Patient(service).waiter.wait(ref, timeout=7.0, on_change=fail)


class Later:
    """Awaitable, and no coroutine."""

    def __init__(self, done):
        self.done = done

    def __await__(self):
        yield from asyncio.sleep(0.5).__await__()
        self.done.append(now())


@pytest.mark.parametrize("kind", ["async def", "awaitable", "callable object", "def"])
@warped
async def test_whatever_a_callback_returns_is_awaited(kind):
    service = FakeService()
    ref = service.start(ends=5.0)
    done = []

    async def coroutine(execution):
        await asyncio.sleep(0.5)
        done.append(now())

    class Object:
        async def __call__(self, execution):
            await coroutine(execution)

    callbacks = {
        "async def": coroutine,
        "awaitable": lambda _: Later(done),
        "callable object": Object(),
        "def": lambda _: done.append(now()),
    }
    await Patient(service).waiter.wait(ref, on_change=callbacks[kind])
    assert len(done) == 3


@pytest.mark.parametrize("given", [5, "print", JobExecution])
async def test_a_callback_that_can_not_be_called_is_refused_before_anything_is_sent(given):
    async with scripted(answer(200, RUN)) as server, client(server.url) as flow:
        with pytest.raises(InvalidRequest, match="on_change"):
            await flow.wait(REF, on_change=given)
        assert server.received == []
