"""The pool of our own session: which connection may carry a request, and whether one was sent (ruling 98)."""

from __future__ import annotations

import asyncio
import re
import select
from contextvars import ContextVar
from typing import Any
from weakref import WeakKeyDictionary

import aiohttp
from aiohttp.client_proto import ResponseHandler

from dataflow_async import defaults
from dataflow_async.clock import Clock
from dataflow_async.transport.no_answer import CutOffError

_KEEP_ALIVE = re.compile(r"\btimeout\s*=\s*\"?(\d{1,9})", re.IGNORECASE)
_POLL = getattr(select, "poll", None)
_READABLE: int = getattr(select, "POLLIN", 0)
_HUNG_UP: int = getattr(select, "POLLRDHUP", 0)
"""The other side has closed. Linux alone tells it apart from data; elsewhere reading has to find out."""


class Witness:
    """Counts how often a request was handed to a connection, and keeps the last one it was handed to."""

    __slots__ = ("creates", "link", "owner", "protocol", "sends")

    def __init__(self, *, creates: bool, owner: object = None) -> None:
        self.creates = creates
        self.owner = owner
        self.sends = 0
        self.protocol: ResponseHandler | None = None
        self.link: _Link | None = None

    def drop(self) -> None:
        """Close the connection: what it carries is not the answer to what was asked."""
        if self.protocol is not None:
            self.protocol.close()


witness_of_call: ContextVar[Witness | None] = ContextVar("dataflow_async_witness", default=None)


class _Link:
    """What the pool knows of one connection, as long as there is one."""

    __slots__ = ("announced", "carried", "is_tls", "monotonic", "poll", "wall")

    def __init__(self, transport: asyncio.BaseTransport) -> None:
        self.is_tls = _is_tls(transport)
        self.poll = _poll_of(transport)
        self.carried = False
        """Whether it has brought a whole answer since it was handed out last."""
        self.monotonic = self.wall = 0.0
        """When it did, by both clocks: the monotonic one may not count the time that a machine is suspended."""
        self.announced: float | None = None
        """Seconds after which the server said that it closes idle connections."""

    def idle(self, clock: Clock) -> float:
        """Return the seconds it has been idle."""
        return max(clock.monotonic() - self.monotonic, clock.time() - self.wall)


class Connector(aiohttp.TCPConnector):
    """Hands out connections that are alive, silent and fresh, and testifies to it.

    aiohttp hands out whatever it last saw open. A launch that goes out on a connection that the server is about
    to close is lost without having been read, and an answer that nobody asked for, such as the 408 with which
    some servers close idle connections, becomes the answer to the next launch. So what has unread data is never
    used, and a call that can't be repeated takes no connection that has been idle for long. Nothing is awaited
    between the last check and the first byte of the request.

    It also refuses a second connection to the same attempt: aiohttp silently sends again whatever is idempotent
    and met a broken one, with a signature that has been used; repeating is for us to decide. Testifying here
    costs a tenth of aiohttp's tracing, which serves where the session is not ours.
    """

    def __init__(self, *, clock: Clock, max_idle: float, **settings: Any) -> None:
        super().__init__(**settings)
        self._clock = clock
        self._max_idle = max_idle
        self._links: WeakKeyDictionary[ResponseHandler, _Link] = WeakKeyDictionary()

    async def connect(self, *args: Any, **kwargs: Any) -> aiohttp.connector.Connection:
        """Return a connection that is fit to carry the request of the present call."""
        witness = witness_of_call.get()
        if witness is None:
            return await super().connect(*args, **kwargs)
        if witness.sends:
            raise CutOffError
        talkative = 0
        while talkative < 2:
            connection = await super().connect(*args, **kwargs)
            protocol = connection.protocol
            assert protocol is not None  # noqa: S101  # it has just been made or taken from the pool
            link = self._links.get(protocol)
            is_new = link is None
            try:
                if link is None and protocol.transport is not None:
                    link = self._links[protocol] = _Link(protocol.transport)
                fit = link is not None and not self._too_old(link, witness) and await _silent(protocol, link)
            except BaseException:
                connection.close()
                raise
            if fit and link is not None:
                link.carried = False
                witness.sends += 1
                witness.protocol, witness.link = protocol, link
                return connection
            connection.close()
            talkative += is_new
        raise aiohttp.ClientConnectionError("the server talks before it is asked")

    def used(self, witness: Witness, keep_alive: str | None) -> None:
        """Note that a connection has brought a whole answer, and what the answer announced about it."""
        link = witness.link
        if link is not None:
            told = _KEEP_ALIVE.search(keep_alive) if keep_alive else None
            link.announced = float(told[1]) if told else None
            link.monotonic, link.wall = self._clock.monotonic(), self._clock.time()
            link.carried = True

    def _too_old(self, link: _Link, witness: Witness) -> bool:
        if not link.carried:
            return False
        if link.announced is None:
            return witness.creates and link.idle(self._clock) >= self._max_idle
        share = defaults.KEEP_ALIVE_SHARE if witness.creates else 1.0
        return link.idle(self._clock) >= link.announced * share


async def _silent(protocol: ResponseHandler, link: _Link) -> bool:
    """Whether a connection is open and holds nothing that nobody asked for, read or unread."""
    for _ in range(defaults.TLS_READ_TURNS):
        if not protocol.is_connected() or protocol.should_close:
            return False
        events = _events(link)
        if not events:
            return True
        if events != _READABLE or not link.is_tls:
            return False
        await asyncio.sleep(0)
    return False


def _events(link: _Link) -> int:
    """Return what waits in the socket; 0 for nothing, and where the system can't tell."""
    ready = link.poll.poll(0) if link.poll is not None else None
    return int(ready[0][1]) if ready else 0


def _poll_of(transport: asyncio.BaseTransport) -> Any:
    """Make what tells the events of a socket; once a connection, for it costs more than asking."""
    socket = transport.get_extra_info("socket")
    if _POLL is None or socket is None:
        return None
    poll = _POLL()
    poll.register(socket.fileno(), _READABLE | _HUNG_UP)
    return poll


def _is_tls(transport: asyncio.BaseTransport) -> bool:
    return transport.get_extra_info("sslcontext") is not None
