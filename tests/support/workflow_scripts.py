"""A workflow whose list of runs is scripted: what the emulator does not do."""

import asyncio
from datetime import datetime, timedelta, timezone
from email.utils import formatdate
from urllib.parse import parse_qs, urlsplit

import pytest

from dataflow_async import (
    LaunchUncertain,
    RetryPolicy,
)
from tests.support.client import client
from tests.support.clocks import LeapClock
from tests.support.scripted import answer, scripted

WORKFLOW, TRIGGER = "Wf7bR2cXpZ4d", "Tg5mH8sYqK1w"
ONCE = RetryPolicy(max_attempts=1)
ROLE = {"nrn": "nrn:PUB:IAM::1:Role/1", "scriptPath": "lake/scripts/", "logPath": "lake/logs/"}


def run(execution_id, job_id="a", status="COMPLETED", **members):
    """A row of a list; None leaves a member out."""
    row = {"jobExecutionId": execution_id, "jobId": job_id, "status": status, "triggerId": TRIGGER, **members}
    return {name: value for name, value in row.items() if value is not None}


def node(job_id, *parents, kind="JOB", **members):
    return {"id": job_id, "name": "step", "type": kind, "parentNodeIds": list(parents), **members}


ONE = [node("a", TRIGGER), node(TRIGGER, kind="TRIGGER")]
CHAIN = [*ONE, node("b", "a")]
UNTIL_NOW = object()
LATER = "2099-01-01T00:00:00.000+09:00"
DEEP = [*CHAIN, node("c", "b")]


class Service:
    """A workflow whose list of runs is scripted, poll by poll.

    Args:
        nodes: The workflow's.
        before: Rows listed before the start.
        polls: What the list shows on each poll after the start, the last one from then on: rows, an answer,
            or a function of the page number that returns either.
        runs: Answers to polls at single runs, by id, the last one from then on; others have COMPLETED.
        accepted: The answer to the start.
    """

    def __init__(self, nodes, polls, *, before=(), runs=None, accepted=None):
        self.nodes, self.before, self.polls, self.runs = nodes, list(before), list(polls), dict(runs or {})
        self.accepted = accepted or answer(
            202, {"workflowId": WORKFLOW, "triggerId": TRIGGER, "status": "ACCEPTED"}
        )
        self.asked = []

    @property
    def starts(self):
        return self.asked.count("start")

    @property
    def walks(self):
        return self.asked[self.asked.index("start") :].count("list 0")

    def __call__(self, request):
        url = urlsplit(request.target)
        *_, kind, last = url.path.split("/")
        if request.method == "POST":
            self.asked.append("start")
            return self.accepted
        if "/jobs/" in url.path:
            return self._single(url.path.split("/")[-3], last)
        if kind == "workflows":
            return answer(200, {"workflowId": WORKFLOW, "name": "dawn_rollup", "nodes": self.nodes})
        number = int(parse_qs(url.query)["page"][0])
        self.asked.append(f"list {number}")
        return self._list(number)

    def _list(self, number):
        shown = self.before if not self.starts else self.polls[min(self.walks, len(self.polls)) - 1]
        if callable(shown):
            shown = shown(number)
        elif number and not isinstance(shown, bytes):
            shown = []
        return shown if isinstance(shown, bytes) else answer(200, {"list": shown})

    def _single(self, job_id, execution_id):
        self.asked.append(execution_id)
        given = self.runs.get(execution_id, [run(execution_id, job_id)])
        shown = given.pop(0) if len(given) > 1 else given[0]
        return shown if isinstance(shown, bytes) else answer(200, shown)


async def follow(service, *, seconds=None, payload=None, **settings):
    """Run the scripted workflow; naps take no time."""
    settings.setdefault("retry", ONCE)
    async with scripted(service) as server, client(server.url, **settings) as flow:
        async with asyncio.timeout(5):  # what is never found ends the test, not the day
            return await flow.run_workflow(WORKFLOW, timeout=seconds, payload=payload)


def ids(runs):
    return [run.job_execution_id for run in runs]


def paged(rows, size, *, shift=0):
    """Pages capped at ``size``; all but the first begin ``shift`` rows early, as if rows had come in."""
    return lambda number: rows[max(0, number * size - shift * bool(number)) :][:size]


NOW = 1_800_000_000.4


def dated(service, clock, *, off=0.0):
    """Let every answer of a service carry a Date, ``off`` seconds ahead of ``clock``."""

    def respond(request):
        head, _, rest = service(request).partition(b"\r\n")
        return head + f"\r\nDate: {formatdate(clock.now + off, usegmt=True)}\r\n".encode() + rest

    return respond


def at(moment, *, zone=9, shown="+09:00", digits=3):
    """A date as the service prints it."""
    text = datetime.fromtimestamp(moment, timezone(timedelta(hours=zone))).isoformat(timespec="milliseconds")
    return (text[:19] if not digits else text[:23]) + shown


async def follow_dated(service, *, off=0.0, clock=None, **settings):
    clock = clock or LeapClock(now=NOW)
    async with scripted(dated(service, clock, off=off)) as server:
        async with client(server.url, clock=clock, retry=ONCE, **settings) as flow:
            async with asyncio.timeout(5):
                return await flow.run_workflow(WORKFLOW)


def ids_of(rows):
    return [row["jobExecutionId"] for row in rows]


async def refused_to_guess(service, **settings):
    with pytest.raises(LaunchUncertain) as caught:
        await follow(service, **settings)
    assert caught.value.may_have_run
    assert service.starts == 1
    return caught.value
