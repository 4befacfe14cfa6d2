"""Foreign answers on a connection, and connections that are about to be closed."""

import asyncio
import socket
from contextlib import asynccontextmanager

import aiohttp
import attrs
import pytest

from dataflow_async import DataFlowError, DecodeError, InvalidRequest, Launch, NotSent
from dataflow_async.polling.polls import Polls
from dataflow_async.transport import connections
from tests.support.certificates import contexts, needs_openssl
from tests.support.client import RUN_OF_A1, client
from tests.support.clocks import LeapClock
from tests.support.internals import calls_of, connections_in_use
from tests.support.scripted import answer, scripted

OTHERS_RUN = answer(202, {**RUN_OF_A1, "jobExecutionId": "SomebodyElses"})
TOO_LATE = answer(408, b"idle", Connection="close")


@attrs.define
class Server:
    """Answers every request alike; a test can lay hands on its ends of the connections."""

    url: str = ""
    writers: list[asyncio.StreamWriter] = attrs.field(factory=list)
    requests: list[int] = attrs.field(factory=list)
    """The connection each request came by."""


@asynccontextmanager
async def serving(reply=None, greeting=b"", ssl=None, **headers):
    server = Server()

    async def serve(reader, writer):
        server.writers.append(writer)
        number = len(server.writers)
        writer.write(greeting)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = next(
                    (int(x[15:]) for x in head.split(b"\r\n") if x.startswith(b"Content-Length:")), 0
                )
                await reader.readexactly(length)
                server.requests.append(number)
                writer.write(reply or answer(202, RUN_OF_A1, **headers))
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    listener = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=ssl)
    scheme, port = "https" if ssl else "http", listener.sockets[0].getsockname()[1]
    server.url = f"{scheme}://127.0.0.1:{port}"
    try:
        yield server
    finally:
        listener.close()
        for writer in server.writers:
            writer.transport.abort()
        await asyncio.sleep(0)


# --- unasked answers ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("turns", [0, 5], ids=["unread", "read"])
@pytest.mark.parametrize("unasked", [OTHERS_RUN, TOO_LATE, b"junk"])
async def test_what_arrives_on_an_idle_connection_answers_nothing(unasked, turns):
    async with serving() as server, client(server.url) as flow:
        await flow.jobs.execute("a1")
        server.writers[0].write(unasked)
        for _ in range(turns):
            await asyncio.sleep(0)
        run = await flow.jobs.execute("a1")
        assert (run.job_execution_id, server.requests) == ("Ex9dN4uVrB6t", [1, 2])


async def test_a_connection_that_brings_the_answer_to_another_launch_is_closed():
    """All that follows on it would be off by one: each launch would be given the run of the one before."""
    async with serving() as server, client(server.url) as flow:
        launches = [Launch("a1", key=key) for key in "abc"]
        statuses = [it.status async for it in flow.launch_all(launches, max_in_flight=1)]
        assert statuses == ["READY", "UNCERTAIN", "UNCERTAIN"]
        assert server.requests == [1, 1, 2]


async def test_read_refuses_the_answer_to_another_call():
    async with serving(answer(200, RUN_OF_A1)) as server, client(server.url) as flow:
        await flow.jobs.execution("a1", "Ex9dN4uVrB6t")
        server.writers[0].write(answer(200, {**RUN_OF_A1, "status": "COMPLETED"}))
        assert (await flow.jobs.execution("a1", "Ex9dN4uVrB6t")).status == "READY"


async def test_server_that_sends_before_any_request_is_not_used():
    async with serving(greeting=OTHERS_RUN) as server, client(server.url) as flow:
        with pytest.raises(NotSent, match="never sent"):
            await flow.jobs.execute("a1")
        assert server.requests == []


@pytest.mark.parametrize("how", [socket.SHUT_WR, socket.SHUT_RDWR])
async def test_a_connection_that_is_being_closed_carries_nothing(how):
    async with serving() as server, client(server.url) as flow:
        await flow.jobs.execute("a1")
        server.writers[0].get_extra_info("socket").shutdown(how)
        await flow.jobs.execute("a1")
        assert server.requests == [1, 2]


