"""Own and borrowed sessions, event loops, and the headers of every call."""

import asyncio
import re
import time

import aiohttp
import pytest

from dataflow_async import (
    Credentials,
    DataFlow,
    InvalidRequest,
    NotFound,
    NotSent,
    PollPolicy,
    ResponseLost,
    RetryPolicy,
)
from tests.support.client import KEYS, RUN_OF_A1, client, closed_port
from tests.support.clocks import LeapClock
from tests.support.internals import calls_of, connections_in_use, http_of
from tests.support.scripted import RESET, STALL, answer, scripted

JOB = answer(200, {"jobId": "a1"})


async def test_our_own_session_is_closed_on_leaving_the_block():
    async with scripted(JOB) as server:
        async with client(server.url) as flow:
            await flow.jobs.get("a1")
            own = http_of(flow)
        assert own.closed


@pytest.mark.parametrize("leave", [RuntimeError, asyncio.CancelledError])
async def test_our_own_session_is_closed_on_errors_and_cancellation(leave):
    async with scripted(JOB) as server:
        with pytest.raises(leave):
            async with client(server.url) as flow:
                await flow.jobs.get("a1")
                own = http_of(flow)
                raise leave
        assert own.closed


async def test_a_long_lived_client_works_without_a_block():
    async with scripted(JOB) as server:
        flow = client(server.url)
        assert (await flow.jobs.get("a1")).job_id == "a1"
        await flow.aclose()
        with pytest.raises(InvalidRequest, match="closed"):
            await flow.jobs.get("a1")


async def test_a_borrowed_session_is_never_closed():
    async with scripted(JOB) as server, aiohttp.ClientSession() as session:
        async with client(server.url, session=session) as flow:
            await flow.jobs.get("a1")
        assert not session.closed
        async with session.get(server.url) as response:
            assert response.status == 200


async def test_borrowed_session_that_is_closed_is_refused():
    session = aiohttp.ClientSession()
    await session.close()
    async with client("http://127.0.0.1:1", session=session) as flow:
        with pytest.raises(InvalidRequest, match="closed"):
            await flow.jobs.get("a1")


async def test_a_borrowed_session_may_raise_for_status_by_default_and_hold_cookies():
    missing = answer(404, {"detail": "no", "errorType": "not-found"})
    async with scripted(missing) as server, aiohttp.ClientSession(raise_for_status=True) as session:
        async with client(server.url, session=session) as flow:
            with pytest.raises(Exception) as caught:
                await flow.jobs.get("a1")
    assert type(caught.value).__name__ == "NotFound"


async def test_limiter_takes_the_capacity_of_a_narrow_borrowed_session():
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=3)) as session:
        assert calls_of(client("http://127.0.0.1:1", session=session)).limiter.max_capacity == 3


@pytest.mark.parametrize("borrowed", [False, True])
async def test_error_is_not_sent_or_response_lost_by_what_was_sent(borrowed):
    async with scripted(RESET) as server, aiohttp.ClientSession() as session:
        given = {"session": session} if borrowed else {}
        async with client(server.url, **given) as flow:
            with pytest.raises(ResponseLost):
                await flow.jobs.execute("a1")
        async with client(f"http://127.0.0.1:{closed_port()}", **given) as flow:
            with pytest.raises(NotSent):
                await flow.jobs.execute("a1")
        assert len(server.received) == 1


async def test_a_time_out_while_connecting_is_not_sent():
    class Black(aiohttp.abc.AbstractResolver):
        async def resolve(self, *_, **__):
            await asyncio.Event().wait()

        async def close(self):
            pass

    connector = aiohttp.TCPConnector(resolver=Black())
    async with aiohttp.ClientSession(connector=connector) as session:
        async with client("https://nowhere.test", session=session, timeout=0.05) as flow:
            with pytest.raises(NotSent) as caught:
                await flow.jobs.execute("a1")
    assert caught.value.timed_out
    assert caught.value.may_have_run is False


def test_a_second_event_loop_is_refused_in_words():
    async def first():
        async with scripted(JOB) as server:
            await flow_of(server.url).jobs.get("a1")

    made = []

    def flow_of(url):
        made.append(client(url))
        return made[-1]

    asyncio.run(first())

    async def second():
        with pytest.raises(InvalidRequest, match="another event loop"):
            await made[0].jobs.get("a1")

    asyncio.run(second())
    asyncio.run(made[0].aclose())


