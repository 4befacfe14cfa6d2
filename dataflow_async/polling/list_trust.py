"""Whether a job's list is trusted when it shows runs as going on. Pure: times are arguments."""

from __future__ import annotations

import math
from collections.abc import Sequence

from dataflow_async import defaults
from dataflow_async.wire.run_rows import RunRow


class ListTrust:
    """Compares what a list shows with what single runs show.

    A list that has stopped changing looks like runs that take long. So every few polls one run is polled by its id
    as well. If it has ended, its row is checked on the pages to come: if they show it as going on although there was time
    enough to catch up, the list is not read for a while. Ended runs that a page shows as ended are removed; otherwise
    the few that are kept would fill up, and no further one would be checked.
    """

    __slots__ = ("_ended", "_polls", "distrusted_until")

    def __init__(self) -> None:
        self.distrusted_until = -math.inf
        """The list is not read before, in monotonic seconds."""
        self._ended: dict[str, float] = {}
        self._polls = 0

    def must_check(self) -> bool:
        """Count a poll of pages; return whether a run is to be polled by its id now."""
        self._polls += 1
        return self._polls % defaults.POLLS_PER_CHECK == 0

    def ended(self, execution_id: str, now: float) -> None:
        """Note that a run, which the list shows, was observed to have ended when it was polled by its id."""
        if len(self._ended) < defaults.ENDED_RUNS_CHECKED:
            self._ended[execution_id] = now
        self._polls = -1  # the next poll is checked as well: there may be more of them

    def is_refuted_by(self, rows: Sequence[RunRow], terminal: frozenset[str], now: float, lag: float) -> bool:
        """Return whether a page shows a run as going on that had ended ``lag`` seconds ago or earlier."""
        if not self._ended:
            return False
        for row in rows:
            execution_id = row.job_execution_id
            if execution_id is None or (ended_at := self._ended.get(execution_id)) is None:
                continue
            if row.status in terminal:
                del self._ended[execution_id]
            elif now - ended_at >= lag:
                return True
        return False

    def distrust(self, until: float) -> None:
        """Have runs polled by their ids until then; the first poll of pages after it is checked."""
        self.distrusted_until = until
        self._polls = -1
