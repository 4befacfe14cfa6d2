"""All faults at once: the emulator stays up, its history passes, and the client raises nothing but its own errors."""

import asyncio
import random
from collections import Counter
from contextlib import AsyncExitStack

import pytest

from dataflow_async import DataFlowError, ExecutionRef, JobCondition, PollPolicy, RetryPolicy, TriggerRule
from dataflow_async.emulator import Emulator
from dataflow_async.emulator.audit.events import RequestReceived
from dataflow_async.emulator.audit.verify import verify_history
from dataflow_async.emulator.faults.kinds import KINDS, forms

SPEC = """
refuse 2ms before 0.01%; refuse 2ms after 0.01%; accept-close 1%
close before 0.5%; close after 0.5%; reset before 0.5%; reset after 0.5%; garbage before 0.3%; garbage after 0.3%
stall-headers before 0.1%; stall-headers after 0.1%; stall-body 0.1%; half-body 0.5%
trickle 1ms size=200 0.5%; bandwidth 100000 0.5%; latency 2ms distribution=exponential 1%; latency 2ms before 1%
429 410 1%; 429 420 retry-after=1 0.5%; 429 400 0.2%; 429 477 retry-after=soon 0.3%; 429 410 retry-after=date+2 0.3%
500 before 0.5%; 500 after 0.5%; 503 before 0.5%; 503 after 0.5%; 504 before 0.5%; 504 after 0.5%
401 0.2%; 401 skew=10 0.2%; 302 0.3%; html before 0.3%; html after status=200 0.3%
empty-body 0.5%; content-type 2%; numeric-code 5%; unknown-status 1%; missing-fields 1%; null-fields 1%
missing-fields jobExecutionId,jobId 0.5%; extra-fields 2%; old-shape 1%; old-shape runCondtion 1%; old-shape dates 1%
late 0.01 10%; list-order random 10%; list-order oldest 10%; shift 1 10%; page-cap 3 10%; list-count 10%
clock +240s 2%; clock -400s 0.5%; date-header 0.5%; date-header seconds=-660 age=660 0.5%
dates 1%; dates shift=0 fraction=cut 1%; no-echo 5%; list-window 5 5%; list-gap every=9 5%
"""


class User:
    """Somebody who uses every call, notes what it raises, and goes on."""

    def __init__(self, flow, seed):
        self.flow = flow
        self.random = random.Random(seed)
        self.errors = Counter()
        self.job = self.run = self.workflow = self.trigger = None

    async def work(self, goes_on):
        steps = [
            self.create, self.execute, self.execute, self.look, self.look, self.walk, self.walk_jobs, self.cancel,
            self.change, self.flows, self.numbers, self.wait,
        ]  # fmt: skip
        while goes_on():
            try:
                await self.random.choice(steps)()
            except DataFlowError as error:
                self.errors[type(error).__name__] += 1

    async def create(self):
        if self.job is None or self.random.random() < 0.1:
            old, self.job, self.run = self.job, None, None
            if old is not None:
                await self.flow.jobs.delete(old)
            name = f"job_{self.random.randrange(10**6)}"
            self.job = (await self.flow.jobs.create(name, type="SCRIPT")).job_id

    async def execute(self):
        if self.job is not None:
            run = await self.flow.jobs.execute(self.job, parameters={"n": str(self.random.randrange(9))})
            self.run = ExecutionRef(self.job, run.job_execution_id)

    async def look(self):
        if self.run is not None:
            await self.flow.jobs.execution(self.run.job_id, self.run.execution_id)

    async def walk(self):
        if self.job is not None:
            [run async for run in self.flow.jobs.executions(self.job)]

    async def walk_jobs(self):
        await self.flow.jobs.page(limit=5)
        await self.flow.jobs.find("job_1")

    async def cancel(self):
        if self.run is not None:
            await self.flow.jobs.cancel_execution(self.run.job_id, self.run.execution_id)

    async def change(self):
        if self.job is not None:
            await self.flow.jobs.get(self.job)
            await self.flow.jobs.update_execution_config(self.job, JobCondition(num_worker=3))

    async def flows(self):
        trigger = (await self.flow.triggers.create("by_hand", TriggerRule.daily("03:30"))).trigger_id
        await self.flow.triggers.page(limit=2)
        await self.flow.triggers.delete(trigger)

    async def numbers(self):
        await self.flow.dashboard.execution_result("2020-01-01T00:00:00", "2020-01-02T00:00:00")

    async def wait(self):
        if self.run is not None:
            await self.flow.wait(self.run, timeout=0.05, check=False)


async def soak(requests, users, seed):
    print(f"seed {seed}")
    server = Emulator(speed=1000, seed=seed, faults=SPEC, history_limit=10**8)
    retry = RetryPolicy(backoff_base=0.001, backoff_max=0.002, retry_after_max=0.001, budget=10**6)
    poll = PollPolicy(min_interval=0.01, max_interval=0.02)
    async with server:
        async with AsyncExitStack() as clients:
            crowd = []
            for number in range(users):  # a client each: a shared one would slow all of them down at each 429
                flow = server.client(timeout=0.5, retry=retry, poll=poll)
                crowd.append(User(await clients.enter_async_context(flow), seed * 1000 + number))
            async with asyncio.TaskGroup() as group:
                for user in crowd:
                    group.create_task(user.work(lambda: server.history.requests < requests))
        server.faults.clear()
        async with server.client() as client:
            await client.jobs.page()
    assert verify_history(server.history) == []
    received = sum(isinstance(it, RequestReceived) for it in server.history)
    return received, sum((user.errors for user in crowd), Counter()), server


async def test_some_requests():
    received, errors, server = await soak(1_000, 50, seed=1)

    assert received > 900
    assert len(errors) > 4, errors
    assert len(server.state.executions) > 20


@pytest.mark.slow
async def test_a_hundred_thousand_requests():
    injected = Counter()
    received, errors, server = await soak(100_000, 100, seed=2)

    for record in server.history:
        injected.update(getattr(record, "faults", ()))
    assert received >= 100_000
    shown_backwards = {"list-stale"}  # statuses that go back are what verify_history is made to find
    of_an_account = {name for name, kind in KINDS.items() if kind.__module__ == forms.__name__} | {
        "page-base"
    }
    assert injected.keys() == KINDS.keys() - shown_backwards - of_an_account  # tests/probe injects those
    assert len(errors) > 8, errors
