"""Statistics of runs."""

from attrs import frozen

from dataflow_async.models.base import Response
from dataflow_async.models.moment import Moment


@frozen(eq=False, repr=False)
class ExecutionResult(Response):
    """Counts of the runs of a period.

    Source: https://api.ncloud-docs.com/docs/analytics-dataflow-getexecutionresult

    Attributes:
        total_count: Runs in all.
        completed_count: Runs that ended COMPLETED.
        failed_count: Runs that ended FAILED.
    """

    total_count: int
    completed_count: int
    failed_count: int


@frozen(eq=False, repr=False)
class IntervalRow(Response):
    """Runs of one day. Its bounds drift by a second in some answers, so do no arithmetic on them.

    Attributes:
        total_count: Runs of that day.
        start_date: Begin of the day: an aware time, or the text as received where it can't be read.
        end_date: End of the day; as ``start_date``.
    """

    total_count: int
    start_date: Moment | None = None
    end_date: Moment | None = None


@frozen(eq=False, repr=False)
class ExecutionInterval(Response):
    """Counts day by day.

    Source: https://api.ncloud-docs.com/docs/analytics-dataflow-getexecutioncount

    Attributes:
        result: One row a day.
    """

    result: list[IntervalRow]


@frozen(eq=False, repr=False)
class TimesRow(Response):
    """One sample.

    Attributes:
        time: Unix milliseconds.
        value: A number of runs or a run time: the docs contradict themselves (contract/notes.md#ruling-70).
    """

    time: int
    value: float


@frozen(eq=False, repr=False)
class ExecutionTimes(Response):
    """Samples over time.

    Source: https://api.ncloud-docs.com/docs/analytics-dataflow-getexecutiontimes

    Attributes:
        result: The samples.
    """

    result: list[TimesRow]
