"""The server: its address, its start and stop, and its settings."""

import ast
import asyncio
import sys
from pathlib import Path

import aiohttp
import pytest

import dataflow_async.emulator
from dataflow_async.emulator import Emulator, ManualClock
from tests.emulator.conftest import session_of, signed_headers

ROOM = Path(dataflow_async.emulator.__file__).parent


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.com", "localhost.example.com", ""])
def test_a_server_stays_on_loopback_without_allow_remote(host):
    with pytest.raises(ValueError, match="allow_remote"):
        Emulator(host=host)
    Emulator(host=host, allow_remote=True)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
def test_loopback_has_several_names(host):
    Emulator(host=host)


@pytest.mark.parametrize(
    "settings",
    [
        {"speed": 0},
        {"speed": -1},
        {"fail_rate": -0.1},
        {"fail_rate": 1.1},
        {"ready_seconds": (2, 1)},
        {"run_seconds": (-1, 1)},
    ],
)
def test_invalid_settings_are_refused(settings):
    with pytest.raises(ValueError, match=next(iter(settings))):
        Emulator(**settings)


def test_settings_go_by_keyword():
    with pytest.raises(TypeError):
        Emulator("127.0.0.1")


async def test_a_server_has_an_address_only_while_it_runs():
    server = Emulator()
    with pytest.raises(RuntimeError, match="start"):
        _ = server.url
    async with server:
        assert server.url.startswith("http://127.0.0.1:")
        with pytest.raises(RuntimeError, match="running already"):
            await server.start()
    with pytest.raises(RuntimeError, match="start"):
        _ = server.url
    await server.stop()


async def test_ipv6_has_brackets():
    try:
        async with Emulator(host="::1") as server, session_of(server) as api:
            assert server.url.startswith("http://[::1]:")
            assert (await api("getJobs")).status == 200
    except OSError as error:
        pytest.skip(f"no IPv6 here: {error}")


async def test_the_state_is_kept_after_a_stop():
    server = Emulator()
    async with server, session_of(server) as api:
        job = await api.job()
    async with server, session_of(server) as api:
        assert (await api("getJobById", job)).status == 200


async def test_a_port_in_use_is_an_error_and_leaves_nothing_open():
    async with Emulator() as first:
        port = int(first.url.rpartition(":")[2])
        second = Emulator(port=port)
        with pytest.raises(OSError, match=str(port)):
            await second.start()
        with pytest.raises(RuntimeError):
            _ = second.url


async def test_several_run_side_by_side():
    async with Emulator() as one, Emulator() as two, session_of(one) as first, session_of(two) as second:
        job = await first.job()
        assert (await second("getJobById", job)).status == 404


async def test_a_call_takes_effect_although_its_client_disconnected(server, clock):
    """As at a real service: cancelling is not undoing."""
    body = b'{"name":"abc","type":"SCRIPT"}'
    target = "/api/v1/jobs"
    headers = signed_headers(server, "POST", target, int(clock.time() * 1000))
    _, writer = await asyncio.open_connection("127.0.0.1", int(server.url.rpartition(":")[2]))
    lines = [
        f"POST {target} HTTP/1.1",
        "Host: x",
        f"Content-Length: {len(body)}",
        *(f"{k}: {v}" for k, v in headers.items()),
    ]
    writer.write("\r\n".join([*lines, "", ""]).encode() + body)
    await writer.drain()
    writer.close()
    await writer.wait_closed()

    async with asyncio.timeout(60):
        while not server.state.jobs:
            await asyncio.sleep(0)


async def test_many_requests_at_once_are_answered(api, server):
    job = await api.job()

    replies = await asyncio.gather(*(api("executeJob", job) for _ in range(200)))

    assert {reply.status for reply in replies} == {202}
    assert len({reply.body["jobExecutionId"] for reply in replies}) == len(server.state.executions) == 200


async def test_a_defect_of_the_emulator_is_a_900_and_is_logged(api, server, caplog, monkeypatch):
    monkeypatch.setattr(server.state, "jobs", None)

    reply = await api.send("GET", "/api/v1/jobs")

    assert (reply.status, reply.error_code) == (500, "900")
    assert "failed in the emulator" in caplog.text
    caplog.clear()


async def test_one_clock_serves_client_and_server(server, clock, api):
    """A task that sleeps on the clock and calls over loopback gets ahead while the clock is pushed."""
    job = await api.job()
    run = (await api("executeJob", job)).body["jobExecutionId"]

    async def until_over():
        looks = 0
        while await api.status(job, run) != "COMPLETED":
            await clock.sleep(0.5)
            looks += 1
        return looks

    task = asyncio.create_task(until_over())
    while not task.done():
        await clock.push(0.5)

    assert 1 <= await task <= 8


def test_the_emulator_shares_no_code_with_the_client():
    """Two halves that share code are wrong together; only the front hands out a client, and late."""
    for file in ROOM.rglob("*.py"):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        top = tree.body if file.name == "emulator.py" else ast.walk(tree)
        for node in top:
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for name in names:
                root = name.split(".")[0]
                assert root in {
                    *sys.stdlib_module_names,
                    "aiohttp",
                    "attrs",
                    "cattrs",
                    "orjson",
                    "dataflow_async",
                }, f"{file.name}: {name}"
                if root == "dataflow_async":
                    assert name.startswith("dataflow_async.emulator"), f"{file.name}: {name}"


def test_a_server_without_a_clock_uses_the_system_clock():
    assert abs(Emulator(clock=None).clock.time() - Emulator().clock.time()) < 1
    clock = ManualClock()
    assert Emulator(clock=clock).state.clock is clock


async def test_a_plain_aiohttp_session_is_answered(server):
    async with aiohttp.ClientSession() as session, session.get(server.url + "/api/v1/jobs") as response:
        assert response.status == 401
