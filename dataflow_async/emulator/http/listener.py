"""The socket: accepts connections, refuses them for a time if a fault says so, and closes them all at the end."""

import asyncio
import logging
from asyncio import FIRST_COMPLETED
from collections.abc import Awaitable, Callable
from typing import Any

import attrs
from aiohttp import web

from dataflow_async.emulator import defaults
from dataflow_async.emulator.service.clock import Clock

HttpHandler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]

_log = logging.getLogger(__name__)


class _HangUp(asyncio.Protocol):
    """Closes a connection as soon as it is accepted."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.close()


@attrs.define(eq=False)
class Listener:
    """Listens for HTTP, from `start` to `stop`.

    Always true: `address` stays the same from `start` to `stop`, also while connections are refused, so that clients find the server
    again; and after `stop` no connection, pause or reopening task is left.

    Args:
        host: Address.
        port: Port, or 0 for a free one.
        clock: Its ``sleep`` times the pauses, if it has one; otherwise the event loop does.
        hangs_up: Called for each new connection; true closes it at once.
        idle_limit: Seconds after which an idle connection is closed.
    """

    _host: str
    _port: int
    _clock: Clock
    _hangs_up: Callable[[], bool]
    _idle_limit: float
    stopping: "asyncio.Future[None]" = attrs.field(init=False)
    """Done from the moment the server stops."""
    _runner: web.ServerRunner = attrs.field(init=False)
    _server: asyncio.Server | None = attrs.field(default=None, init=False)
    _address: tuple[str, int] = attrs.field(default=("", 0), init=False)
    _reopening: "asyncio.Task[None] | None" = attrs.field(default=None, init=False)

    @property
    def address(self) -> tuple[str, int]:
        """Address and port, also while connections are refused."""
        return self._address

    async def start(self, handle: HttpHandler) -> None:
        """Listen, and hand every request to one handler.

        Raises:
            OSError: The address is in use or not available.
        """
        self.stopping = asyncio.get_running_loop().create_future()
        # A handler continues after its client has disconnected: the call still takes effect, as at a real service.
        # A bare server: the handler routes each request, so aiohttp's router need not do it before.
        self._runner = web.ServerRunner(
            web.Server(handle, access_log=None, keepalive_timeout=self._idle_limit),
            shutdown_timeout=defaults.SHUTDOWN_TIMEOUT,
        )
        await self._runner.setup()
        try:
            await self._listen(self._port)
        except BaseException:
            await self._runner.cleanup()
            raise

    async def stop(self) -> None:
        """End pauses and held connections, let requests finish, close every connection."""
        self.stopping.set_result(None)
        if self._reopening is not None:
            self._reopening.cancel()
            await asyncio.wait([self._reopening])
        if self._server is not None:
            self._server.close()
        await self._runner.cleanup()

    async def pause(self, seconds: float) -> None:
        """Return after some seconds of the clock, or when the server stops."""
        sleep: Callable[[float], Awaitable[None]] = getattr(self._clock, "sleep", asyncio.sleep)
        sleeping = asyncio.ensure_future(sleep(seconds))
        try:
            await asyncio.wait([sleeping, self.stopping], return_when=FIRST_COMPLETED)
        finally:
            sleeping.cancel()

    async def refuse(self, seconds: float) -> None:
        """Close every connection and refuse new ones for some seconds; calls in flight still take effect."""
        await _accepts_settled()
        if self._server is None or self.stopping.done():
            return
        self._server.close()
        self._server = None
        for connection in self._runner.server.connections if self._runner.server else ():
            if connection.transport is not None:
                connection.transport.close()
        self._reopening = asyncio.create_task(self._reopen(seconds))

    async def _reopen(self, seconds: float) -> None:
        await self.pause(seconds)
        if self.stopping.done():
            return
        try:
            await self._listen(self._address[1])
        except OSError as error:
            _log.error("port %s: can't listen again: %s", self._address[1], error)

    async def _listen(self, port: int) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._protocol, self._host, port, backlog=128)
        self._address = self._server.sockets[0].getsockname()[:2]

    def _protocol(self) -> asyncio.Protocol:
        server: Any = self._runner.server
        return _HangUp() if self._hangs_up() else server()


async def _accepts_settled() -> None:
    """Wait until asyncio accepts no connection that it would leak if the server were closed now; give the loop a bounded time."""
    for _ in range(defaults.ACCEPT_TURNS):
        names = (getattr(task.get_coro(), "__qualname__", "") for task in asyncio.all_tasks())
        if not any(name.endswith("._accept_connection2") for name in names):
            return
        await asyncio.sleep(0)
