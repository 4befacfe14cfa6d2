"""An HTTP server in a process of its own that answers every request alike, as cheaply as Python can.

It must not be what is measured: it does a fifth of the work of the cheapest rival.
"""

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection

from benchmarks.process import serving

EXECUTION = {
    "jobExecutionId": "Ex9dN4uVrB6t",
    "jobId": "Jq3kT9vLmN2x",
    "jobName": "orders_rollup",
    "jobCondition": {
        "numWorker": 4,
        "timeout": 90,
        "nrn": "nrn:PUB:IAM::2600001:Role/5f2c9a10-7d3e-4b18-9c44-0a1b2c3d4e5f",
        "scriptPath": "acme-lake/flow/scripts/",
        "logPath": "acme-lake/flow/history/",
        "consoleLogPath": "acme-lake/flow/history/Ex9dN4uVrB6t",
        "parameters": {f"parameter_{n}": "value of some length " * 2 for n in range(8)},
    },
    "status": "COMPLETED",
    "createdDate": "2026-11-07T09:12:30+09:00",
    "startDate": "2026-11-07T09:14:02+09:00",
    "endDate": "2026-11-07T09:21:47+09:00",
    "triggerId": "Tg5mH8sYqK1w",
    "triggerName": "every-dawn",
    "waitingTime": 2,
    "runningTime": 8,
    "executorNum": 4,
    "parsedParameters": {},
    "type": "WORKFLOW",
}
"""About 1.3 kB of JSON, 21 members with the nested ones."""

BODY = json.dumps(EXECUTION).encode()
_HEAD = (
    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nDate: Sat, 07 Nov 2026 00:00:00 GMT\r\n"
    f"x-ncp-apigw-request-id: 0123456789abcdef\r\nContent-Length: {len(BODY)}\r\n\r\n"
).encode()


class _Stub(asyncio.Protocol):
    def __init__(self) -> None:
        self._buffer = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        *whole, self._buffer = self._buffer.split(b"\r\n\r\n")  # only GETs come here: no bodies
        if whole and self._transport is not None:
            self._transport.write((_HEAD + BODY) * len(whole))


async def _serve(pipe: Connection) -> None:
    server = await asyncio.get_running_loop().create_server(_Stub, "127.0.0.1", 0)
    pipe.send(server.sockets[0].getsockname()[1])
    await server.serve_forever()


@contextmanager
def stub_server() -> Iterator[str]:
    """Give the URL of a running stub."""
    with serving(_serve) as pipe:
        yield f"http://127.0.0.1:{pipe.recv()}"
