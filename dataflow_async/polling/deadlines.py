"""Time-outs of waits: when a wait that has one gets its last poll, and when it fails."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable

from dataflow_async import defaults
from dataflow_async.clock import Clock
from dataflow_async.polling.outages import Outages
from dataflow_async.polling.state import PolledRun, Subscription
from dataflow_async.run_errors import WaitTimeout


class Deadlines:
    """The time-outs of waits.

    A run is polled once more at the deadline before its wait times out. That poll may end `defaults.LAST_POLL_TIMEOUT`
    seconds late, and the first one `defaults.FIRST_POLL_TIMEOUT` seconds. A subscription with a deadline has a timer while its run is being polled or is due now, and from
    the moment its last poll is planned; while the run is due later it has none, because the poll comes first. Without
    the timer, a poll that hangs would keep the wait past its time-out.

    The deadline is a time of the client's clock. Timers use the event loop's time even where a test
    controls the clock, because the network takes real time.

    Args:
        clock: Time.
        outages: Whether polls are answered.
        expire: Ends a wait whose time-out is over.
    """

    def __init__(self, clock: Clock, outages: Outages, expire: Callable[[Subscription], None]) -> None:
        self._clock = clock
        self._outages = outages
        self._expire = expire

    def start(self, subscription: Subscription, timeout: float, now: float) -> bool:
        """Set the time-out of a wait; return whether its run falls due earlier for it, at the deadline."""
        run = subscription.run
        run.timed = True
        subscription.timeout = timeout
        subscription.deadline = now + timeout
        if run.due is None:
            self._start_timer(subscription)
            return False
        return self._bring_forward(run, run.due, subscription, subscription.deadline)

    def arm(self, run: PolledRun) -> None:
        """Start the timers of the waits for a run that is to be polled now."""
        for subscription in run.subscriptions:
            self._start_timer(subscription)

    def limit(self, run: PolledRun, now: float) -> None:
        """Expire the waits that are over, and bring a run forward to the first deadline of the others."""
        for subscription in [each for each in run.subscriptions if each.deadline is not None]:
            subscription.cancel_timer()
            if subscription.deadline is not None and subscription.deadline <= now:
                self._expire(subscription)
            elif subscription.deadline is not None and run.due is not None:
                self._bring_forward(run, run.due, subscription, subscription.deadline)

    def _bring_forward(self, run: PolledRun, due: float, subscription: Subscription, deadline: float) -> bool:
        if deadline >= due:
            return False
        run.due = deadline
        self._start_timer(subscription, ahead=True)
        return True

    def _start_timer(self, subscription: Subscription, *, ahead: bool = False) -> None:
        """Start the timer that ends a wait should a poll outlast its time-out.

        The timer of the last poll starts when it is planned (``ahead``): it may have to wait for other polls of its job.
        """
        if subscription.deadline is None or subscription.timer is not None:
            return
        remaining = subscription.deadline - self._clock.monotonic()
        run = subscription.run
        is_first = run.source is None and run.failures.since is None
        least = defaults.FIRST_POLL_TIMEOUT if is_first else defaults.LAST_POLL_TIMEOUT
        if math.isfinite(remaining):
            seconds = remaining + defaults.LAST_POLL_TIMEOUT if ahead else max(remaining, least)
            loop = asyncio.get_running_loop()
            subscription.timer = loop.call_later(seconds, self._time_is_over, subscription)

    def _time_is_over(self, subscription: Subscription) -> None:
        """End a wait, unless its run was never observed and others are: then its first poll is only late."""
        run, loop = subscription.run, asyncio.get_running_loop()
        until = -math.inf
        if run.source is None and not run.job.backoff.is_outage and not self._outages.backoff.is_outage:
            # While polls of its own job are in flight, answers to those of others say nothing about it.
            answered_at = run.job.answered_at if run.job.in_flight else self._outages.answered_at
            requested_at = run.requested_at
            if requested_at is None:
                requested_at = max(answered_at, run.job.page_requested_at)
            until = requested_at + defaults.FIRST_POLL_TIMEOUT
        if loop.time() < until:
            subscription.timer = loop.call_at(until, self._time_is_over, subscription)
        else:
            self._expire(subscription)


def timeout_error(subscription: Subscription, now: float) -> WaitTimeout:
    """Return the error for a wait whose time-out is over."""
    run, timeout, deadline = subscription.run, subscription.timeout or 0.0, subscription.deadline or now
    seen = f"last seen as {run.execution.status}" if run.execution else "its status was not read yet"
    return WaitTimeout(
        f"{run.ref} has not ended after {max(now - deadline + timeout, 0):.1f} s of waiting"
        f" (timeout {timeout:g} s); {seen}."
        " The run goes on: wait for it again, or cancel it",
        execution=run.execution,
        ref=run.ref,
    )
