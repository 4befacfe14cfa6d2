"""Whether a service prints dates in the wrong zone, as runs that were watched show it. Pure.

UTC printed as +09:00 makes a run of now look nine hours old (ruling 90). A wrong zone is off by a multiple of a quarter of
an hour, so seconds of doubt about when something happened do not hide it.
"""

from __future__ import annotations

import math

from dataflow_async.models.execution import JobExecution
from dataflow_async.models.moment import Printed, printed
from dataflow_async.wire.server_time import ServerTime

QUARTER = 900.0
"""Seconds: zones differ by multiples of it."""
SLACK = 60.0
"""Seconds for what lies between the end of a run and a poll that shows it, beside the time between two polls."""


def date_of(row: JobExecution, member: str) -> Printed | None:
    """Return a date of a run by the wire's name of the member; None if it does not name its zone (ruling 86)."""
    date = printed(row.raw.get(member))
    return date if date is not None and date.zoned else None


def error_shown_by_end(end: Printed, running_at: float, ended_by: float) -> float | None:
    """Return the seconds by which dates are ahead, as the end of a run that was watched shows it.

    Args:
        end: The date of its end.
        running_at: Server time of the last poll before its end.
        ended_by: Server time of the first poll after its end.

    Returns:
        A multiple of a quarter of an hour, 0 for right dates; None if none fits, or several do.
    """
    return _only_multiple(end.at - ended_by - SLACK, end.at + end.grain - running_at + SLACK)


def error_shown_by_future(created: Printed, start: ServerTime, now: ServerTime) -> float | None:
    """Return the seconds by which dates are ahead, as a run that is dated in the future shows it.

    It was created after the start, if it is of it, and before now; None if no one wrong zone explains it.
    """
    return _only_multiple(created.at - now.later, created.at + created.grain - start.earlier)


def _only_multiple(low: float, high: float) -> float | None:
    if not math.isfinite(high):
        return None
    first = math.ceil(low / QUARTER)
    return first * QUARTER if first == math.floor(high / QUARTER) else None