async def test_headers_of_every_call():
    async with (
        scripted(answer(202, RUN_OF_A1)) as server,
        client(server.url, user_agent_suffix="nightly/2") as flow,
    ):
        await flow.jobs.execute("a1")
        await flow.jobs.cancel_execution("a1", "b2")
    for request in server.received:
        assert request.headers["content-type"] == "application/json"
        assert re.fullmatch(r"dataflow-async/\d+\.\d+\.\d+ .* nightly/2", request.headers["user-agent"])
        assert "cookie" not in request.headers
    assert server.received[0].body == b"{}"
    assert server.received[1].body == b""


async def test_a_borrowed_session_sends_the_same_headers():
    async with scripted(JOB) as server, aiohttp.ClientSession() as session:
        async with client(server.url, session=session) as flow:
            await flow.jobs.get("a1")
    assert server.last.headers["user-agent"].startswith("dataflow-async/")
    assert server.last.headers["content-type"] == "application/json"


async def test_cookies_are_neither_kept_nor_sent():
    async with scripted(answer(200, {"jobId": "a1"}, Set_Cookie="a=b; Path=/")) as server:
        async with client(server.url) as flow:
            await flow.jobs.get("a1")
            await flow.jobs.get("a1")
    assert "cookie" not in server.last.headers


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("max_concurrency", 0),
        ("max_concurrency", True),
        ("timeout", 0),
        ("timeout", float("nan")),
        ("timeout", float("inf")),
        ("user_agent_suffix", "a\r\nb"),
        ("session", object()),
        ("credentials", "AKIA"),
        ("base_url", "ftp://x"),
        ("base_url", "http://example.com"),
        ("base_url", "https://user:pw@example.com"),
        ("base_url", ""),
        ("base_url", b"https://example.com"),
        ("base_url", 5),
        pytest.param("timeout", 10**5000, id="timeout-beyond-floats"),
        ("timeout", "30"),
        ("timeout", None),
        ("timeout", True),
        pytest.param("max_concurrency", 10**5000, id="max_concurrency-beyond"),
        ("max_concurrency", 1.0),
        ("retry", 3),
        ("retry", RetryPolicy),
        ("retry", {"attempts": 3}),
        ("poll", 5),
        ("poll", PollPolicy),
        ("clock", 5),
        ("clock", LeapClock),
        ("clock", time),
        ("ssl", True),
        ("ssl", False),
        ("ssl", "ca.pem"),
        ("allow_insecure_http", "no"),
        ("allow_insecure_http", None),
        ("user_agent_suffix", 5),
        ("session", aiohttp.ClientSession),
        ("credentials", {"access_key": "a", "secret_key": "b"}),
        ("credentials", Credentials),
        ("credentials", 0),
        ("credentials", ""),
    ],
)
def test_client_refuses_a_bad_setting_by_name(argument, value):
    arguments = {"credentials": KEYS, argument: value}
    with pytest.raises(InvalidRequest, match=argument) as caught:
        DataFlow(arguments.pop("credentials"), **arguments)
    assert caught.value.field == argument


async def test_client_sends_plain_http_off_loopback_only_when_allowed(monkeypatch):
    far = "http://emulator.test:8080/api/v1"
    with pytest.raises(InvalidRequest, match="allow_insecure_http=True"):
        client(far)
    async with scripted(JOB) as proxy, client(far, allow_insecure_http=True, proxy=proxy.url) as flow:
        await flow.jobs.get("a1")
    assert proxy.last.target == "http://emulator.test:8080/api/v1/jobs/a1"
    with pytest.raises(InvalidRequest, match="base_url"):
        client("ftp://emulator.test", allow_insecure_http=True)


async def test_an_empty_variable_is_as_none(monkeypatch):
    monkeypatch.setenv("NCLOUD_DATAFLOW_URL", "")
    assert repr(DataFlow(KEYS)) == "<DataFlow https://dataflow.apigw.ntruss.com>"


async def test_the_base_url_comes_from_argument_environment_default(monkeypatch):
    async with scripted(JOB) as server:
        monkeypatch.setenv("NCLOUD_DATAFLOW_URL", f"{server.url}/api/v1")
        async with DataFlow(KEYS) as flow:
            await flow.jobs.get("a1")
        assert server.targets == ["/api/v1/jobs/a1"]
        monkeypatch.delenv("NCLOUD_DATAFLOW_URL")
        assert repr(DataFlow(KEYS)) == "<DataFlow https://dataflow.apigw.ntruss.com>"


class Broken:
    async def get(self):
        raise RuntimeError("the vault said: secret=hunter2")


