"""Key sources that raise, hang, cancel, rotate and expire at random: what holds for `KeyFetcher` and for whole runs."""

import asyncio
import json
import random
import time
from collections import Counter
from datetime import UTC, datetime

import attrs
import pytest

from dataflow_async import (
    Credentials,
    CredentialsError,
    DataFlow,
    InvalidRequest,
    Launch,
    PollPolicy,
    RetryPolicy,
    defaults,
)
from dataflow_async.credentials import CredentialsChain
from dataflow_async.emulator import Emulator
from dataflow_async.key_source import KeyFetcher
from tests.support.examples import in_slow
from tests.support.factories import FACTORIES
from tests.support.internals import calls_of
from tests.support.warp import LoopClock, warped

STEPS = ["ok", "ok", "slow", "raise", "wrong", "cancel", "hang", "resist", "rotate", "in place"]


@attrs.define(eq=False)
class Account:
    """Which keys are good, and a source that knows them, on its good days."""

    chance: random.Random
    steps: list = attrs.field(factory=lambda: STEPS)
    generation: int = 0
    access_key: str = "ACCESS-0"
    secret_key: str = "secret"
    at_once: int = 0
    given: list = attrs.field(factory=list)

    def rotate(self):
        self.generation += 1
        self.access_key = f"ACCESS-{self.generation}"

    async def get(self):
        self.at_once += 1
        assert self.at_once == 1, "two questions at a time"
        try:
            return await self._answer(self.chance.choice(self.steps))
        finally:
            self.at_once -= 1

    async def _answer(self, step):
        if step == "rotate":
            self.rotate()
        elif step == "slow":
            await asyncio.sleep(self.chance.uniform(0, 5))
        elif step == "raise":
            raise self.chance.choice([RuntimeError, OSError, TimeoutError, CredentialsError, GeneratorExit])(
                "no"
            )
        elif step == "wrong":
            return self.chance.choice([None, "keys", {}, Credentials, (1, 2)])
        elif step == "cancel":
            refresh = asyncio.ensure_future(asyncio.sleep(60))
            asyncio.get_running_loop().call_later(self.chance.random(), refresh.cancel)
            await refresh
        elif step == "hang":
            await asyncio.Event().wait()
        elif step == "resist":
            until = asyncio.get_running_loop().time() + 40
            while (left := until - asyncio.get_running_loop().time()) > 0:
                try:
                    await asyncio.sleep(left)
                except asyncio.CancelledError:
                    continue
        self.given.append(self.access_key)
        return self if step == "in place" else Credentials(self.access_key, self.secret_key)


@pytest.mark.parametrize("seed", [*range(15), *map(in_slow, range(15, 60))])
@warped
async def test_what_a_source_does_ends_nothing_and_delays_boundedly(seed):
    chance = random.Random(seed)
    asyncio.get_running_loop().set_task_factory([None, *FACTORIES.values()][seed % (1 + len(FACTORIES))])
    account = Account(chance)
    keys = KeyFetcher(account, LoopClock())
    now = asyncio.get_running_loop().time
    errors = Counter()

    async def caller():
        await asyncio.sleep(chance.uniform(0, 300))
        began, had = now(), keys.last is not None
        try:
            got = await keys.current()
            if chance.random() < 0.2:
                other = await keys.other_than(got, now() + 20)
                assert other.access_key in account.given
        except CredentialsError as error:
            errors["refused" if "refused" in str(error) else "bridge" if had else "none"] += 1
            assert now() - began <= defaults.KEY_TIMEOUT + 23
        else:
            assert got.access_key in account.given
            assert now() - began <= (2 if had else 17) + 37

    tasks = [asyncio.create_task(caller()) for _ in range(300)]
    for task in chance.sample(tasks, 30):
        asyncio.get_running_loop().call_later(chance.uniform(0, 300), task.cancel)
    results = await asyncio.gather(*tasks, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException) and not isinstance(result, asyncio.CancelledError):
            raise result
    assert errors["bridge"] == 0

    account.steps = ["ok"]
    await asyncio.sleep(defaults.KEY_RETRY_PAUSE_MAX + 60)
    await keys.current()
    await asyncio.sleep(1)
    assert (await keys.current()).access_key == account.access_key
    account.steps = ["hang"]
    asking = asyncio.create_task(keys.current())
    await asyncio.sleep(0)
    await keys.aclose()
    with pytest.raises(InvalidRequest, match="closed"):
        await asking
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.mark.parametrize("seed", [*range(8), *map(in_slow, range(8, 30))])
@warped
async def test_a_metadata_service_that_fails_hangs_and_jumps_ends_nothing(seed, tmp_path):
    """Role keys of 20 minutes: they are good all the time, whatever one request to the service does."""
    chance = random.Random(seed)
    clock = LoopClock()
    issued = {}
    asked = []

    async def fetch(url):
        asked.append(clock.monotonic())
        if issued:
            step = chance.choice(["ok", "ok", "slow", "raise", "500", "junk", "hang", "early"])
            if step in {"slow", "hang"}:
                await asyncio.sleep(2.9 if step == "slow" else 600)
            if step == "raise":
                raise OSError("no answer")
            if step in {"500", "junk"}:
                return (500, "") if step == "500" else (200, "<html>")
        if not url.endswith("role-1"):
            return 200, "role-1"
        key = f"ACCESS-{len(issued)}"
        issued[key] = clock.time() + 1200
        expires = datetime.fromtimestamp(issued[key], UTC).isoformat()
        return 200, json.dumps({"AccessKeyId": key, "SecretAccessKey": "secret", "Expiration": expires})

    keys = KeyFetcher(CredentialsChain(clock=clock, fetch=fetch, environ={}, home=tmp_path), clock)
    await keys.current()
    for _ in range(5000):
        await asyncio.sleep(chance.expovariate(1))
        before, good = clock.monotonic(), issued[keys.last.access_key] - clock.time()
        got = await keys.current()
        if good > defaults.ROLE_MIN_VALIDITY:
            assert clock.monotonic() == before, "somebody waited while the keys were good"
        assert issued[got.access_key] > clock.time() + 200
    assert len(asked) < 10 * len(issued)
    await keys.aclose()
    assert asyncio.all_tasks() == {asyncio.current_task()}


