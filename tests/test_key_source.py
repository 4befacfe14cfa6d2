"""A source of keys that raises, hangs, is cancelled, or changes its keys must not end calls (ruling 83)."""

import asyncio
import itertools
import logging
import os
from contextvars import ContextVar
from types import SimpleNamespace

import attrs
import pytest

from dataflow_async import (
    AuthenticationFailed,
    Credentials,
    CredentialsError,
    DataFlow,
    InvalidRequest,
    Launch,
    NotSent,
    defaults,
)
from dataflow_async.clock import SystemClock
from dataflow_async.credentials import CredentialsChain
from dataflow_async.key_source import KeyFetcher
from tests.support.client import RUN, client
from tests.support.clocks import LeapClock
from tests.support.internals import calls_of
from tests.support.scripted import answer, gateway_error, scripted
from tests.support.warp import warped

JOB = answer(200, {"jobId": "a1"})
KEYS = Credentials("ACCESS-1", "secret-1")
OTHER = Credentials("ACCESS-2", "secret-2")


@attrs.define(eq=False)
class Source:
    """Does what its script says, request by request; the last entry counts from then on."""

    script: list
    clock: LeapClock = attrs.field(factory=LeapClock)
    asked: int = 0
    never: asyncio.Event = attrs.field(factory=asyncio.Event)

    async def get(self):
        step = self.script[min(self.asked, len(self.script) - 1)]
        self.asked += 1
        await asyncio.sleep(0)
        if step == "hang":
            await self.never.wait()
        if step == "resist":
            while not self.never.is_set():
                try:
                    await self.never.wait()
                except asyncio.CancelledError:
                    continue
        if isinstance(step, BaseException):
            raise step
        return step


def scripted_source(*script, clock=None):
    """A source with a clock of its own, and what fetches its keys."""
    source = Source(list(script), clock or LeapClock())
    return source, KeyFetcher(source, source.clock)


async def settled():
    for _ in range(10):
        await asyncio.sleep(0)


FAILURES = [
    RuntimeError("secret-1"),
    OSError("secret-1"),
    TimeoutError("secret-1"),
    StopAsyncIteration("secret-1"),
    CredentialsError("the vault is sealed"),
    NotSent("the source's own client could not connect"),
    asyncio.CancelledError("secret-1"),
    BaseExceptionGroup("secret-1", [asyncio.CancelledError()]),
    None,
    "secret-1",
    Credentials,
    {"access_key": "a", "secret_key": "b"},
    SimpleNamespace(access_key="line\n", secret_key="secret-1"),
]
failing = pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: repr(failure)[:30])


# --- failures ----------------------------------------------------------------------------------------------


@failing
async def test_a_source_that_never_gave_keys_is_an_error_at_once(failure):
    source, keys = scripted_source(failure)
    with pytest.raises(CredentialsError) as caught:
        await keys.current()
    assert "secret-1" not in repr(caught.value)
    assert caught.value.__cause__ is caught.value.__context__ is None
    assert source.asked == 1


@failing
async def test_the_last_keys_bridge_a_failure(failure, caplog):
    source, keys = scripted_source(KEYS, failure, OTHER)
    assert await keys.current() == KEYS
    assert await keys.current() == KEYS
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "secret-1" not in caplog.text
    source.clock.ticks += defaults.KEY_RETRY_PAUSE
    assert await keys.current() == KEYS  # asked in the background, nobody waits
    await settled()
    assert await keys.current() == OTHER
    assert source.asked == 4


async def test_there_is_a_pause_between_questions_that_grows():
    source, keys = scripted_source(KEYS, RuntimeError())
    await keys.current()
    asked_at = []
    for _ in range(200):
        before = source.asked
        await keys.current()
        await settled()
        if source.asked > before:
            asked_at.append(source.clock.ticks)
        source.clock.ticks += 0.5
    pauses = [later - earlier for earlier, later in itertools.pairwise(asked_at)]
    assert pauses == [1, 2, 4, 8, *[10] * 8]