async def test_a_source_of_keys_that_raises_becomes_a_credentials_error_without_its_words():
    async with client("http://127.0.0.1:1", credentials=Broken()) as flow:
        with pytest.raises(Exception, match="Broken raised RuntimeError") as caught:
            await flow.jobs.get("a1")
    assert type(caught.value).__name__ == "CredentialsError"
    assert "hunter2" not in repr(caught.value.__context__) + str(caught.value)
    assert calls_of(flow).limiter.acquired == 0


async def test_any_object_with_async_get_gives_the_keys():
    class Vault:
        async def get(self):
            return Credentials("FROMVAULT", "secret")

    async with scripted(JOB) as server, client(server.url, credentials=Vault()) as flow:
        await flow.jobs.get("a1")
    assert server.last.headers["x-ncp-iam-access-key"] == "FROMVAULT"


async def test_the_time_out_covers_the_body_too_and_closes_the_connection():
    stalled = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"
    async with scripted(stalled, STALL) as server, client(server.url, timeout=0.05) as flow:
        with pytest.raises(ResponseLost):
            await flow.jobs.execute("a1")
        assert connections_in_use(flow) == 0


async def test_time_out_of_the_application_is_not_caught():
    async with scripted(STALL) as server, client(server.url) as flow:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.02):
                await flow.jobs.get("a1")
        assert asyncio.current_task().cancelling() == 0


# --- a session that is not ours ----------------------------------------------------------------------------


async def test_nothing_of_ours_stays_on_a_borrowed_session():
    async with scripted(STALL) as server, aiohttp.ClientSession() as session:
        async with client(server.url, session=session) as one, client(server.url, session=session) as two:
            calls = [asyncio.create_task(flow.jobs.execute("a1")) for flow in (one, two, one)]
            while len(server.received) < 3:
                await asyncio.sleep(0)
            assert len(session.trace_configs) == 2
            for call in calls:
                call.cancel()
            await asyncio.wait(calls)
            assert session.trace_configs == []


async def test_two_clients_on_one_session_count_their_own_requests_only():
    """A request counted twice would look as if aiohttp had repeated it, and its answer would prove nothing."""
    gone = answer(404, {"detail": "no", "errorType": "not-found"})
    async with scripted(STALL, gone) as server, aiohttp.ClientSession() as session:
        async with client(server.url, session=session) as one, client(server.url, session=session) as two:
            other = asyncio.create_task(one.jobs.get("a1"))
            while not server.received:
                await asyncio.sleep(0)
            with pytest.raises(NotFound):
                await two.jobs.delete("a1")
            other.cancel()
            await asyncio.wait([other])


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(
    "error",
    [RuntimeError, ValueError, OSError, TimeoutError, EOFError, KeyError],
    ids=lambda kind: kind.__name__,
)
async def test_what_a_middleware_raises_arrives_as_it_was_raised(when, error, caplog):
    async def middleware(request, handler):
        if when == "after":
            await handler(request)
        raise error("mine")

    async with scripted(JOB) as server, aiohttp.ClientSession(middlewares=[middleware]) as session:
        async with client(server.url, session=session) as flow:
            with pytest.raises(error, match="mine") as caught:
                await flow.jobs.execute("a1")
            assert type(caught.value) is error
            assert len(server.received) == (when == "after")
            assert ("it may have taken effect" in caplog.text) is (when == "after")
            assert calls_of(flow).limiter.acquired == 0


async def test_middleware_does_not_change_errors_of_the_connection():
    async def middleware(request, handler):
        return await handler(request)

    async with scripted(RESET) as server, aiohttp.ClientSession(middlewares=[middleware]) as session:
        async with client(server.url, session=session) as flow:
            with pytest.raises(ResponseLost):
                await flow.jobs.execute("a1")
        async with client(f"http://127.0.0.1:{closed_port()}", session=session) as flow:
            with pytest.raises(NotSent):
                await flow.jobs.execute("a1")
        async with scripted(STALL) as slow, client(slow.url, session=session, timeout=0.02) as flow:
            with pytest.raises(ResponseLost, match="no answer within"):
                await flow.jobs.execute("a1")


async def test_error_of_a_foreign_connector_is_an_error_of_the_connection():
    class Resolver(aiohttp.abc.AbstractResolver):
        async def resolve(self, *_, **__):
            raise ValueError("no such thing")

        async def close(self):
            pass

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(resolver=Resolver())) as session:
        async with client("https://nowhere.test", session=session) as flow:
            with pytest.raises(NotSent):
                await flow.jobs.execute("a1")
