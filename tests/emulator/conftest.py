"""A server on a manual clock, and a client that signs with its own code and checks every answer against the contract."""

import hmac
import io
import json
import logging
from base64 import b64encode
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote, urlencode

import aiohttp
import attrs
import pytest
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web import RequestPayloadError
from yarl import URL

from dataflow_async.emulator import Emulator, ManualClock
from tests.support import contract


def signed_headers(server: Emulator, method: str, target: str, milliseconds: int) -> dict[str, str]:
    """The three headers for a target exactly as it goes out."""
    message = f"{method} {target}\n{milliseconds}\n{server.access_key}".encode()
    return {
        "x-ncp-apigw-timestamp": str(milliseconds),
        "x-ncp-iam-access-key": server.access_key,
        "x-ncp-apigw-signature-v2": b64encode(
            hmac.digest(server.secret_key.encode(), message, "sha256")
        ).decode(),
    }


@attrs.frozen
class Reply:
    status: int
    headers: Any
    body: Any

    @property
    def error_code(self) -> str:
        return self.body["error"]["errorCode"]


@attrs.frozen
class Caller:
    """Calls by operationId; each answer is held against the contract."""

    server: Emulator
    session: aiohttp.ClientSession

    async def send(self, method: str, target: str, data: bytes | None = None, headers: Any = None) -> Reply:
        """One signed request to a raw target; ``headers`` are added, or replace those of the signature."""
        signature = signed_headers(self.server, method, target, int(self.server.clock.time() * 1000))
        async with self.session.request(
            method,
            URL(self.server.url + target, encoded=True),
            data=None if data is None else io.BytesIO(data),  # aiohttp warns of large bytes
            headers={"Content-Type": "application/json", **signature, **(headers or {})},
        ) as response:
            text = await response.read()
            return Reply(response.status, response.headers, json.loads(text) if text else None)

    async def __call__(
        self, operation_id: str, *ids: str, body: Any = None, headers: Any = None, **query: Any
    ) -> Reply:
        """One call; ``ids`` fill the path from left to right."""
        operation = contract.operations()[operation_id]
        path = operation.path
        for resource_id in ids:
            path = path.replace(path[path.index("{") : path.index("}") + 1], quote(resource_id, safe=""), 1)
        target = path + ("?" + urlencode(query, quote_via=quote) if query else "")
        data = None if body is None else json.dumps(body).encode()
        reply = await self.send(operation.method, target, data, headers)
        contract.validate_response(operation_id, reply.status, reply.body)
        return reply

    async def ok(self, operation_id: str, *ids: str, **arguments: Any) -> Any:
        """The body of a call that succeeds."""
        reply = await self(operation_id, *ids, **arguments)
        assert reply.status < 300, reply.body
        return reply.body

    async def job(self, name: str = "orders_rollup", type: str = "SCRIPT", **members: Any) -> str:  # noqa: A002 - the name of the wire
        return (await self.ok("createJob", body={"name": name, "type": type, **members}))["jobId"]

    async def trigger(self, name: str = "by_hand", type: str = "NONE", rule: Any = None) -> str:  # noqa: A002 - the name of the wire
        body = {"name": name, "type": type, "triggerRule": rule or {"type": "NONE"}}
        return (await self.ok("createTrigger", body=body))["triggerId"]

    async def workflow(
        self, trigger_id: str | None, jobs: dict[str, list[str]], name: str = "dawn_rollup"
    ) -> str:
        """A workflow of jobs, each with the ids of its parents."""
        return (await self.ok("createWorkflow", body=workflow_body(trigger_id, jobs, name)))["workflowId"]

    async def status(self, job_id: str, execution_id: str) -> str:
        return (await self.ok("getJobExecutionById", job_id, execution_id))["status"]


@asynccontextmanager
async def session_of(server: Emulator) -> AsyncIterator[Caller]:
    """A caller for a server of the test's own making."""
    async with aiohttp.ClientSession() as session:
        yield Caller(server, session)


def workflow_body(
    trigger_id: str | None, jobs: dict[str, list[str]], name: str = "dawn_rollup"
) -> dict[str, Any]:
    condition = {"nrn": "nrn:PUB:IAM::1:Role/1", "scriptPath": "lake/scripts/", "logPath": "lake/logs/"}
    nodes: list[dict[str, Any]] = [
        {"id": job_id, "name": "step", "type": "JOB", "parentNodeIds": parents, "jobCondition": condition}
        for job_id, parents in jobs.items()
    ]
    if trigger_id is not None:
        nodes.append({"id": trigger_id, "name": "start", "type": "TRIGGER", "parentNodeIds": []})
    return {"name": name, "nodes": nodes}


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def server(clock: ManualClock) -> AsyncIterator[Emulator]:
    async with Emulator(clock=clock) as server:
        yield server


@pytest.fixture
async def api(server: Emulator) -> AsyncIterator[Caller]:
    async with session_of(server) as caller:
        yield caller


@pytest.fixture(autouse=True)
def no_defects(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """No test may meet a defect of the emulator, nor make aiohttp complain of more than broken HTTP or a broken body."""
    yield
    broken = (HttpProcessingError, RequestPayloadError)
    errors = [record for record in caplog.get_records("call") if record.levelno >= logging.ERROR]
    defects = [it for it in errors if not (it.exc_info and isinstance(it.exc_info[1], broken))]
    assert not defects, [record.getMessage() for record in defects]
