"""What comes next for one launch: values that the launch pipeline passes from step to step, until there is an outcome."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

from dataflow_async.bulk.launch_plan import LaunchPlan
from dataflow_async.bulk.launch_records import JournalEntry
from dataflow_async.errors import DataFlowError
from dataflow_async.models.execution import JobExecution
from dataflow_async.models.launch import Outcome
from dataflow_async.run_errors import LaunchUncertain


class Send(NamedTuple):
    """Send it: it is new, provably did not start, or is to run again."""

    plan: LaunchPlan
    entry: JournalEntry | None = None
    """The attempt as it is recorded; None for a launch that is not."""
    pause: float | None = None
    """Seconds to wait before."""
    lost_sends: int = 0
    """How often this run has sent it and lost the answer."""
    uncertain: LaunchUncertain | None = None
    """Why an earlier send of this attempt may have started all the same: a refusal now does not disprove that one."""


class Resolve(NamedTuple):
    """Find out whether it started: its answer was lost."""

    plan: LaunchPlan
    entry: JournalEntry
    error: DataFlowError | None
    """What came instead of the answer; None where an earlier process lost it."""
    lost_sends: int = 0
    resumed: bool = False


class Await(NamedTuple):
    """Wait for the end of its run."""

    plan: LaunchPlan
    attempt: int
    execution: JobExecution
    resumed: bool = False
    entry: JournalEntry | None = None
    """The attempt of an earlier process whose run may be gone by now; None for a run that is certain to be there."""


Phase: TypeAlias = Send | Resolve | Await | Outcome
"""An outcome ends it."""
