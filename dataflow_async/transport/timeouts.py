"""Ends requests that take too long, by one timer for all of them instead of one each.

aiohttp arms and disarms a timer per request, which costs a tenth of a call; next to none of them ever
fires. Here requests in flight stand in a set, which is checked a few times per time-out.
"""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self

from dataflow_async import defaults


class Watchdog:
    """Ends the overdue requests of one client.

    Always true: a timer is set while a request is in flight, and a request is ended only after its time-out and after
    the event loop had a turn to read its answer. An application that blocks the loop for longer than the time-out
    leaves answers unread in the sockets; then the check comes late, and overdue requests have until the next one.
    Ending them at once would lose answers that are there, and with them the ids of runs that were started.
    """

    def __init__(self, timeout: float) -> None:
        longest = timeout / defaults.CHECKS_PER_TIMEOUT
        self._interval = min(max(longest, defaults.MIN_CHECK_INTERVAL), defaults.MAX_CHECK_INTERVAL)
        self._requests: set[RequestTimeout] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0
        """Loop time of the next check."""

    @property
    def in_flight(self) -> int:
        """Requests that may become overdue."""
        return len(self._requests)

    @property
    def is_ticking(self) -> bool:
        """Whether a next check is due."""
        return self._timer is not None

    def limit(self, seconds: float) -> RequestTimeout:
        """Return a context that raises `TimeoutError` within ``seconds`` and one interval, like ``asyncio.timeout``."""
        return RequestTimeout(self, seconds)

    def add(self, request: RequestTimeout) -> None:
        """Check a request from now on; the first one starts the timer."""
        self._requests.add(request)
        if self._timer is None:
            self._set_timer(asyncio.get_running_loop())

    def remove(self, request: RequestTimeout) -> None:
        """Check a request no longer."""
        self._requests.discard(request)

    def _set_timer(self, loop: asyncio.AbstractEventLoop) -> None:
        self._due = loop.time() + self._interval
        self._timer = loop.call_at(self._due, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        loop = asyncio.get_running_loop()
        self.check(loop.time())
        if self._requests:
            self._set_timer(loop)

    def check(self, now: float) -> None:
        """Expire the requests that are overdue at the loop time ``now``; if the check is late, spare them once."""
        is_late = now - self._due > self._interval
        for request in self._requests:
            if request.deadline <= now:
                if is_late and not request.spared:
                    request.spared = True
                else:
                    request.expire()

    def close(self) -> None:
        """Stop the timer, unless requests are still in flight: then it stops when they have ended."""
        if self._timer is not None and not self._requests:
            self._timer.cancel()
            self._timer = None


class RequestTimeout:
    """The time-out of one request; entered once, by the task that sends it.

    Always true: it cancels its task at most once, and the cancellation becomes a `TimeoutError`; one that comes from
    elsewhere is passed on.
    """

    __slots__ = ("_prior", "_task", "_watchdog", "deadline", "expired", "spared")

    def __init__(self, watchdog: Watchdog, seconds: float) -> None:
        self._watchdog = watchdog
        self.deadline = seconds
        """Seconds until it is entered, then the loop time."""
        self.expired = False
        self.spared = False
        """Whether it was overdue at a late check: it is spared once only, or a loop that is always late ends nothing."""

    def __enter__(self) -> Self:
        """Start the time."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101  # calls are awaited
        self._task = task
        self._prior = task.cancelling()
        self.deadline += asyncio.get_running_loop().time()
        self._watchdog.add(self)
        return self

    def expire(self) -> None:
        """Cancel the request."""
        if not self.expired:
            self.expired = True
            self._task.cancel()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the time; raise `TimeoutError` instead of its own cancellation."""
        self._watchdog.remove(self)
        if self.expired and self._task.uncancel() <= self._prior and kind is asyncio.CancelledError:
            raise TimeoutError
