"""Answers in place of the service, as bytes on a plain socket."""

from email.utils import parsedate_to_datetime

import pytest

from tests.emulator.faults.kinds.wire import launch_of, parsed


@pytest.mark.parametrize(
    ("details", "code", "header"),
    [
        ({}, "410", None),
        ({"code": "400"}, "400", None),
        ({"code": 420, "retry_after": 3}, "420", "3"),
        ({"code": "477", "retry_after": "soon, perhaps"}, "477", "soon, perhaps"),
    ],
)
async def test_429(server, job, details, code, header):
    server.faults.add("429", **details)

    reply = parsed(await launch_of(server, job))
    assert (reply.status, reply.code, reply.headers.get("retry-after")) == (429, code, header)
    assert not server.state.executions


async def test_429_with_a_date(server, clock, job):
    server.faults.add("429", retry_after="date+90")

    header = parsed(await launch_of(server, job)).headers["retry-after"]
    assert parsedate_to_datetime(header).timestamp() == int(clock.time()) + 90


@pytest.mark.parametrize(("when", "runs"), [("before", 0), ("after", 1)])
@pytest.mark.parametrize(("kind", "code"), [("500", "900"), ("503", "500"), ("504", "510")])
async def test_gateway_errors(server, job, kind, code, when, runs):
    server.faults.add(kind, operation="executeJob", when=when)

    reply = parsed(await launch_of(server, job))
    assert (reply.status, reply.code) == (int(kind), code)
    assert len(server.state.executions) == runs


async def test_401(server, clock, job):
    server.faults.add("401", skew=-400)

    reply = parsed(await launch_of(server, job))
    assert (reply.status, reply.code) == (401, "200")
    assert parsedate_to_datetime(reply.headers["date"]).timestamp() == int(clock.time()) - 400


async def test_302(server, job):
    server.faults.add("302", location="http://127.0.0.1:1/login")

    reply = parsed(await launch_of(server, job))
    assert (reply.status, reply.headers["location"], reply.body) == (302, "http://127.0.0.1:1/login", b"")


@pytest.mark.parametrize(("when", "runs"), [("before", 0), ("after", 1)])
async def test_html(server, job, when, runs):
    server.faults.add("html", status=503, operation="executeJob", when=when)

    reply = parsed(await launch_of(server, job))
    assert (reply.status, reply.headers["content-type"], reply.body[:6]) == (503, "text/html", b"<html>")
    assert len(server.state.executions) == runs