async def test_without_poll_what_was_read_is_still_noticed(monkeypatch):
    monkeypatch.setattr(connections, "POLL", None)
    async with serving() as server, client(server.url) as flow:
        await flow.jobs.execute("a1")
        server.writers[0].write(OTHERS_RUN)
        for _ in range(5):
            await asyncio.sleep(0)
        assert (await flow.jobs.execute("a1")).job_execution_id == "Ex9dN4uVrB6t"


async def test_readable_socket_is_enough_where_closing_is_not_reported(monkeypatch):
    monkeypatch.setattr(connections, "HUNG_UP", 0)
    async with serving() as server, client(server.url) as flow:
        await flow.jobs.execute("a1")
        server.writers[0].get_extra_info("socket").shutdown(socket.SHUT_WR)
        await flow.jobs.execute("a1")
        assert server.requests == [1, 2]


async def test_cancelled_while_a_connection_is_checked_it_is_closed(monkeypatch):
    started = asyncio.Event()

    async def never(*_):
        started.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(connections, "is_silent", never)
    async with serving() as server, client(server.url) as flow:
        task = asyncio.create_task(flow.jobs.execute("a1"))
        await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert connections_in_use(flow) == 0


# --- idle connections --------------------------------------------------------------------------------------


async def connections_after(idle, call="execute", settings=None, **headers):
    """How many connections two calls take that are ``idle`` seconds apart."""
    clock = LeapClock()
    calls = {
        "execute": lambda flow: flow.jobs.execute("a1"),
        "create": lambda flow: flow.request("POST", "/api/v1/jobs", json={}),
        "read": lambda flow: flow.jobs.execution("a1", "Ex9dN4uVrB6t"),
    }
    async with serving(**headers) as server, client(server.url, clock=clock, **(settings or {})) as flow:
        await calls[call](flow)
        await clock.sleep(idle)
        await calls[call](flow)
    return len(server.writers)


@pytest.mark.parametrize(
    ("idle", "call", "headers", "expected"),
    [
        (1.9, "execute", {}, 1),
        (2.1, "execute", {}, 2),
        (2.1, "create", {}, 2),
        (10, "read", {}, 1),
        (0.4, "execute", {"Keep_Alive": "timeout=1"}, 1),
        (0.6, "execute", {"Keep_Alive": "timeout=1"}, 2),
        (0.6, "read", {"Keep_Alive": "timeout=1"}, 1),
        (1.1, "read", {"Keep_Alive": "timeout=1"}, 2),
        (9, "execute", {"Keep_Alive": "timeout=20, max=99"}, 1),
        (11, "execute", {"Keep_Alive": 'max=99, Timeout = "20"'}, 2),
        (1, "execute", {"Keep_Alive": "max=99"}, 1),
        (3, "execute", {"Keep_Alive": "max=99"}, 2),
        (3, "execute", {"Keep_Alive": "timeout=soon"}, 2),
        (0, "execute", {"Keep_Alive": "timeout=0"}, 2),
    ],
)
async def test_how_long_a_connection_may_have_been_idle(idle, call, headers, expected):
    assert await connections_after(idle, call, **headers) == expected


@pytest.mark.parametrize(("max_idle", "idle", "expected"), [(0, 0, 2), (10, 9, 1), (float("inf"), 900, 1)])
async def test_the_limit_is_a_setting(max_idle, idle, expected):
    assert await connections_after(idle, settings={"max_idle": max_idle}) == expected


@pytest.mark.parametrize("max_idle", [-1, "2", None, True, float("nan")])
def test_a_bad_limit_is_refused(max_idle):
    with pytest.raises(InvalidRequest, match="max_idle"):
        client("http://127.0.0.1:1", max_idle=max_idle)


async def test_a_machine_that_slept_has_old_connections_though_its_monotonic_clock_stood_still():
    clock = LeapClock()
    async with serving() as server, client(server.url, clock=clock) as flow:
        await flow.jobs.execute("a1")
        clock.now += 3600
        await flow.jobs.execute("a1")
        assert server.requests == [1, 2]