async def test_what_bridges_is_bounded_and_the_end_of_it_is_an_error_that_a_success_undoes():
    source, keys = scripted_source(KEYS, RuntimeError())
    await keys.current()
    await keys.current()
    source.clock.ticks += defaults.KEY_GRACE
    assert await keys.current() == KEYS
    await settled()
    source.clock.ticks += defaults.KEY_RETRY_PAUSE_MAX
    with pytest.raises(CredentialsError, match="Source raised RuntimeError"):
        await keys.current()
    asked = source.asked
    with pytest.raises(CredentialsError, match="Source raised RuntimeError"):
        await keys.current()
    assert source.asked == asked  # a pause lies between questions even now
    source.script = [OTHER]
    source.clock.ticks += defaults.KEY_RETRY_PAUSE_MAX
    assert await keys.current() == OTHER


async def test_each_caller_has_an_error_of_its_own():
    _, keys = scripted_source(CredentialsError("the vault is sealed"))
    errors = await asyncio.gather(*(keys.current() for _ in range(3)), return_exceptions=True)
    assert len({id(error) for error in errors}) == 3
    assert {str(error) for error in errors} == {"the vault is sealed"}


# --- hanging -----------------------------------------------------------------------------------------------


def now():
    return asyncio.get_running_loop().time()


@warped
async def test_a_first_question_that_hangs_is_bounded():
    _, keys = scripted_source("hang")
    with pytest.raises(CredentialsError, match="returned no keys within 15 s"):
        await keys.current()
    assert now() == 15


@warped
async def test_a_question_that_resists_being_cancelled_is_bounded_for_those_who_wait():
    source, keys = scripted_source("resist")
    for _ in range(3):
        with pytest.raises(CredentialsError, match="has returned no keys for 16 s"):
            await keys.current()
    assert (source.asked, now()) == (1, 16)
    source.script = [KEYS]
    source.never.set()
    await settled()
    source.clock.ticks += 1
    assert await keys.current() == KEYS


@warped
async def test_a_question_that_resists_does_not_bridge_for_ever():
    source, keys = scripted_source(KEYS, "resist")
    await keys.current()
    await asyncio.sleep(20)
    assert await keys.current() == KEYS
    await asyncio.sleep(20)
    assert await keys.current() == KEYS
    source.clock.ticks += defaults.KEY_GRACE + 1
    with pytest.raises(CredentialsError, match="has returned no keys for 21 s"):
        await keys.current()
    assert source.asked == 2
    source.never.set()
    await settled()


@warped
async def test_calls_wait_one_second_in_all_for_a_source_that_hangs():
    source, keys = scripted_source(KEYS, "hang", OTHER)
    await keys.current()
    assert await asyncio.gather(*(keys.current() for _ in range(100))) == [KEYS] * 100
    assert now() == 1
    for _ in range(14):
        assert await keys.current() == KEYS
        await asyncio.sleep(1)
    assert (now(), source.asked) == (15, 2)
    source.clock.ticks += defaults.KEY_RETRY_PAUSE
    assert await keys.current() == KEYS
    await settled()
    assert await keys.current() == OTHER
    assert now() == 15


@warped
async def test_nobody_waits_for_a_source_that_is_always_slow():
    class Slow:
        asked = 0

        async def get(self):
            self.asked += 1
            await asyncio.sleep(3)
            return Credentials(f"ACCESS-{self.asked}", "secret")

    source = Slow()
    keys = KeyFetcher(source, LeapClock())
    seen = []
    for _ in range(100):
        before = now()
        seen.append(((await keys.current()).access_key, now() - before))
        await asyncio.sleep(0.5)
    assert [waited for _, waited in seen if waited] == [3]  # the first, without keys
    assert seen[-1][0] == f"ACCESS-{source.asked - 1}" == "ACCESS-17"


