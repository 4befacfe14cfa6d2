"""A connection is held idle and used again: what becomes of it is seen, whatever is announced."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from dataflow_async import Credentials
from dataflow_async.probe.probing import probe
from tests.support.clocks import LeapClock
from tests.support.scripted import answer

KEYS = Credentials("x", "y")
EMPTY = {"list": [], "count": 0}


@asynccontextmanager
async def service(clock, closes_after=None, unasked=b"", **headers):
    """A service that closes, or writes on, connections that were idle for a time by the test's clock."""
    writers = {}

    async def serve(reader, writer):
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                writer.write(answer(200, EMPTY, **headers))
                await writer.drain()
                writers[writer] = clock.ticks
                if headers.get("Connection") == "close":
                    break
        except asyncio.IncompleteReadError:
            pass
        writers.pop(writer, None)
        writer.close()

    nap = clock.sleep

    async def sleep(seconds):
        await nap(seconds)
        for writer, since in list(writers.items()):
            if closes_after is not None and clock.ticks - since >= closes_after:
                writer.write(unasked)
                if not unasked:
                    writer.close()
                await asyncio.sleep(0.02)  # until the other side has seen it

    clock.__class__.sleep = lambda _, seconds: sleep(seconds)
    listener = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    finally:
        listener.close()


class Clock(LeapClock):
    """A clock of which one sleep is replaced."""


@pytest.mark.parametrize(
    ("settings", "hold", "seen", "is_refuted"),
    [
        ({}, 2.0, "open after 2 s", False),
        ({}, 30.0, "open after 30 s", False),
        ({"closes_after": 1}, 2.0, "closed within 2 s", True),
        ({"closes_after": 5}, 10.0, "closed within 10 s", False),
        ({"closes_after": 1, "unasked": b"HTTP/1.1 408 Late\r\nContent-Length: 0\r\n\r\n"}, 2.0, "data came within 2 s", False),
        ({"Keep_Alive": "timeout=60", "closes_after": 5}, 20.0, "closed within 20 s, sooner than announced", True),
        ({"Keep_Alive": "timeout=60"}, 20.0, "open after 20 s", False),
        ({"Keep_Alive": "timeout=5"}, 20.0, "open after 2 s", False),
        ({"Keep_Alive": "timeout=1"}, 20.0, "open after 0 s", False),
        ({"Connection": "close"}, 2.0, "closed after an answer", False),
    ],
)  # fmt: skip
async def test_what_becomes_of_an_idle_connection(settings, hold, seen, is_refuted):
    clock = type("Own", (Clock,), {})()
    async with service(clock, **settings) as url:
        report = await probe(KEYS, url, clock=clock, hold_idle=hold)
    assert report.facts["connection: kept idle"] == seen
    found = next(it for it in report.findings if it.ruling == 98)
    assert (found.answer == "refuted") is is_refuted
