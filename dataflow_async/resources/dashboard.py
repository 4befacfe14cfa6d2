"""Statistics of runs over a period."""

from __future__ import annotations

from datetime import datetime

from dataflow_async.errors import InvalidRequest
from dataflow_async.models.dashboard import ExecutionInterval, ExecutionResult, ExecutionTimes
from dataflow_async.models.moment import write_moment
from dataflow_async.resources.base import Resource
from dataflow_async.wire import operation as op


class Dashboard(Resource):
    """Statistics of the account's runs: ``flow.dashboard``.

    A period is two aware datetimes, or naive ones or texts in UTC+9.

    Each method raises `InvalidRequest` where an argument is wrong, before anything is sent, and else what any call raises:
    `CredentialsError`, `TransportError`, `APIError` or `DecodeError`. Only what a method adds to this is named on it.
    """

    async def execution_result(self, start: datetime | str, end: datetime | str) -> ExecutionResult:
        """Return how many runs of a period completed and failed (getExecutionResult).

        Args:
            start: Begin of the period.
            end: End of the period, ``start`` or later.

        Source: https://api.ncloud-docs.com/docs/analytics-dataflow-getexecutionresult
        """
        return await self._calls.call(op.GET_EXECUTION_RESULT, query=_period(start, end))

    async def execution_interval(self, start: datetime | str, end: datetime | str) -> ExecutionInterval:
        """Return how many runs there were on each day of a period (getExecutionInterval).

        Args:
            start: Begin of the period.
            end: End of the period, ``start`` or later.

        Source: https://api.ncloud-docs.com/docs/analytics-dataflow-getexecutioncount
        """
        return await self._calls.call(op.GET_EXECUTION_INTERVAL, query=_period(start, end))

    async def execution_times(self, start: datetime | str, end: datetime | str) -> ExecutionTimes:
        """Return samples of run times over a period (getExecutionTimes).

        What a value counts is not settled: the docs say a number of runs, and a run time (contract/notes.md#ruling-70).

        Args:
            start: Begin of the period.
            end: End of the period, ``start`` or later.

        Source: https://api.ncloud-docs.com/docs/analytics-dataflow-getexecutiontimes
        """
        return await self._calls.call(op.GET_EXECUTION_TIMES, query=_period(start, end))


def _period(start: datetime | str, end: datetime | str) -> dict[str, str]:
    first, last = write_moment(start, "start"), write_moment(end, "end")
    if first > last:
        raise InvalidRequest(f"end must be start ({first}) or later, got {last}", field="end")
    return {"startDate": first, "endDate": last}
