"""Calls that are shared while in flight: one for all, none left behind, an error for each."""

import asyncio
from contextvars import ContextVar

import pytest

from dataflow_async.airflow.in_flight import InFlight

WHO = ContextVar("WHO", default="nobody")


class Calls:
    """Counts its calls; each ends when ``release`` is set."""

    def __init__(self, result="result"):
        self.begun = self.cancelled = 0
        self.result = result
        self.release = asyncio.Event()
        self.context = None

    async def __call__(self):
        self.begun += 1
        self.context = WHO.get()
        try:
            await self.release.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if isinstance(self.result, Exception):
            raise self.result
        return self.result


async def turns(count=5):
    for _ in range(count):
        await asyncio.sleep(0)


async def test_a_thousand_who_ask_at_once_share_one_call():
    shared, calls = InFlight(), Calls()
    WHO.set("the first task")
    tasks = [asyncio.create_task(shared.get("key", calls)) for _ in range(1000)]
    await turns()
    calls.release.set()
    assert set(await asyncio.gather(*tasks)) == {"result"}
    assert calls.begun == 1
    assert calls.context == "nobody"


async def test_other_keys_and_later_calls_are_calls_of_their_own():
    shared, calls = InFlight(), Calls()
    calls.release.set()
    await asyncio.gather(shared.get("one", calls), shared.get("two", calls))
    await shared.get("one", calls)
    assert calls.begun == 3


async def test_one_that_is_cancelled_takes_the_call_from_nobody():
    shared, calls = InFlight(), Calls()
    first, second = (asyncio.create_task(shared.get("key", calls)) for _ in range(2))
    await turns()
    first.cancel()
    await turns()
    assert first.cancelled()
    calls.release.set()
    assert await second == "result"
    assert (calls.begun, calls.cancelled) == (1, 0)


async def test_the_last_one_that_is_cancelled_ends_the_call_and_the_next_one_begins_anew():
    shared, calls = InFlight(), Calls()
    tasks = [asyncio.create_task(shared.get("key", calls)) for _ in range(2)]
    await turns()
    for task in tasks:
        task.cancel()
    await turns()
    assert calls.cancelled == 1
    calls.release.set()
    assert await shared.get("key", calls) == "result"
    assert calls.begun == 2


async def test_each_gets_the_error():
    shared, calls = InFlight(), Calls(LookupError("gone"))
    tasks = [asyncio.create_task(shared.get("key", calls)) for _ in range(3)]
    await turns()
    calls.release.set()
    found = await asyncio.gather(*tasks, return_exceptions=True)
    assert [str(error) for error in found] == ["gone"] * 3
    with pytest.raises(LookupError):
        await shared.get("key", calls)
    assert calls.begun == 2


def test_a_loop_that_was_closed_leaves_nothing_to_the_next_one():
    shared = InFlight()

    async def ask():
        calls = Calls()
        waiting = asyncio.create_task(shared.get("key", calls))
        await turns()
        assert calls.begun == 1
        return waiting

    for _ in range(3):
        asyncio.run(ask())
