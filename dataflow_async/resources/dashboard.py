"""Statistics of runs over a period."""

from __future__ import annotations

from datetime import datetime

from dataflow_async.errors import InvalidRequest
from dataflow_async.models.dashboard import ExecutionInterval, ExecutionResult, ExecutionTimes
from dataflow_async.models.moment import write_moment
from dataflow_async.resources.base import Resource
from dataflow_async.wire import operation as op


class Dashboard(Resource):
    """``flow.dashboard``. A period is two aware datetimes, or naive ones or texts in UTC+9 (ruling 61)."""

    async def execution_result(self, start: datetime | str, end: datetime | str) -> ExecutionResult:
        """Count the runs of a period by outcome (getExecutionResult)."""
        return await self._calls.call(op.GET_EXECUTION_RESULT, query=_period(start, end))

    async def execution_interval(self, start: datetime | str, end: datetime | str) -> ExecutionInterval:
        """Count the runs of a period day by day (getExecutionInterval)."""
        return await self._calls.call(op.GET_EXECUTION_INTERVAL, query=_period(start, end))

    async def execution_times(self, start: datetime | str, end: datetime | str) -> ExecutionTimes:
        """Sample run times over a period (getExecutionTimes); what a value counts is unsettled (ruling 70)."""
        return await self._calls.call(op.GET_EXECUTION_TIMES, query=_period(start, end))


def _period(start: datetime | str, end: datetime | str) -> dict[str, str]:
    first, last = write_moment(start, "start"), write_moment(end, "end")
    if first > last:
        raise InvalidRequest(f"end must be start ({first}) or later, got {last}", field="end")
    return {"startDate": first, "endDate": last}
