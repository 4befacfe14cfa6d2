"""Holds a connection idle, uses it again, and says whether it was still open: what is announced may not be what is done."""

from __future__ import annotations

from collections.abc import Iterable

from dataflow_async.clock import Clock
from dataflow_async.probe.facts import announced
from dataflow_async.probe.questions import Interview
from dataflow_async.transport.aiohttp_session import Session


async def hold(interview: Interview, session: Session, clock: Clock, periods: Iterable[float]) -> str | None:
    """Return what became of a connection that was idle for some seconds, the shortest first; None if it was not seen.

    A period that is longer than what the service announces is left out: then closing the connection is no surprise.

    Raises:
        Ended: Time is up, or access is lost.
    """
    seen = None
    await interview.get("jobs: idle 0 s", "/jobs", {"page": 0, "limit": 1})
    for seconds in (0.0, *sorted(periods)):
        limit = announced(interview.exchanges.values())
        if limit is not None and seconds >= limit:
            break
        opened, unasked = session.opened
        await clock.sleep(seconds)
        again = await interview.get(f"jobs: idle {seconds:g} s", "/jobs", {"page": 0, "limit": 1})
        if not again.status or again.repeats:
            break
        if session.opened[1] > unasked:
            return f"data came within {seconds:g} s"
        if session.opened[0] > opened:
            if not seconds:
                return "closed after an answer"
            is_early = limit is not None and seconds <= limit / 2
            return f"closed within {seconds:g} s{', sooner than announced' if is_early else ''}"
        seen = f"open after {seconds:g} s"
    return seen
