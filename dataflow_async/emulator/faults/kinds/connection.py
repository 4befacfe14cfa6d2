"""Faults of the connection: answers that break off, are held back, or are not HTTP."""

import attrs

from dataflow_async.emulator import defaults
from dataflow_async.emulator.faults.base import Connection, Refuses, Sends, When, number, whole


@attrs.frozen
class AcceptClose(Refuses):
    """Connections are accepted and closed at once; counted by connections."""

    name = "accept-close"


@attrs.frozen
class Refuse(Sends):
    """All connections are closed, and new ones are refused for some seconds."""

    name = "refuse"
    seconds: float = number(1.0, high=3600)

    async def send(self, connection: Connection) -> None:
        """Stop listening, like a service that restarts."""
        await connection.stop_listening(self.seconds)


@attrs.frozen
class Close(Sends):
    """The connection is closed without an answer."""

    name = "close"

    async def send(self, connection: Connection) -> None:
        """Send nothing."""


@attrs.frozen
class Reset(Sends):
    """The connection is reset without an answer."""

    name = "reset"

    async def send(self, connection: Connection) -> None:
        """Reset the connection."""
        connection.reset()


@attrs.frozen
class StallHeaders(Sends):
    """No answer comes, and the connection stays open."""

    name = "stall-headers"

    async def send(self, connection: Connection) -> None:
        """Send nothing and keep the connection open."""
        await connection.hold_open()


@attrs.frozen
class Garbage(Sends):
    """Bytes that are not HTTP, then the end of the connection."""

    name = "garbage"

    async def send(self, connection: Connection) -> None:
        """Send bytes that no HTTP parser accepts."""
        connection.write(b"\x16\x03\x01\x00\xa5 this is no HTTP\r\n\r\n")


class _Answering(Sends):
    moments = (When.AFTER,)
    why = "it changes how an answer arrives, and before the effect there is none"


@attrs.frozen
class StallBody(_Answering):
    """Half of the body comes, the rest never; the connection stays open."""

    name = "stall-body"

    async def send(self, connection: Connection) -> None:
        """Send the first half and keep the connection open."""
        connection.write(connection.head + connection.body[: len(connection.body) // 2])
        await connection.hold_open()


@attrs.frozen
class HalfBody(_Answering):
    """Half of the body comes, then the end of the connection."""

    name = "half-body"

    async def send(self, connection: Connection) -> None:
        """Send the first half."""
        connection.write(connection.head + connection.body[: len(connection.body) // 2])


@attrs.frozen
class Trickle(_Answering):
    """The answer comes in small pieces, headers too, with a pause after each."""

    name = "trickle"
    delivers = True
    pause: float = number(0.01, high=3600)
    size: int = whole(16, 1)
    """Bytes in a piece."""

    async def send(self, connection: Connection) -> None:
        """Send small pieces with pauses."""
        await _in_pieces(connection, connection.head + connection.body, self.size, self.pause)


@attrs.frozen
class Bandwidth(_Answering):
    """The body comes at a limited number of bytes a second."""

    name = "bandwidth"
    delivers = True
    bytes_per_second: int = whole(10_000, 1)

    async def send(self, connection: Connection) -> None:
        """Send the headers at once, and the body in steps."""
        connection.write(connection.head)
        size = max(1, round(self.bytes_per_second * defaults.SEND_INTERVAL))
        await _in_pieces(connection, connection.body, size, size / self.bytes_per_second)


async def _in_pieces(connection: Connection, data: bytes, size: int, pause: float) -> None:
    for start in range(0, len(data), size):
        if connection.gone:
            return
        connection.write(data[start : start + size])
        await connection.pause(pause)
