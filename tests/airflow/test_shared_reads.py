"""Reads that are shared for a moment: never older than allowed, per client, forgotten in time."""

import asyncio
import gc
import weakref

import pytest

from dataflow_async.airflow.shared_reads import SharedReads
from tests.support.clocks import LeapClock


class Client:
    """Stands for a client."""


class Reads:
    """Counts reads, each of which takes as long as it is told."""

    def __init__(self):
        self.clock = LeapClock()
        self.shared = SharedReads()
        self.count = 0
        self.takes = 0.0

    async def read(self):
        await self.clock.sleep(self.takes)
        self.count += 1
        if self.count == 13:
            raise OSError("no luck")
        return self.count

    async def get(self, flow, key="key", max_age=10.0):
        return await self.shared.get(flow, key, self.read, now=self.clock.monotonic, max_age=max_age)


async def test_a_result_is_shared_for_as_long_as_it_may_be_old():
    reads, flow = Reads(), Client()
    assert await asyncio.gather(*(reads.get(flow) for _ in range(50))) == [1] * 50
    reads.clock.ticks += 10
    assert await reads.get(flow) == 1
    assert await reads.get(flow, max_age=9) == 2
    assert await reads.get(flow) == 2


async def test_the_age_counts_from_before_it_was_requested():
    reads, flow = Reads(), Client()
    reads.takes = 8
    assert await reads.get(flow) == 1
    reads.clock.ticks += 3
    assert await reads.get(flow) == 2


async def test_keys_and_clients_have_results_of_their_own():
    reads, one, two = Reads(), Client(), Client()
    found = [await reads.get(flow, key) for flow in (one, two) for key in ("a", "b")]
    assert found == [1, 2, 3, 4]


async def test_an_error_is_not_kept():
    reads, flow = Reads(), Client()
    reads.count = 12
    with pytest.raises(OSError, match="no luck"):
        await reads.get(flow)
    assert await reads.get(flow) == 14


async def test_results_are_forgotten_with_time_and_with_their_client():
    class Result:
        pass

    reads, flow, results = SharedReads(), Client(), []
    clock = LeapClock()

    async def read():
        result = Result()
        results.append(weakref.ref(result))
        return result

    for number in range(3):
        await reads.get(flow, number, read, now=clock.monotonic, max_age=1)
        clock.ticks += 61
    gc.collect()
    assert [each() is None for each in results] == [True, True, False]
    del flow
    gc.collect()
    assert results[2]() is None
