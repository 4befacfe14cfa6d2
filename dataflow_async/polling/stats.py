"""What waiting for runs costs, as numbers for the user."""

from __future__ import annotations

from attrs import frozen

from dataflow_async.models.base import Value


@frozen(eq=False, repr=False)
class PollStats(Value):
    """What waiting costs."""

    watched: int
    """Runs that are waited for now."""
    waiters: int
    """Waits for them: several may share a run."""
    polls: int
    """Times the state of such a run was observed, so far."""
    requests: int
    """Calls made for that, so far: one attempt each."""
    pages: int
    """How many of these read a page of a list."""
    oldest_poll_age: float
    """Seconds since the run that was not observed for longest was last observed, or first waited for."""
