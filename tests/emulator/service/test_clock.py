"""A clock that a test pushes: sleepers wake in order, and none wakes early."""

import asyncio
import time

import pytest

from dataflow_async.emulator import ManualClock, SystemClock


def test_the_system_clock_is_wall_time():
    assert abs(SystemClock().time() - time.time()) < 1


def test_a_manual_clock_starts_at_the_date_of_the_examples_and_stands_still():
    clock = ManualClock()

    assert clock.time() == clock.monotonic() == 1_793_458_800
    clock.advance(0.5)
    assert clock.time() == clock.monotonic() == 1_793_458_800.5
    assert ManualClock(5).time() == 5


def test_a_clock_refuses_to_step_back():
    with pytest.raises(ValueError, match="seconds must be 0 or more, got -1"):
        ManualClock().advance(-1)


async def test_the_next_wake_is_that_of_the_sleeper_due_first():
    clock = ManualClock(10.0)
    assert clock.next_wake is None
    late, early = (asyncio.create_task(clock.sleep(seconds)) for seconds in (5, 2))
    await asyncio.sleep(0)
    assert clock.next_wake == 12.0
    early.cancel()
    await asyncio.sleep(0)
    assert clock.next_wake == 15.0
    await clock.push(5)
    await late
    assert clock.next_wake is None


async def sleeper(clock, seconds, woken):
    start = clock.monotonic()
    await clock.sleep(seconds)
    woken.append((seconds, clock.monotonic() - start))


async def test_a_push_wakes_in_order_of_due_time_and_at_that_time():
    clock, woken = ManualClock(0), []
    tasks = [asyncio.create_task(sleeper(clock, seconds, woken)) for seconds in (3, 1, 2, 1, 9)]

    await clock.push(3)

    assert woken == [(1, 1), (1, 1), (2, 2), (3, 3)]
    assert clock.time() == 3
    await clock.push(6)
    assert woken[-1] == (9, 9)
    await asyncio.gather(*tasks)


async def test_a_task_that_sleeps_again_within_a_push_wakes_within_it():
    clock, ticks = ManualClock(0), []

    async def ticker():
        while True:
            await clock.sleep(1)
            ticks.append(clock.time())

    task = asyncio.create_task(ticker())
    await clock.push(3.5)

    assert ticks == [1, 2, 3]
    assert clock.time() == 3.5
    task.cancel()


async def test_an_advance_wakes_all_due_sleepers_when_the_loop_runs():
    clock, woken = ManualClock(0), []
    tasks = [asyncio.create_task(sleeper(clock, seconds, woken)) for seconds in (2, 1, 5)]
    await asyncio.sleep(0)

    clock.advance(4)

    assert woken == []
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    await asyncio.sleep(0)
    assert [seconds for seconds, _ in woken] == [1, 2]
    tasks[2].cancel()


async def test_a_cancelled_sleeper_is_forgotten():
    clock, woken = ManualClock(0), []
    task = asyncio.create_task(sleeper(clock, 1, woken))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    await clock.push(2)

    assert woken == []
    assert clock.time() == 2


@pytest.mark.parametrize("seconds", [0, -1])
async def test_a_sleep_of_zero_seconds_yields_once(seconds):
    clock, turns = ManualClock(10.0), []

    async def sleep():
        await clock.sleep(seconds)
        turns.append("slept")

    asyncio.get_running_loop().call_soon(turns.append, "first")
    task = asyncio.create_task(sleep())
    asyncio.get_running_loop().call_soon(turns.append, "others")
    for _ in range(2):
        await asyncio.sleep(0)
    await asyncio.wait_for(task, 10)

    assert turns == ["first", "others", "slept"]
    assert clock.time() == 10.0
    assert clock.next_wake is None
