"""The concurrency limiter of a client: fair, bounded, and adapted by 429 answers."""

import asyncio
from random import Random

import pytest

from dataflow_async import QuotaExceeded
from dataflow_async.transport.limiter import ConcurrencyLimiter
from tests.support.client import RUN_OF_A1, client
from tests.support.clocks import LeapClock
from tests.support.internals import calls_of, session_of
from tests.support.scripted import answer, gateway_error, scripted


async def test_slots_go_to_the_longest_queued_call():
    limiter = ConcurrencyLimiter(1)
    await limiter.acquire()
    order = []

    async def acquire(name, **how):
        await limiter.acquire(**how)
        order.append(name)
        limiter.release()

    tasks = [asyncio.create_task(acquire(n)) for n in range(5)]
    await asyncio.sleep(0)
    tasks.append(asyncio.create_task(acquire("repeat", at_head=True)))
    await asyncio.sleep(0)
    limiter.release()
    await asyncio.gather(*tasks)
    assert order == ["repeat", 0, 1, 2, 3, 4]
    assert limiter.acquired == 0


async def test_a_cancelled_call_in_the_queue_neither_takes_nor_loses_a_slot():
    limiter = ConcurrencyLimiter(1)
    await limiter.acquire()
    queued = [asyncio.create_task(limiter.acquire()) for _ in range(3)]
    await asyncio.sleep(0)
    queued[0].cancel()
    limiter.release()  # hands the slot to the second ...
    queued[1].cancel()  # ... which is cancelled in the same instant
    await asyncio.gather(*queued, return_exceptions=True)
    assert queued[2].done() and not queued[2].cancelled()
    limiter.release()
    assert limiter.acquired == 0
    assert limiter.queued == 0
    await asyncio.wait_for(limiter.acquire(), 60)


async def test_capacity_halves_once_per_burst_and_grows_by_one_per_as_many_successes():
    limiter = ConcurrencyLimiter(64)
    decreases = [await limiter.acquire() for _ in range(64)]
    for decreases_at_start in decreases:
        limiter.decrease(decreases_at_start)
        limiter.release()
    assert limiter.capacity == 32
    limiter.decrease(await limiter.acquire())
    assert limiter.capacity == 16
    for _ in range(15):
        limiter.record_success()
    assert limiter.capacity == 16
    limiter.record_success()
    assert limiter.capacity == 17


async def test_a_large_capacity_grows_by_one_per_hundred_successes():
    limiter = ConcurrencyLimiter(1000)
    limiter.decrease(await limiter.acquire())
    for _ in range(99):
        limiter.record_success()
    assert limiter.capacity == 500
    limiter.record_success()
    assert limiter.capacity == 501


async def successes_per_tick(share, ticks=2_000):
    """Return the successes per tick when all calls of a full limiter end with each tick, ``share`` of them throttled."""
    limiter, chance, successes = ConcurrencyLimiter(64), Random(7), 0
    for _ in range(ticks):
        for _ in range(limiter.capacity):
            decreases_at_start = await limiter.acquire()
            if chance.random() < share:
                limiter.decrease(decreases_at_start)
            else:
                limiter.record_success()
                successes += 1
            limiter.release()
    return successes / ticks


@pytest.mark.parametrize(("share", "least"), [(0.0, 64), (0.01, 10), (0.02, 7)])
async def test_stray_throttling_does_not_collapse_the_capacity(share, least):
    assert await successes_per_tick(share) >= least


async def test_capacity_stays_between_one_and_the_maximum():
    limiter = ConcurrencyLimiter(3)
    for _ in range(5):
        limiter.decrease(await limiter.acquire())
        limiter.release()
    assert limiter.capacity == 1
    for _ in range(1000):
        limiter.record_success()
    assert limiter.capacity == 3


async def test_a_throttled_call_halves_the_capacity_of_its_client():
    async with scripted(gateway_error(429, "420"), answer(200, {"jobId": "a1"})) as server:
        async with client(server.url, max_concurrency=10) as flow:
            await flow.jobs.get("a1")
            assert calls_of(flow).limiter.capacity == 5


async def test_exceeded_quota_is_not_repeated_and_keeps_the_capacity():
    async with scripted(gateway_error(429, "400")) as server, client(server.url) as flow:
        with pytest.raises(QuotaExceeded):
            await flow.jobs.get("a1")
        assert calls_of(flow).limiter.capacity == calls_of(flow).limiter.max_capacity
    assert len(server.received) == 1


async def test_two_thousand_gathered_calls_are_sent_with_fresh_signatures_and_none_times_out():
    """A slow gateway: each answer takes a second of the clock, so the queue takes 2,000 s, the last included."""
    clock = LeapClock(now=1_800_000_000.0)
    stamps = []
    in_flight = peak = 0

    def respond(request):
        nonlocal in_flight, peak
        clock.now += 1
        clock.ticks += 1
        stamps.append(clock.now - int(request.headers["x-ncp-apigw-timestamp"]) / 1000)
        return answer(202, RUN_OF_A1)

    async with scripted(respond) as server, client(server.url, clock=clock, max_concurrency=64) as flow:
        send = session_of(flow).send

        async def counted(*arguments):
            nonlocal in_flight, peak
            in_flight += 1
            peak = max(peak, in_flight)
            try:
                return await send(*arguments)
            finally:
                in_flight -= 1

        session_of(flow).send = counted
        runs = await asyncio.gather(*(flow.jobs.execute("a1") for _ in range(2_000)))
    assert len(runs) == len(server.received) == 2_000
    assert peak <= 64
    assert max(stamps) < 300 / 2


async def test_time_in_the_queue_does_not_count_against_the_deadline():
    clock = LeapClock()
    async with scripted(gateway_error(503, "500"), answer(200, {"jobId": "a1"})) as server:
        async with client(server.url, clock=clock, max_concurrency=1) as flow:
            await calls_of(flow).limiter.acquire()
            queued = asyncio.create_task(flow.jobs.get("a1"))
            await asyncio.sleep(0)
            clock.ticks += 100_000
            calls_of(flow).limiter.release()
            assert (await queued).job_id == "a1"
