"""The service's time as an interval, and what one answer adds to it. Values in, values out.

Bounds are on *service time minus local steady time*, so that they hold while local time passes.
"""

from __future__ import annotations

from typing import NamedTuple

from dataflow_async import defaults


class ServerTime(NamedTuple):
    """Bounds on the service's time at one moment; Unix seconds."""

    earlier: float
    """The service's time is not before this; -inf before the first answer."""
    later: float
    """The service's time is not after this; before the first answer, the local clock's time."""


class Bounds(NamedTuple):
    """A closed interval; seconds."""

    low: float
    high: float

    def meets(self, other: Bounds) -> bool:
        """Return whether the two have a point in common."""
        return self.low <= other.high and other.low <= self.high

    def both(self, other: Bounds) -> Bounds:
        """Return what two that meet have in common."""
        return Bounds(max(self.low, other.low), min(self.high, other.high))

    def span(self, other: Bounds) -> Bounds:
        """Return the smallest interval that holds both."""
        return Bounds(min(self.low, other.low), max(self.high, other.high))


def observed_bounds(date: float | None, stamp: float, sent: float, received: float) -> Bounds:
    """Return the bounds that an accepted request and the ``Date`` of its answer set together.

    The ``Date`` is believed where the accepted timestamp does not contradict it; where it does, either may be wrong:
    a ``Date`` may be a cache's, and a gateway may let any timestamp pass.

    Args:
        date: Unix time of the ``Date`` header, which leaves out fractions; None without one.
        stamp: Unix time that the request was signed with.
        sent: Steady time before the request went out.
        received: Steady time after its answer had come.
    """
    window = defaults.SIGNATURE_WINDOW
    accepted = Bounds(stamp - window - received, stamp + window - sent)
    if date is None:
        return accepted
    dated = Bounds(date - received, date + 1.0 - sent)
    return dated if dated.meets(accepted) else dated.span(accepted)


class Steps(NamedTuple):
    """How far a wall clock has moved against a steady clock since some moment, each way; seconds.

    The ways are kept apart: a sleep that the steady clock did not count and a wall clock set back must not hide each
    other. Both are 0 where the steady clock counts suspend.
    """

    down: float = 0.0
    """0 or less."""
    up: float = 0.0
    """0 or more."""


class TimeEstimate(NamedTuple):
    """The bounds that answers in agreement with each other have set."""

    bounds: Bounds
    confirmed: float
    """Steady time of the last of them."""
    steps: Steps = Steps()
    """Steps of the wall clock until then."""

    def carried(self, now: float, steps: Steps) -> Bounds:
        """Return the bounds as they hold at steady time ``now``.

        They widen by how much clocks drift, and by what the wall clock has moved: the machine may have slept unnoticed
        by its steady clock, or its wall clock may have been set.
        """
        down, up = min(steps.down - self.steps.down, 0.0), max(steps.up - self.steps.up, 0.0)
        drift = (now - self.confirmed + up) * defaults.CLOCK_DRIFT
        return Bounds(self.bounds.low - drift + down, self.bounds.high + drift + up)


TimeEstimates = tuple[TimeEstimate, ...]
"""Estimates that contradict each other; each of them may be right."""


def joined(estimates: TimeEstimates, new: TimeEstimate) -> TimeEstimates:
    """Return the estimates with a new one among them.

    It narrows those that it meets. One that it contradicts stays for `defaults.CONTRADICTED` seconds after it was last
    confirmed: answers of two nodes that disagree may come in turns.
    """
    if len(estimates) == 1:
        held = estimates[0].carried(new.confirmed, new.steps)
        if held.meets(new.bounds):
            return (new._replace(bounds=held.both(new.bounds)),)
    kept: list[TimeEstimate] = []
    met = False
    for estimate in estimates:
        held = estimate.carried(new.confirmed, new.steps)
        if held.meets(new.bounds):
            met = True
            _add(kept, new._replace(bounds=held.both(new.bounds)))
        elif new.confirmed - estimate.confirmed <= defaults.CONTRADICTED:
            kept.append(estimate)
    if not met:
        kept.append(new)
    if len(kept) > defaults.MAX_TIME_ESTIMATES:
        first, second, *rest = kept
        older = first.bounds.span(second.bounds)
        kept = [TimeEstimate(older, max(first.confirmed, second.confirmed), new.steps), *rest]
    return tuple(kept)


def _add(kept: list[TimeEstimate], estimate: TimeEstimate) -> None:
    """Add an estimate, or join it with one that agrees with it."""
    for index, other in enumerate(kept):
        if other.confirmed == estimate.confirmed and other.bounds.meets(estimate.bounds):
            kept[index] = estimate._replace(bounds=other.bounds.both(estimate.bounds))
            return
    kept.append(estimate)


def spanned(estimates: TimeEstimates, now: float, steps: Steps) -> Bounds | None:
    """Return the smallest interval that holds all estimates at steady time ``now``; None if there are none."""
    found: Bounds | None = None
    for estimate in estimates:
        held = estimate.carried(now, steps)
        found = held if found is None else found.span(held)
    return found
