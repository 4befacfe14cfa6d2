"""The results of reconciliation: what became of a launch whose answer was lost. Pure."""

from __future__ import annotations

from attrs import frozen

from dataflow_async.models.execution import JobExecution


@frozen
class Adopt:
    """This run is the launch's own."""

    execution: JobExecution


@frozen
class Absent:
    """The launch did not start."""


@frozen
class Uncertain:
    """The launch may have started, and no run can be attributed to it."""

    why: str
    candidates: tuple[JobExecution, ...] = ()
    may_still_echo: tuple[str, ...] = ()
    """Ids of candidates that are READY and will echo their parameters once they are not."""
    next_launch_may_decide: bool = False
    """Whether the next launch of the job may decide it."""


ReconciliationResult = Adopt | Absent | Uncertain
