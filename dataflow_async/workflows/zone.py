"""Whether a service prints dates in the wrong zone, as runs that were polled to their end show it. Pure.

UTC printed as +09:00 makes a run of now look nine hours old (contract/notes.md#ruling-90). A wrong zone is off by a multiple
of a quarter of an hour, so a few seconds' uncertainty about when something happened does not hide it.
"""

from __future__ import annotations

import math

from dataflow_async import defaults
from dataflow_async.models.execution import JobExecution
from dataflow_async.models.moment import Printed, printed
from dataflow_async.wire.server_time import ServerTime


def date_of(row: JobExecution, member: str) -> Printed | None:
    """Return a date of a run by the wire's name of the member; None if it does not name its zone and proves nothing."""
    date = printed(row.raw.get(member))
    return date if date is not None and date.zoned else None


def error_shown_by_end(end: Printed, running_at: float, ended_by: float) -> float | None:
    """Return the seconds by which dates are ahead, as the end of a run shows it that was polled before and after.

    Args:
        end: The date of its end.
        running_at: Server time of the last poll before its end.
        ended_by: Server time of the first poll after its end.

    Returns:
        A multiple of a quarter of an hour, 0 for right dates; None if none fits, or several do.
    """
    return _only_multiple(
        end.at - ended_by - defaults.ZONE_SLACK, end.at + end.grain - running_at + defaults.ZONE_SLACK
    )


def error_shown_by_future(created: Printed, start: ServerTime, now: ServerTime) -> float | None:
    """Return the seconds by which dates are ahead, as a run that is dated in the future shows it.

    It was created after the start, if it is of it, and before now; None if no one wrong zone explains it.
    """
    return _only_multiple(created.at - now.later, created.at + created.grain - start.earlier)


def _only_multiple(low: float, high: float) -> float | None:
    if not math.isfinite(high):
        return None
    first = math.ceil(low / defaults.ZONE_STEP)
    return first * defaults.ZONE_STEP if first == math.floor(high / defaults.ZONE_STEP) else None
