"""The calls of the dashboard."""

from collections import Counter
from datetime import date, timedelta

from dataflow_async.emulator import defaults
from dataflow_async.emulator.api.handlers.request import (
    ValidRequest,
)
from dataflow_async.emulator.api.responses import Answer, bad_parameter
from dataflow_async.emulator.service import dates
from dataflow_async.emulator.service.lifecycle import Status
from dataflow_async.emulator.service.state import Execution, State


def _period(request: ValidRequest) -> tuple[float, float]:
    start, end = request.query["startDate"], request.query["endDate"]
    if end < start:
        raise bad_parameter("endDate must not be before startDate.")
    return start, end


def _created_within(state: State, request: ValidRequest) -> list[Execution]:
    start, end = _period(request)
    return [it for it in state.executions.values() if start <= it.lifecycle.created_at <= end]


def _by_hour(state: State, request: ValidRequest) -> Counter[int]:
    """Count the runs of a period by the hour of their creation, milliseconds."""
    hour = 3_600_000
    return Counter(
        int(it.lifecycle.created_at * 1000) // hour * hour for it in _created_within(state, request)
    )


def get_execution_result(state: State, request: ValidRequest) -> Answer:
    """Count the runs of a period by their status now."""
    counts = Counter(it.lifecycle.status(request.now) for it in _created_within(state, request))
    return Answer(
        200,
        {
            "totalCount": counts.total(),
            "completedCount": counts[Status.COMPLETED],
            "failedCount": counts[Status.FAILED],
        },
    )


def get_execution_interval(state: State, request: ValidRequest) -> Answer:
    """Count the runs of a period by day.

    A day is shown from its first second to the following midnight (contract/notes.md#ruling-70).
    """
    first, last = (dates.day(bound) for bound in _period(request))
    if (last - first).days >= defaults.MAX_DAYS:
        raise bad_parameter(f"endDate must be at most {defaults.MAX_DAYS} days after startDate.")
    counts: Counter[date] = Counter()
    for hour, runs in _by_hour(state, request).items():  # a day in UTC+9 is made of whole hours
        counts[dates.day(hour / 1000)] += runs
    days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    rows = [
        {
            "totalCount": counts[day],
            "startDate": f"{day}T00:00:01",
            "endDate": f"{day + timedelta(days=1)}T00:00:00",
        }
        for day in days
    ]
    return Answer(200, {"result": rows})


def get_execution_times(state: State, request: ValidRequest) -> Answer:
    """Count the runs of a period by the hour they were created in; hours without a run are left out."""
    hours = sorted(_by_hour(state, request).items())
    return Answer(200, {"result": [{"time": time, "value": value} for time, value in hours]})
