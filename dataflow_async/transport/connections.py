"""The pool of our own session: which connection may carry a request, and whether one was sent.

Source: contract/notes.md#ruling-98
"""

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
from dataflow_async.transport.no_answer import BrokenConnectionError

_KEEP_ALIVE = r"\btimeout\s*=\s*\"?(\d{1,9})"
POLL = getattr(select, "poll", None)
READABLE: int = getattr(select, "POLLIN", 0)
HUNG_UP: int = getattr(select, "POLLRDHUP", 0)
"""The other side has closed. Linux alone reports it apart from data; elsewhere only reading finds out."""


class SendRecord:
    """Counts how often a request was handed to a connection, and keeps the last of these."""

    __slots__ = ("creates", "owner", "protocol", "sends", "state")

    def __init__(self, *, creates: bool, owner: object = None) -> None:
        self.creates = creates
        self.owner = owner
        self.sends = 0
        self.protocol: ResponseHandler | None = None
        self.state: _ConnectionState | None = None

    def drop(self) -> None:
        """Close the connection: its answer was not to this request."""
        if self.protocol is not None:
            self.protocol.close()


current_send: ContextVar[SendRecord | None] = ContextVar("dataflow_async_send", default=None)


class _ConnectionState:
    """The state of one pooled connection."""

    __slots__ = ("announced", "carried", "is_tls", "monotonic", "poll", "wall")

    def __init__(self, transport: asyncio.BaseTransport) -> None:
        self.is_tls = is_under_tls(transport)
        self.poll = _poll_of(transport)
        self.carried = False
        """Whether it has carried a whole answer since it was last handed out."""
        self.monotonic = self.wall = 0.0
        """Time of that answer, by both clocks: the monotonic one may leave out suspended time."""
        self.announced: float | None = None
        """Seconds after which the server closes idle connections, by its ``Keep-Alive``."""

    def idle(self, clock: Clock) -> float:
        """Return the seconds it has been idle."""
        return max(clock.monotonic() - self.monotonic, clock.time() - self.wall)


class Connector(aiohttp.TCPConnector):
    """Hands out connections that are alive, silent and fresh, and counts what was sent on them.

    Always true: a connection with unread data is never used, a creating call takes none that was idle for long, and
    nothing is awaited between the last check and the first byte of the request. aiohttp by itself hands out whatever it
    last saw open: a launch on a connection that the server is about to close is lost without having been read, and an
    unasked answer, such as the 408 with which some servers close idle connections, becomes the answer to the next launch.

    An attempt gets one connection only: aiohttp silently sends idempotent requests again after a broken one, with a
    signature that was used before; repeating is the pipeline's decision. Counting here costs a tenth of aiohttp's
    tracing, which is used for borrowed sessions.
    """

    def __init__(self, *, clock: Clock, max_idle: float, **settings: Any) -> None:
        super().__init__(**settings)
        self._clock = clock
        self._max_idle = max_idle
        self._states: WeakKeyDictionary[ResponseHandler, _ConnectionState] = WeakKeyDictionary()
        self.opened = 0
        """Connections that were opened."""
        self.unasked = 0
        """Idle connections that were dropped because data had come on them."""

    async def connect(self, *args: Any, **kwargs: Any) -> aiohttp.connector.Connection:
        """Return a connection that may carry the request of the current call."""
        record = current_send.get()
        if record is None:
            return await super().connect(*args, **kwargs)
        if record.sends:
            raise BrokenConnectionError
        unasked = 0
        while unasked < 2:
            connection = await super().connect(*args, **kwargs)
            protocol = connection.protocol
            assert protocol is not None  # noqa: S101  # it has just been made or taken from the pool
            state = self._states.get(protocol)
            is_new = state is None
            self.opened += is_new
            try:
                if state is None and protocol.transport is not None:
                    state = self._states[protocol] = _ConnectionState(protocol.transport)
                fit = (
                    state is not None
                    and not self._too_old(state, record)
                    and await is_silent(protocol, state)
                )
            except BaseException:
                connection.close()
                raise
            if fit and state is not None:
                state.carried = False
                record.sends += 1
                record.protocol, record.state = protocol, state
                return connection
            self.unasked += not is_new and protocol.is_connected() and protocol.should_close
            connection.close()
            unasked += is_new
        raise aiohttp.ClientConnectionError("the server sends data before any request")

    def used(self, record: SendRecord, keep_alive: str | None) -> None:
        """Record that a connection has carried a whole answer, and what its ``Keep-Alive`` announced."""
        state = record.state
        if state is not None:
            announced = re.search(_KEEP_ALIVE, keep_alive, re.IGNORECASE) if keep_alive else None
            state.announced = float(announced[1]) if announced else None
            state.monotonic, state.wall = self._clock.monotonic(), self._clock.time()
            state.carried = True

    def _too_old(self, state: _ConnectionState, record: SendRecord) -> bool:
        if not state.carried:
            return False
        if state.announced is None:
            return record.creates and state.idle(self._clock) >= self._max_idle
        share = defaults.KEEP_ALIVE_SHARE if record.creates else 1.0
        return state.idle(self._clock) >= state.announced * share


async def is_silent(protocol: ResponseHandler, state: _ConnectionState) -> bool:
    """Return whether a connection is open and has received nothing unasked, read or unread."""
    for _ in range(defaults.TLS_READ_TURNS):
        if not protocol.is_connected() or protocol.should_close:
            return False
        events = pending_events(state)
        if not events:
            return True
        if events != READABLE or not state.is_tls:
            return False
        await asyncio.sleep(0)
    return False


def pending_events(state: _ConnectionState) -> int:
    """Return the pending events of a socket; 0 for none, and where the system can't report them."""
    ready = state.poll.poll(0) if state.poll is not None else None
    return int(ready[0][1]) if ready else 0


def _poll_of(transport: asyncio.BaseTransport) -> Any:
    """Return a poll object for the socket, made once for each connection: making it costs more than polling."""
    socket = transport.get_extra_info("socket")
    if POLL is None or socket is None:
        return None
    poll = POLL()
    poll.register(socket.fileno(), READABLE | HUNG_UP)
    return poll


def is_under_tls(transport: asyncio.BaseTransport) -> bool:
    """Return whether a connection is encrypted."""
    return transport.get_extra_info("sslcontext") is not None
