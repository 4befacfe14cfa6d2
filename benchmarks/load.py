"""A load generator that costs next to nothing: requests are bytes before it starts, answers are only cut and counted."""

import asyncio
import time
from collections.abc import Iterable, Iterator
from functools import partial


class _Connection(asyncio.Protocol):
    """One connection: a request, its answer, the next request, until there are no more."""

    def __init__(self, requests: Iterator[bytes], over: "asyncio.Future[None]") -> None:
        self._requests = requests
        self._over = over
        self._buffer = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._next()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, gap, body = self._buffer.partition(b"\r\n\r\n")
        if not gap or len(body) < int(head.partition(b"Content-Length: ")[2].partition(b"\r")[0]):
            return
        if not head.startswith(b"HTTP/1.1 2"):
            self._end(AssertionError(self._buffer.decode()))
            return
        self._buffer = b""
        self._next()

    def connection_lost(self, error: Exception | None) -> None:
        self._end(error or ConnectionError("the server hung up"))

    def _next(self) -> None:
        assert self._transport is not None
        request = next(self._requests, None)
        if request is None:
            self._end(None)
            self._transport.close()
        else:
            self._transport.write(request)

    def _end(self, error: Exception | None) -> None:
        if self._over.done():
            return
        if error is None:
            self._over.set_result(None)
        else:
            self._over.set_exception(error)


async def load(port: int, requests: Iterable[bytes], at_once: int) -> tuple[float, float]:
    """Send all requests over ``at_once`` connections to a server on loopback.

    Returns:
        Wall seconds, and CPU seconds that the load itself took.
    """
    loop = asyncio.get_running_loop()
    work = iter(requests)
    ends = [loop.create_future() for _ in range(at_once)]
    wall, cpu = time.perf_counter(), time.process_time()
    for end in ends:
        await loop.create_connection(partial(_Connection, work, end), "127.0.0.1", port)
    await asyncio.gather(*ends)
    return time.perf_counter() - wall, time.process_time() - cpu
