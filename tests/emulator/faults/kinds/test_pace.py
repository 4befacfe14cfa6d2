"""Faults of time, as bytes on a plain socket."""

import asyncio
from email.utils import parsedate_to_datetime

import pytest

from dataflow_async.emulator.audit.events import AnswerLost
from dataflow_async.emulator.faults.kinds import KINDS
from tests.emulator.faults.kinds.wire import (
    connection,
    ends_of,
    launch_of,
    parsed,
    request_bytes,
    until,
)


async def test_clock(server, clock, job):
    server.faults.parse("clock +4min")
    assert parsed(await launch_of(server, job)).json["createdDate"] == "2026-11-01T00:04:00.000+09:00"

    server.faults.clear()
    server.faults.parse("clock -6min")
    reply = parsed(await launch_of(server, job))
    assert (reply.status, reply.code) == (401, "200")
    assert parsedate_to_datetime(reply.headers["date"]).timestamp() == int(clock.time()) - 360


@pytest.mark.parametrize(("age", "told"), [(0, None), (7200, "7200")])
async def test_date_header_is_off_while_the_clock_is_right(server, clock, job, age, told):
    server.faults.add("date-header", seconds=660, age=age)
    reply = parsed(await launch_of(server, job))
    assert parsedate_to_datetime(reply.headers["date"]).timestamp() == int(clock.time()) + 660
    assert reply.headers.get("age") == told
    assert reply.json["createdDate"] == "2026-11-01T00:00:00.000+09:00"


@pytest.mark.parametrize("when", ["before", "after"])
async def test_latency(server, clock, job, when):
    server.faults.add("latency", mean=2, when=when, operation="executeJob")

    task = asyncio.create_task(launch_of(server, job))
    await until(lambda: clock.next_wake)
    assert len(server.state.executions) == (when == "after")
    await clock.push(1.9)
    assert not task.done()
    await clock.push(0.1)
    assert parsed(await task).status == 202
    assert len(server.state.executions) == 1


def test_latency_follows_its_distribution():
    from random import Random

    chance = Random(1)
    for name in ("constant", "uniform", "exponential", "lognormal"):
        kind = KINDS["latency"].made_from({"mean": 0.1, "distribution": name})
        drawn = [kind.seconds(chance) for _ in range(20_000)]
        assert 0.095 < sum(drawn) / len(drawn) < 0.105, name
        assert (len(set(drawn)) == 1) == (name == "constant")
    assert KINDS["latency"].made_from({"mean": "0", "distribution": "lognormal"}).seconds(chance) == 0


async def test_an_effect_happens_although_the_client_disconnects_during_latency(server, clock, job):
    server.faults.add("latency", mean=5, when="before", operation="executeJob")
    _, writer = await connection(server)
    writer.write(request_bytes(server, "POST", f"/api/v1/jobs/{job}/executions", {}))
    await until(lambda: clock.next_wake)
    writer.close()
    await writer.wait_closed()

    await clock.push(5)
    await until(lambda: server.state.executions)
    await until(lambda: isinstance(ends_of(server)[-1], AnswerLost))
    assert ends_of(server)[-1].reason == "the connection was closed"