class FastClock:
    """Pauses are a hundredth of what they say: keys that rotate come to rest between two rotations, as real ones do."""

    time = staticmethod(time.time)

    def monotonic(self):
        return time.monotonic() * 100

    async def sleep(self, seconds):
        await asyncio.sleep(seconds / 100)


FAST = {
    "clock": FastClock(),
    "poll": PollPolicy(min_interval=5.0),
    "retry": RetryPolicy(total_timeout=6000.0),
}


async def test_a_source_that_fails_once_ends_none_of_two_hundred_waits():
    account = Account(random.Random(0), ["ok"])
    async with Emulator(
        speed=100, seed=1, access_key=account.access_key, secret_key=account.secret_key
    ) as server:
        async with DataFlow(account, base_url=server.url, **FAST) as flow:
            jobs = [await flow.jobs.create(f"backfill_{n}", type="SCRIPT") for n in range(20)]
            runs = [await flow.jobs.execute(job.job_id) for job in jobs for _ in range(10)]
            account.steps = ["raise", "cancel", "wrong", "ok"]
            ended = await flow.wait_all(runs)
    assert {str(run.status) for run in ended} == {"COMPLETED"}


@pytest.mark.parametrize("seed", [*range(2), *map(in_slow, range(2, 4))])
async def test_a_bulk_run_outlives_its_key_source_and_starts_nothing_twice(seed, tmp_path):
    chance = random.Random(seed)
    account = Account(chance, ["ok", "ok", "ok", "raise", "wrong", "cancel"])
    account.steps, hiccups = ["ok"], account.steps
    async with Emulator(speed=300, seed=seed) as server:
        server.rotate_keys(account.access_key, account.secret_key)
        async with DataFlow(account, base_url=server.url, **FAST) as flow:
            job = await flow.jobs.create("backfill", type="SCRIPT")
            account.steps = hiccups

            async def rotating():
                """Between two rotations launches are counted, not seconds, in which a busy machine may do nothing."""
                while True:
                    rested = len(server.state.executions) + chance.randint(30, 60)
                    while len(server.state.executions) < rested:
                        await asyncio.sleep(0.01)
                    account.rotate()
                    server.rotate_keys(account.access_key, account.secret_key)

            rotation = asyncio.create_task(rotating())
            days = [Launch(job.job_id, parameters={"day": str(n)}, key=str(n)) for n in range(150)]
            outcomes = [outcome async for outcome in flow.run_all(days, max_in_flight=40)]
            rotation.cancel()
            account.steps = ["ok"]
            runs = [run async for run in flow.jobs.executions(job.job_id)]
            assert calls_of(flow).limiter.acquired == 0
    assert account.generation > 1
    assert Counter(str(outcome.status) for outcome in outcomes) == {"COMPLETED": 150}
    assert sorted(int(run.parsed_parameters["day"]) for run in runs) == list(range(150))
