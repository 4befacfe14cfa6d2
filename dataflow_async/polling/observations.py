"""What polls say about a run. Pure: values in, values out; the time is an argument, and nothing is applied here.

A poll ends in one of two ways. It was answered: `observe` says what the run's state means for those who wait. Or it
failed: `ends_wait` says whether the waits outlive that. What follows from either is up to the tracker.
"""

from __future__ import annotations

from enum import Enum

from dataflow_async.errors import DataFlowError
from dataflow_async.polling.policy import PollPolicy, Shown, is_suspect
from dataflow_async.polling.state import PolledRun


class Observation(Enum):
    """What a run's state means for those who wait for it."""

    UNCHANGED = "unchanged"
    """It goes on, with the status that is known."""
    CHANGED = "changed"
    """It goes on, with another status; so it is when it is seen for the first time."""
    ENDED = "ended"
    """It has ended, and so have the waits for it."""


UNCHANGED, CHANGED, ENDED = Observation
"""The same by short names: an enumeration's members are slow to look up on its class."""


def observe(policy: PollPolicy, run: PolledRun, shown: Shown, now: float) -> Observation:
    """Return what the state of a run means, as a poll has shown it.

    An unknown status ends a wait only if the run has an end date as well, and had one at an earlier poll. A
    run that stands twice on shifting pages was polled once, so the two must be some time apart.

    Args:
        policy: Which statuses end a wait.
        run: What is known of the run so far.
        shown: The run as the poll has shown it.
        now: Monotonic seconds.
    """
    status = shown.status
    if status in policy.terminal_statuses:
        return ENDED
    since = run.suspect_since
    if since is not None and is_suspect(shown) and now - since >= policy.min_interval / 2:
        return ENDED
    if run.source is None or (status is not None and status != run.status):
        return CHANGED
    return UNCHANGED


def ends_wait(policy: PollPolicy, run: PolledRun, error: DataFlowError, foreign: float, now: float) -> bool:
    """Return whether a failed poll ends the waits for a run.

    Args:
        policy: What a wait outlives, and for how long.
        run: What is known of the run, the failure included.
        error: Why the poll failed.
        foreign: Seconds for which polls met nothing but answers of neither gateway nor service.
        now: Monotonic seconds.
    """
    return not policy.forgives(error, seconds_since(run.failures.missing_since, now), foreign)


def seconds_since(moment: float | None, now: float) -> float:
    """Return the seconds since a moment; 0 if there is none."""
    return 0.0 if moment is None else now - moment
