"""A raw HTTP server on loopback that answers from a script and keeps what it was sent, byte for byte."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from email.utils import formatdate
from typing import Any

import attrs


@attrs.frozen
class Received:
    """One request as it came in."""

    method: str
    target: str
    headers: dict[str, str]
    """Names in lower case."""
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


STALL = b"(say nothing until the connection is closed)"
RESET = b"(cut the connection with a reset)"
Answer = bytes | Callable[[Received], bytes]


def answer(status: int = 200, body: Any = b"", **headers: str) -> bytes:
    """A whole response; ``body`` is bytes, text, or a value to write as JSON."""
    if isinstance(body, str):
        body = body.encode()
    elif not isinstance(body, bytes):
        body = json.dumps(body).encode()
    lines = {
        "Content-Length": str(len(body)),
        **{name.replace("_", "-"): text for name, text in headers.items()},
    }
    head = "".join(f"{name}: {text}\r\n" for name, text in lines.items())
    return f"HTTP/1.1 {status} Scripted\r\n{head}\r\n".encode() + body


@attrs.define
class Scripted:
    """The server: its address and what it has received."""

    url: str
    received: list[Received] = attrs.field(factory=list)

    @property
    def last(self) -> Received:
        return self.received[-1]

    @property
    def targets(self) -> list[str]:
        return [request.target for request in self.received]


@asynccontextmanager
async def scripted(*answers: Answer, close: bool = False) -> AsyncIterator[Scripted]:
    """Answer the n-th request with the n-th of ``answers``, the last one from then on.

    ``close`` hangs up after each answer, so that the rest of a short one never comes; no answers at all
    hangs up on every request.
    """
    connections: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        connections.add(task)
        try:
            while (request := await _read(reader)) is not None:
                server.received.append(request)
                if answers:
                    given = answers[min(len(server.received), len(answers)) - 1]
                    wanted = given(request) if callable(given) else given
                    if wanted is RESET:
                        writer.transport.abort()
                        return
                    if wanted is not STALL:
                        writer.write(wanted)
                        await writer.drain()
                if close or not answers:
                    return
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            connections.discard(task)
            writer.close()

    listener = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    server = Scripted(f"http://127.0.0.1:{port}")
    try:
        yield server
    finally:
        listener.close()
        for task in list(connections):
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)


async def _read(reader: asyncio.StreamReader) -> Received | None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.decode("latin-1").split("\r\n")
    method, target, _ = first.split(" ")
    headers = {
        name.lower(): text.strip() for name, _, text in (line.partition(":") for line in lines if line)
    }
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Received(method, target, headers, body)


def gateway_error(status: int, code: str, **headers: str) -> bytes:
    """An error in the gateway's envelope, dated now."""
    body = {"error": {"errorCode": code, "message": "Refused", "details": None}}
    return answer(status, body, **{"Date": formatdate(usegmt=True), **headers})