# --- TLS ---------------------------------------------------------------------------------------------------


async def test_session_tickets_are_no_fault(monkeypatch):
    """Under TLS a socket may be readable without an answer in it: what is readable is read first."""
    seen = []
    events = connections.pending_events

    def readable_at_first(transport):
        seen.append(events(transport))
        return connections.READABLE if len(seen) == 3 else seen[-1]

    monkeypatch.setattr(connections, "pending_events", readable_at_first)
    monkeypatch.setattr(connections, "is_under_tls", lambda transport: True)
    async with serving() as server, client(server.url) as flow:
        await flow.jobs.execute("a1")
        await flow.jobs.execute("a1")
        await flow.jobs.execute("a1")
        assert set(server.requests) == {1}
    assert len(seen) == 4


@needs_openssl
async def test_a_connection_under_tls_is_used_again_and_a_stale_one_is_not(tmp_path):
    for_server, for_client = contexts(tmp_path)
    async with serving(ssl=for_server) as server:
        async with client(server.url, ssl=for_client) as flow:
            await flow.jobs.execute("a1")
            await flow.jobs.execute("a1")
            assert server.requests == [1, 1]
            server.writers[0].write(OTHERS_RUN)
            assert (await flow.jobs.execute("a1")).job_execution_id == "Ex9dN4uVrB6t"
            assert server.requests == [1, 1, 2]
            server.writers[1].get_extra_info("socket").shutdown(socket.SHUT_WR)
            await flow.jobs.execute("a1")
            assert server.requests == [1, 1, 2, 3]


@needs_openssl
async def test_an_ssl_context_decides_whom_to_trust(tmp_path):
    for_server, for_client = contexts(tmp_path)
    async with serving(ssl=for_server) as server, aiohttp.ClientSession() as session:
        for given in ({}, {"session": session}):
            async with client(server.url, **given) as flow:
                with pytest.raises(NotSent, match="certificate") as caught:
                    await flow.jobs.execute("a1")
                assert caught.value.reason == "tls"
            async with client(server.url, ssl=for_client, **given) as flow:
                await flow.jobs.execute("a1")


# --- ids ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "body"),
    [
        (lambda flow: flow.jobs.execute("a1"), {**RUN_OF_A1, "jobId": "b2"}),
        (lambda flow: flow.jobs.execution("a1", "other"), RUN_OF_A1),
        (lambda flow: flow.jobs.get("a1"), {"jobId": "b2"}),
        (lambda flow: flow.jobs.executions_page("a1"), {"list": [RUN_OF_A1, {**RUN_OF_A1, "jobId": "b2"}]}),
        (
            lambda flow: Polls(calls_of(flow)).run_page("a1", 0, 1000),
            {"list": [RUN_OF_A1, {**RUN_OF_A1, "jobId": "b2"}]},
        ),
        (lambda flow: flow.workflows.execute("w1"), {"workflowId": "w2"}),
        (lambda flow: flow.triggers.get("t1"), {"triggerId": "t2"}),
    ],
)
async def test_an_answer_that_names_something_else_is_not_ours(call, body):
    async with serving(answer(200, body)) as server, client(server.url) as flow:
        with pytest.raises(DecodeError, match="as the request does") as caught:
            await call(flow)
        assert caught.value.may_have_run is (caught.value.operation.startswith("execute"))
        with pytest.raises(DataFlowError):
            await call(flow)
        assert server.requests == [1, 2]  # whatever else comes by that connection is not ours either


async def test_a_poll_that_is_answered_about_another_run_does_not_end_the_wait():
    others = {**RUN_OF_A1, "jobExecutionId": "other", "status": "COMPLETED"}
    script = [answer(200, body) for body in (others, {**RUN_OF_A1, "status": "FAILED"})]
    async with scripted(answer(202, RUN_OF_A1), *script) as server, client(server.url) as flow:
        assert (await flow.run("a1", check=False)).status == "FAILED"
    assert len(server.received) == 3
