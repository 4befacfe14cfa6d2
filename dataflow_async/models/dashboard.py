"""Statistics of runs."""

from attrs import frozen

from dataflow_async.models.base import Response
from dataflow_async.models.moment import Moment


@frozen(eq=False, repr=False)
class ExecutionResult(Response):
    """Counts of the runs of a period.

    Source: https://api.ncloud-docs.com/docs/analytics-dataflow-getexecutionresult
    """

    total_count: int
    completed_count: int
    failed_count: int


@frozen(eq=False, repr=False)
class IntervalRow(Response):
    """Runs of one day; its bounds drift by a second, so do no arithmetic on them (ruling 70)."""

    total_count: int
    start_date: Moment | None = None
    end_date: Moment | None = None


@frozen(eq=False, repr=False)
class ExecutionInterval(Response):
    """Counts day by day.

    Source: https://api.ncloud-docs.com/docs/analytics-dataflow-getexecutioncount
    """

    result: list[IntervalRow]


@frozen(eq=False, repr=False)
class TimesRow(Response):
    """One sample."""

    time: int
    """Unix milliseconds."""
    value: float
    """A number of runs or a run time: the docs contradict themselves (ruling 70)."""


@frozen(eq=False, repr=False)
class ExecutionTimes(Response):
    """Samples over time.

    Source: https://api.ncloud-docs.com/docs/analytics-dataflow-getexecutiontimes
    """

    result: list[TimesRow]