async def test_a_hanging_source_leaves_nothing_behind_once_the_client_is_closed():
    source = Source(["hang"])
    flow = client("http://127.0.0.1:1", credentials=source)
    call = asyncio.create_task(flow.jobs.get("a1"))
    await settled()
    await flow.aclose()
    with pytest.raises(InvalidRequest, match="closed"):
        await call
    assert calls_of(flow).limiter.acquired == 0
    assert len(asyncio.all_tasks()) == 1


@pytest.mark.parametrize("journal", [False, True])
@pytest.mark.parametrize("then", ["hang", "resist", RuntimeError()])
async def test_a_run_is_left_boundedly_whatever_its_source_does(monkeypatch, tmp_path, then, journal):
    monkeypatch.setattr(defaults, "DRAIN_TIMEOUT", 0.1)
    monkeypatch.setattr(defaults, "KEY_RENEWAL_WAIT", 0.1)
    source, accepted = Source([KEYS]), itertools.count()

    def respond(request):
        if request.method == "GET":
            return answer(200, {"list": []})
        if (number := next(accepted)) < 3:
            return answer(200, RUN | {"jobExecutionId": f"E{number}", "status": "COMPLETED"})
        source.script = [then]
        return gateway_error(401, "200")

    async with scripted(respond) as server:
        async with client(server.url, credentials=source, clock=SystemClock()) as flow:
            launches = (Launch(RUN["jobId"], key=str(n)) for n in range(100))
            settings = {"journal": tmp_path / "j.db"} if journal else {}
            async with flow.launch_all(launches, max_in_flight=4, **settings) as outcomes:
                await anext(outcomes)
                while source.script == [KEYS]:
                    await asyncio.sleep(0)
    source.never.set()
    await settled()
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert calls_of(flow).limiter.acquired == 0


# --- cancelling --------------------------------------------------------------------------------------------


async def test_a_cancelled_caller_does_not_take_the_answer_from_others():
    source, keys = scripted_source(KEYS)
    callers = [asyncio.create_task(keys.current()) for _ in range(3)]
    await asyncio.sleep(0)
    callers[0].cancel()
    assert await asyncio.gather(*callers[1:]) == [KEYS] * 2
    assert callers[0].cancelled()
    assert source.asked == 1


@attrs.define
class SharedRefresh:
    """Awaits one refresh for everybody, as many caches do; somebody cancels it."""

    good: bool = True
    refresh: asyncio.Task | None = None

    async def get(self):
        if self.good:
            return KEYS
        self.refresh = asyncio.create_task(asyncio.sleep(3600))
        asyncio.get_running_loop().call_soon(self.refresh.cancel)
        await self.refresh
        return KEYS


async def test_a_refresh_that_somebody_cancelled_is_an_ordinary_error():
    async with client("http://127.0.0.1:1", credentials=SharedRefresh(good=False)) as flow:
        with pytest.raises(CredentialsError, match="SharedRefresh was cancelled"):
            await flow.jobs.get("a1")
        assert asyncio.current_task().cancelling() == 0


@pytest.mark.parametrize("good_for", [0, 1, 3])
async def test_a_cancelled_refresh_loses_no_outcome(good_for, tmp_path):
    source = SharedRefresh()
    launched = iter(range(100))

    def respond(request):
        if (number := next(launched)) == good_for:
            source.good = False
        return answer(202, RUN | {"jobExecutionId": f"E{number}", "status": "COMPLETED"})

    async with scripted(respond) as server, client(server.url, credentials=source) as flow:
        outcomes = [
            outcome.key
            async for outcome in flow.launch_all(
                [Launch(RUN["jobId"], key=str(n)) for n in range(8)], max_in_flight=2
            )
        ]
    assert sorted(outcomes) == list("01234567")


