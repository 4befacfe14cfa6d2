"""Holds launches back while the service can't be reached, or while somebody else answers in its place."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable

from dataflow_async import defaults, tasks
from dataflow_async.clock import Clock
from dataflow_async.errors import DataFlowError, NotSent

log = logging.getLogger("dataflow_async")


def never_answered() -> None:
    """Return None: no answer has come."""


class Outage:
    """Decides whether launches are held back, which of them is the probe, and when the run has waited too long.

    Always true: while an outage lasts, at most one launch, the probe, is between its intent and its answer; the others
    wait in `enter`. Otherwise seconds of refused connections would turn all launches of a run into ``NOT_LAUNCHED``,
    and a proxy's error page would turn all of them into ``UNCERTAIN``.

    Args:
        clock: For pauses and ages.
        max_outage: Seconds without an answer after which the run ends.
        answered_at: Returns the monotonic time of the last answer to any call of the client; None before the first, and
            then there is no outage: an address that has never answered is likely to be wrong.
    """

    def __init__(
        self,
        clock: Clock,
        max_outage: float = defaults.MAX_OUTAGE,
        answered_at: Callable[[], float | None] = never_answered,
    ) -> None:
        self._clock = clock
        self._max_outage = max_outage
        self._answered_at = answered_at
        self._since: float | None = None
        """Monotonic time of the first failure after the last answer; None where there is no outage."""
        self._in_a_row = 0
        """Launches in a row whose answer came from somebody else, or was cut off."""
        self._probes = 0
        self._logged = False
        self._probing = False
        self._changed = asyncio.Event()
        """Set, and replaced, at the end of an outage or of a probe."""
        self.ended_by: DataFlowError | None = None
        """The error with which the run ends, once the outage has lasted too long."""

    def age(self) -> float | None:
        """Return the seconds the outage has lasted; None where there is none."""
        return None if self._since is None else self._clock.monotonic() - self._since

    @property
    def holds(self) -> bool:
        """Whether launches are held back."""
        return self._since is not None or self.ended_by is not None

    def answered(self) -> None:
        """Record that the gateway or the service answered a launch."""
        self._in_a_row = 0
        if self._since is not None:
            if self._logged:
                log.warning("launches go on: the service answers again after %.0f s", self.age())
            self._since = None
            self._notify()

    def met(self, error: DataFlowError) -> bool:
        """Record how a send has failed; return whether it is to be sent again once the outage is over."""
        if error.is_authentic:  # the gateway or the service answered
            self.answered()
            return False
        if error.no_answer and not error.is_unreachable:  # waiting does not change the reason, such as TLS
            return False
        if error.no_answer and error.never_sent:  # no connection: an outage from the first one on
            return self._begin_or_continue(error) and self.ended_by is None
        if not error.effect_unknown:
            return False
        # The connection was cut, or somebody else answered: an outage once that has happened several times in a row. The
        # launch may have started, so the end of the outage does not send it again.
        self._in_a_row += 1
        if self._in_a_row >= defaults.FOREIGN_IN_A_ROW or self._since is not None:
            self._begin_or_continue(error)
        return False

    def _begin_or_continue(self, error: DataFlowError) -> bool:
        """Begin an outage or note that it goes on, and end the run if it is too long; return False if there is none."""
        answered_at, now = self._answered_at(), self._clock.monotonic()
        if answered_at is None:
            return False
        if self._since is None:
            self._since, self._probes, self._logged = now, 0, False
        elif error.no_answer and answered_at > self._since:
            self._since = answered_at  # another call was answered meanwhile, so that this is a new outage
        elif not self._logged and self._probes:
            self._logged = True
            log.warning(
                "launches wait, one probes: %s; the run ends after %g s without an answer",
                error,
                self._max_outage,
            )
        if now - self._since >= self._max_outage:
            self.ended_by = error
            self._notify()
        return True

    def _notify(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def enter(self) -> bool:
        """Wait for the end of the outage or for the next probe; return whether this is the probe, which must `leave`.

        While nothing `holds` launches there is no need to call it: a coroutine for each launch would cost more.

        Raises:
            NotSent: The outage has lasted too long.
        """
        while self.holds:
            if self.ended_by is not None:
                raise NotSent(
                    f"executeJob: never sent: the run waited {self._max_outage:g} s for an answer: {self.ended_by}",
                    operation="executeJob",
                    reason=self.ended_by.reason,
                )
            if self._probing:
                await self._changed.wait()
                continue
            self._probing = True
            try:
                await self._pause(self._next_pause())
            except BaseException:
                self.leave()
                raise
            if self._since is not None:
                return True
            self.leave()
        return False

    def leave(self) -> None:
        """End a probe."""
        self._probing = False
        self._notify()

    def _next_pause(self) -> float:
        """Return the seconds before the next probe: doubled each time, and no longer than the run waits at all."""
        pause = min(defaults.PROBE_MIN * 2.0 ** min(self._probes, 60), defaults.PROBE_MAX)
        self._probes += 1
        remaining = self._max_outage - (self.age() or 0.0)
        return max(min(pause * random.uniform(*defaults.PROBE_SPREAD), remaining), 0.0)

    async def _pause(self, seconds: float) -> None:
        """Sleep, or until the outage is over."""
        pause, change = tasks.start(self._clock.sleep, seconds), tasks.start(self._changed.wait)
        try:
            await asyncio.wait({pause, change}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            pause.cancel()
            change.cancel()
