"""A service that answers a probe from what another one has answered, with changes."""

import asyncio
import json
import time
from datetime import UTC, datetime
from email.utils import formatdate

import attrs

from dataflow_async.emulator import Emulator
from dataflow_async.probe.exchange import Exchange
from dataflow_async.probe.facts import observe
from dataflow_async.probe.probing import probe
from dataflow_async.probe.questions import Interview, read_account
from dataflow_async.probe.report import Report
from tests.support.clocks import LeapClock
from tests.support.services import filled

IDLE = {"connection: kept idle": "open after 2 s"}
HEADERS = {
    "content-type": "application/json",
    "x-ncp-apigw-request-id": "1",
}


def recorded(**settings):
    """Names of questions, and status and body of each answer, of an account that shows everything."""
    return asyncio.run(_recorded(**settings))


async def _recorded(**settings):
    found = {}
    clock = LeapClock()
    async with Emulator(clock=clock, **settings) as server:
        await filled(server, push=clock.sleep)
        await probe(
            server.credentials,
            server.url,
            clock=clock,
            job_to_run=list(server.state.jobs)[-1],
            on_answer=lambda it: found.setdefault(it.question.name, (it.status, it.json)),
        )
    assert {"run", "run in progress", "workflow", "trigger", "launch", "cancelled run"} <= found.keys()
    return found


LAUNCH = {
    "answer": "202 object", "first read": "202 object", "found after": "at once", "listed after": "at once",
    "parameters": "once running", "states": ["READY", "RUNNING", "COMPLETED"], "date off": "0 h", "ready seconds": 4,
    "run seconds": 30, "cancel of an ended run": "400 service bad-state", "status after cancel": "unchanged",
}  # fmt: skip


@attrs.define
class Replay:
    """Answers by the names of questions; a question without one is refused as unknown."""

    answers: dict
    headers: dict = attrs.field(factory=lambda: {**HEADERS, "date": formatdate(usegmt=True)})
    repeats: dict = attrs.field(factory=dict)
    """Questions that are throttled, each with its Retry-After."""
    launch: dict = attrs.field(factory=lambda: {f"launch: {name}": value for name, value in LAUNCH.items()})
    idle: dict = attrs.field(factory=lambda: dict(IDLE))

    async def send(self, question):
        """Answer a question."""
        status, body = self.answers.get(question.name, (404, {"errorType": "not-found", "detail": "d"}))
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        exchange = Exchange(question, status, dict(self.headers), data, time.time())
        if status == 429 or status >= 500:
            exchange.repeats = 2
        if question.name in self.repeats:
            exchange.repeats, exchange.retry_after = 1, self.repeats[question.name]
        return exchange

    async def exchanges(self):
        """Every question and its answer."""
        interview = Interview(self.send)
        await read_account(interview, datetime.now(UTC))
        return interview.exchanges

    def report(self):
        """The report about this service."""
        exchanges = asyncio.run(self.exchanges())
        assert observe(exchanges)
        return Report.of(exchanges, "1", idle=self.idle, more=self.launch or None)