async def test_the_journal_opens_or_fails_but_never_hangs_when_the_refresh_was_cancelled(tmp_path):
    async with client("http://127.0.0.1:1", credentials=SharedRefresh(good=False)) as flow:
        with pytest.raises(CredentialsError, match="was cancelled"):
            async for _ in flow.run_all([Launch("a1")], journal=tmp_path / "j.db"):
                pass


# --- calls -------------------------------------------------------------------------------------------------


async def test_one_failed_question_ends_no_call():
    source = Source([KEYS, RuntimeError(), KEYS])
    async with scripted(JOB) as server, client(server.url, credentials=source) as flow:
        await flow.jobs.get("a1")
        await asyncio.gather(*(flow.jobs.get("a1") for _ in range(200)))
    assert len(server.received) == 201


async def test_a_thousand_calls_at_a_time_share_their_questions():
    source = Source([KEYS])
    async with scripted(JOB) as server, client(server.url, credentials=source) as flow:
        await asyncio.gather(*(flow.jobs.get("a1") for _ in range(200)))
    assert source.asked < 100


def accepts(access_key, ok=JOB):
    def respond(request):
        good = request.headers["x-ncp-iam-access-key"] == access_key
        return ok if good else gateway_error(401, "200")

    return respond


async def test_keys_changed_in_place_are_noticed():
    mutable = SimpleNamespace(access_key="OLD", secret_key="secret")
    mutable.get = lambda: asyncio.sleep(0, mutable)
    async with scripted(JOB) as server, client(server.url, credentials=mutable) as flow:
        await flow.jobs.get("a1")
        mutable.access_key = "NEW"
        await flow.jobs.get("a1")
    assert [request.headers["x-ncp-iam-access-key"] for request in server.received] == ["OLD", "NEW"]


async def test_keys_changed_in_place_by_a_renewal_recover_a_401():
    class Vault(SimpleNamespace):
        async def get(self):
            return self

        async def renew(self, refused):
            assert refused == Credentials("OLD", "secret")
            self.access_key = "NEW"
            return self

    vault = Vault(access_key="OLD", secret_key="secret")
    async with scripted(accepts("NEW")) as server, client(server.url, credentials=vault) as flow:
        await flow.jobs.get("a1")
    assert len(server.received) == 2


async def test_a_source_that_has_keys_as_attributes_is_still_asked():
    class Rotating(Credentials):
        async def get(self):
            return OTHER

    for source in (Rotating("ACCESS-1", "secret-1"), SimpleNamespace(access_key="A", secret_key="s")):
        if not hasattr(source, "get"):
            source.get = lambda: asyncio.sleep(0, OTHER)
        async with scripted(JOB) as server, client(server.url, credentials=source) as flow:
            await flow.jobs.get("a1")
        assert server.last.headers["x-ncp-iam-access-key"] == "ACCESS-2"


async def test_keys_that_were_refused_while_the_source_fails_are_asked_for_again_before_the_call_fails():
    source = Source([KEYS, RuntimeError(), RuntimeError(), OTHER])
    async with scripted(accepts("ACCESS-2")) as server, client(server.url, credentials=source) as flow:
        await flow.jobs.get("a1")
    assert len(server.received) == 2


async def test_keys_that_were_refused_while_the_source_fails_for_good_end_the_call_bounded():
    source = Source([KEYS, RuntimeError()])
    clock = LeapClock()
    async with scripted(accepts("ACCESS-2")) as server:
        async with client(server.url, credentials=source, clock=clock) as flow:
            with pytest.raises(CredentialsError, match=r"refused the keys.*raised RuntimeError"):
                await flow.jobs.get("a1")
    assert clock.ticks == defaults.TOTAL_TIMEOUT
    assert source.asked <= 17


