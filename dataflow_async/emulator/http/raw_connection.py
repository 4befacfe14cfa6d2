"""The connection of a request, for faults that send the answer themselves."""

import asyncio
import os
import socket
import struct

import attrs
from aiohttp import web

from dataflow_async.emulator import defaults
from dataflow_async.emulator.faults.injector import Pause
from dataflow_async.emulator.http.whole_answer import WholeAnswer


@attrs.define
class RawConnection:
    """The connection of one request; it implements `faults.base.Connection`."""

    head: bytes
    body: bytes
    _refuse: Pause
    _transport: asyncio.Transport
    _stopping: "asyncio.Future[None]"
    _pause: Pause

    @classmethod
    def of(
        cls,
        request: web.BaseRequest,
        response: WholeAnswer,
        stopping: "asyncio.Future[None]",
        pause: Pause,
        refuse: Pause,
    ) -> "RawConnection | None":
        """Return the connection of a request, or None if it is closed."""
        transport = request.transport
        if transport is None:
            return None
        head = response.head({"Connection": "close"})
        return cls(head, response.data, refuse, transport, stopping, pause)

    @property
    def gone(self) -> bool:
        """Whether the client has disconnected, or the server stops."""
        return self._transport.is_closing() or self._stopping.done()

    def write(self, data: bytes) -> None:
        """Send bytes as they are."""
        self._transport.write(data)

    async def pause(self, seconds: float) -> None:
        """Wait on the emulator's clock."""
        await self._pause(seconds)

    async def hold_open(self) -> None:
        """Keep the connection open until the client disconnects or the server stops."""
        while not self.gone:
            await asyncio.wait([self._stopping], timeout=defaults.HOLD_CHECK_INTERVAL)

    async def stop_listening(self, seconds: float) -> None:
        """Close every connection, and refuse new ones for a time."""
        await self._refuse(seconds)

    def reset(self) -> None:
        """Reset the connection (TCP RST)."""
        # Through a duplicate descriptor: not every event loop permits changes of its sockets.
        with socket.socket(fileno=os.dup(self._transport.get_extra_info("socket").fileno())) as same:
            same.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()

    def close(self) -> None:
        """Close the connection once all written bytes are sent."""
        self._transport.close()
