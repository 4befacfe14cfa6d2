"""Shows the request that a command would send. It goes to a socket of this process, with keys that are nobody's."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any, NoReturn
from urllib.parse import urlsplit

from attrs import define, frozen

from dataflow_async import Credentials, DataFlow, DataFlowError, InvalidRequest, RetryPolicy
from dataflow_async.cli.output import Column, Format, Output

_SHOWN = frozenset({"content-type", "x-ncp-dataflow-payload"})
"""Headers that belong to a request; the others sign it, or are aiohttp's."""
_COLUMNS = [Column("method", "method"), Column("url", "url"), Column("body", "body")]


class NothingSent(Exception):
    """The request is shown, and the command is over."""


@frozen
class Request:
    """One request as it came over the wire."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


@define
class _Recorder:
    """A server on loopback that keeps the first request and closes the connection."""

    request: Request | None = None

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, target, _ = head[0].split(" ")
        pairs = (line.split(": ", 1) for line in head[1:] if ": " in line)
        headers = {name.lower(): value for name, value in pairs}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        kept = {name: value for name, value in headers.items() if name in _SHOWN}
        self.request = self.request or Request(method, target, kept, body)
        writer.close()


async def show(service: str, out: Output, call: Callable[[DataFlow], Awaitable[Any]]) -> NoReturn:
    """Print the request that a call would send, unsigned.

    Args:
        service: Address that it would go to.
        out: Where to print.
        call: Makes the call with a client.

    Raises:
        NothingSent: Always, unless the call itself is refused.
        InvalidRequest: An argument is refused before anything would be sent.
    """
    recorder = _Recorder()
    server = await asyncio.start_server(recorder, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    prefix = urlsplit(service).path
    async with (
        server,
        DataFlow(
            Credentials("dry-run", "dry-run"),
            base_url=f"http://127.0.0.1:{port}{prefix}",
            retry=RetryPolicy(max_attempts=1),
        ) as flow,
    ):
        try:
            await call(flow)
        except InvalidRequest:
            raise
        except DataFlowError:
            if recorder.request is None:
                raise
    assert recorder.request is not None  # noqa: S101  # a call that returns was answered, and nobody answers here
    _print(service, out, recorder.request)
    raise NothingSent


def _print(service: str, out: Output, request: Request) -> None:
    parts = urlsplit(service)
    url = f"{parts.scheme}://{parts.netloc}{request.target}"
    body = json.loads(request.body) if request.body else None
    if out.form is not Format.TABLE or out.has_query:
        row = {"method": request.method, "url": url, "headers": request.headers, "body": body}
        out.one(row, _COLUMNS)
    else:
        lines = [f"{request.method} {url}", *(f"{name}: {value}" for name, value in request.headers.items())]
        if body is not None:
            lines += ["", json.dumps(body, indent=2, ensure_ascii=False)]
        out.text("\n".join(lines))
    out.note("dry run: nothing was sent")
