"""Requests over a plain socket, for tests that look at the bytes of an answer."""

import asyncio
import json

import attrs

from dataflow_async.emulator.audit.events import AnswerLost, AnswerSent
from tests.emulator.conftest import signed_headers

TIMEOUT = 60
"""Seconds that anything in these tests may take."""


def request_bytes(server, method, target, body=None):
    data = b"" if body is None else json.dumps(body).encode()
    stamp = int(server.clock.time() * 1000)
    lines = [f"{method} {target} HTTP/1.1", "Host: 127.0.0.1", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in signed_headers(server, method, target, stamp).items()]
    lines += [f"Content-Length: {len(data)}", "", ""]
    return "\r\n".join(lines).encode() + data


async def connection(server):
    return await asyncio.open_connection("127.0.0.1", int(server.url.rpartition(":")[2]))


async def exchange(server, method, target, body=None):
    """Everything the server sends until it closes; a reset is raised."""
    reader, writer = await connection(server)
    try:
        writer.write(request_bytes(server, method, target, body))
        async with asyncio.timeout(TIMEOUT):
            return await reader.read()
    finally:
        writer.close()


@attrs.frozen
class Reply:
    status: int
    headers: dict
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def code(self):
        return self.json["error"]["errorCode"]


def parsed(data):
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode("ascii").split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    assert first.startswith("HTTP/1.1 "), data
    return Reply(int(first.split(" ")[1]), {name.lower(): text for name, text in headers.items()}, body)


def launch_of(server, job):
    return exchange(server, "POST", f"/api/v1/jobs/{job}/executions", {})


async def until(condition):
    async with asyncio.timeout(TIMEOUT):
        while not condition():
            await asyncio.sleep(0)


def ends_of(server):
    return [it for it in server.history if isinstance(it, AnswerSent | AnswerLost)]
