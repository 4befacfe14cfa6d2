"""Faults of the connection, as bytes on a plain socket."""

import asyncio
import re

import pytest

from dataflow_async.emulator import Emulator
from dataflow_async.emulator.audit.events import AnswerLost, AnswerSent
from tests.emulator.faults.kinds.wire import (
    TIMEOUT,
    connection,
    ends_of,
    exchange,
    launch_of,
    parsed,
    request_bytes,
    until,
)


@pytest.mark.parametrize(("when", "runs"), [("before", 0), ("after", 1)])
@pytest.mark.parametrize(
    ("kind", "seen"), [("close", b""), ("garbage", b"\x16\x03\x01\x00\xa5 this is no HTTP\r\n\r\n")]
)
async def test_close_and_garbage_end_the_connection(server, job, kind, seen, when, runs):
    server.faults.add(kind, operation="executeJob", when=when)

    assert await launch_of(server, job) == seen
    assert len(server.state.executions) == runs
    assert isinstance(ends_of(server)[-1], AnswerLost) and ends_of(server)[-1].reason == kind


@pytest.mark.parametrize(("when", "runs"), [("before", 0), ("after", 1)])
async def test_reset(server, job, when, runs):
    server.faults.add("reset", operation="executeJob", when=when)

    with pytest.raises(ConnectionResetError):
        await launch_of(server, job)
    assert len(server.state.executions) == runs


async def test_accept_close(server, job):
    server.faults.add("accept-close", count=1)

    reader, writer = await connection(server)
    assert await reader.read() == b""
    writer.close()
    assert parsed(await launch_of(server, job)).status == 202
    assert [it.reason for it in server.history if isinstance(it, AnswerLost) and it.request is None] == [
        "accept-close"
    ]


@pytest.mark.parametrize(("when", "runs"), [("before", 0), ("after", 1)])
async def test_refuse(server, clock, job, when, runs):
    server.faults.add("refuse", seconds=30, operation="executeJob", when=when, count=1)
    url = server.url
    idle, idle_writer = await connection(server)

    assert await launch_of(server, job) == b""
    with pytest.raises(ConnectionRefusedError):
        await connection(server)
    assert await idle.read() == b""
    idle_writer.close()
    assert len(server.state.executions) == runs
    assert server.url == url

    await clock.push(30)
    assert parsed(await launch_of(server, job)).status == 202


@pytest.mark.parametrize(("when", "runs"), [("before", 0), ("after", 1)])
async def test_stalled_headers_until_the_client_leaves(server, job, when, runs):
    server.faults.add("stall-headers", operation="executeJob", when=when)
    reader, writer = await connection(server)
    writer.write(request_bytes(server, "POST", f"/api/v1/jobs/{job}/executions", {}))
    await until(lambda: server.faults and next(iter(server.faults)).injected)
    first_byte = asyncio.create_task(reader.read(1))
    for _ in range(100):
        await asyncio.sleep(0)

    assert not first_byte.done()
    assert len(server.state.executions) == runs
    first_byte.cancel()
    writer.close()
    await until(lambda: isinstance(ends_of(server)[-1], AnswerLost))
    assert ends_of(server)[-1].reason == "stall-headers"


async def test_stalled_body_until_the_server_stops(job, server):
    server.faults.add("stall-body", operation="getJobById")
    reader, writer = await connection(server)
    writer.write(request_bytes(server, "GET", f"/api/v1/jobs/{job}"))
    head = await reader.readuntil(b"\r\n\r\n")
    promised = int(re.search(rb"Content-Length: ([0-9]+)", head)[1])
    half = await reader.readexactly(promised // 2)
    assert half.startswith(b'{"jobId":')

    async with asyncio.timeout(TIMEOUT):
        await server.stop()
        assert await reader.read() == b""
    writer.close()
    assert ends_of(server)[-1].reason == "stall-body"


async def test_half_body(server, job):
    server.faults.add("half-body", operation="getJobById")

    reply = parsed(await exchange(server, "GET", f"/api/v1/jobs/{job}"))
    assert len(reply.body) == int(reply.headers["content-length"]) // 2 > 0


@pytest.mark.parametrize(
    ("kind", "details", "pieces"),
    [("trickle", {"pause": 1, "size": 50}, 8), ("bandwidth", {"bytes_per_second": 500}, 4)],
)
async def test_an_answer_in_pieces_comes_whole(server, clock, job, kind, details, pieces):
    plain = parsed(await exchange(server, "GET", f"/api/v1/jobs/{job}"))
    server.faults.add(kind, operation="getJobById", **details)
    start = clock.time()

    task = asyncio.create_task(exchange(server, "GET", f"/api/v1/jobs/{job}"))
    while not task.done():
        await clock.push(0.1)
    reply = parsed(await task)

    assert (reply.status, reply.body) == (200, plain.body)
    assert clock.time() - start >= pieces * (1 if kind == "trickle" else 0.1)
    assert isinstance(ends_of(server)[-1], AnswerSent)


@pytest.mark.parametrize(
    "spec",
    ["stall-headers", "stall-body", "latency 3600", "trickle pause=3600", "refuse 3600", "bandwidth 1"],
)
async def test_stop_ends_every_held_connection(spec):
    before = asyncio.all_tasks()
    async with asyncio.timeout(TIMEOUT):
        async with Emulator(faults=spec) as server:
            reader, writer = await connection(server)
            writer.write(request_bytes(server, "GET", "/api/v1/jobs"))
            await until(lambda: next(iter(server.faults)).injected)
            for _ in range(20):
                await asyncio.sleep(0)
        await reader.read()
        writer.close()
        await until(lambda: asyncio.all_tasks() == before)
    assert len(ends_of(server)) == 1


async def test_a_cleared_plan_injects_nothing(server, job):
    server.faults.parse("reset; accept-close; 500")
    server.faults.clear()

    assert parsed(await launch_of(server, job)).status == 202