async def test_keys_that_reach_their_source_a_little_late_are_found_after_the_pause():
    class File:
        renewals = 0

        async def get(self):
            return KEYS if self.renewals < 2 else OTHER

        async def renew(self, refused):
            self.renewals += 1
            return await self.get()

    class Cached(CredentialsChain):
        """Remembers what it found until that is refused, as the search for environment and file does."""

        async def _search(self):
            return await file.renew(None) if self._found else await file.get()

    file, rotated = File(), False

    def respond(request):
        return accepts("ACCESS-2" if rotated else "ACCESS-1")(request)

    async with scripted(respond) as server, client(server.url, credentials=Cached()) as flow:
        await flow.jobs.get("a1")
        rotated = True
        await flow.jobs.get("a1")
    assert file.renewals == 2


async def test_many_refused_at_once_make_one_question():
    source = Source([KEYS, KEYS, OTHER])

    def respond(request):
        source.script = [OTHER]
        return accepts("ACCESS-2")(request)

    async with scripted(respond) as server:
        async with client(server.url, credentials=source, max_concurrency=20) as flow:
            await asyncio.gather(*(flow.jobs.get("a1") for _ in range(20)))
    assert source.asked <= 4


async def test_a_source_without_other_keys_is_not_asked_for_them_by_every_call():
    source = Source([KEYS])
    async with scripted(gateway_error(401, "200")) as server:
        async with client(server.url, credentials=source, max_concurrency=50) as flow:
            results = await asyncio.gather(*(flow.jobs.get("a1") for _ in range(50)), return_exceptions=True)
    assert {type(result) for result in results} == {AuthenticationFailed}
    assert len(server.received) == 50
    assert source.asked <= 10


async def test_a_chain_near_the_end_of_its_keys_bridges_too(tmp_path):
    clock = LeapClock(now=0.0)
    answers = iter(
        [
            (200, "role-1"),
            (200, '{"AccessKeyId":"a","SecretAccessKey":"s","Expiration":"1970-01-01T01:00:00Z"}'),
        ]
    )

    async def fetch(url):
        try:
            return next(answers)
        except StopIteration:
            raise OSError("no route") from None

    keys = KeyFetcher(CredentialsChain(clock=clock, fetch=fetch, environ={}, home=tmp_path), clock)
    assert (await keys.current()).access_key == "a"
    clock.now = 3600 - 200
    assert (await keys.current()).access_key == "a"


async def test_a_question_is_asked_under_nobodys_context():
    who = ContextVar("who", default="nobody")

    class Curious:
        async def get(self):
            return Credentials(who.get(), "secret")

    who.set("first")
    keys = KeyFetcher(Curious(), LeapClock())
    assert (await keys.current()).access_key == "nobody"


# --- what is no source -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "hint"),
    [
        ({"access_key": "a", "secret_key": "secret-1"}, r"pass Credentials\(access_key, secret_key\)"),
        (os.environ, r"pass Credentials\(access_key, secret_key\)"),
        (Credentials, "the class Credentials: pass an instance"),
        (CredentialsChain, "the class CredentialsChain: pass an instance"),
        (5, "got int"),
        ("", "got str"),
        (("a", "secret-1"), "got tuple"),
        (SimpleNamespace(get=5), "got SimpleNamespace"),
    ],
)
def test_what_is_no_source_is_refused_with_advice(source, hint):
    with pytest.raises(InvalidRequest, match=hint) as caught:
        DataFlow(source)
    assert caught.value.field == "credentials"
    assert "secret-1" not in str(caught.value)


async def test_keys_of_another_type_are_named_by_it():
    class Hidden:
        def __repr__(self):
            return "secret-1"

    _, keys = scripted_source(SimpleNamespace(access_key="a", secret_key=Hidden()))
    with pytest.raises(CredentialsError, match=r"got SimpleNamespace.*secret_key: Hidden\)"):
        await keys.current()


async def test_a_get_that_is_not_async_is_refused():
    class Sync:
        def get(self):
            return KEYS

    async with client("http://127.0.0.1:1", credentials=Sync()) as flow:
        with pytest.raises(CredentialsError, match="async def"):
            await flow.jobs.get("a1")
