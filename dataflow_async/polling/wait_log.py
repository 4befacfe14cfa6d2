"""What the log says about waits that take long for a reason: polls that fail, and unknown statuses."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping

from dataflow_async import defaults
from dataflow_async.errors import DataFlowError
from dataflow_async.polling.observations import seconds_since
from dataflow_async.polling.state import PolledJob, PolledRun

log = logging.getLogger("dataflow_async")


class WaitLog:
    """Logs one line for all waits that have the same problem, and repeats it rarely while the problem lasts.

    A client may wait for 100,000 runs when its service fails, and each of them would have a line to write. So a line is
    written only if none was for a while, names one run and counts the others, which are marked as logged. Its record has them all,
    as ``affected``.

    Args:
        jobs: The jobs that are polled.
    """

    def __init__(self, jobs: Mapping[str, PolledJob]) -> None:
        self._jobs = jobs
        self._failing_at = self._unknown_at = -math.inf
        """When the last line of either kind was written."""

    def unknown_status(self, run: PolledRun, now: float) -> None:
        """Log that a run has had a status for long that is not known to be an end."""
        since = seconds_since(run.unknown_since, now)
        if min(since, now - self._unknown_at) < defaults.LOG_REMINDER_INTERVAL:
            return
        self._unknown_at = now
        status = str(run.status)
        log.warning(
            "%s: its status has been %r for %.0f minutes, which is not known to be an end, and is still waited for;"
            " if it is one, name it in PollPolicy(terminal_statuses={%r})",
            run.ref,
            status,
            since / 60,
            status,
            extra={"affected": frozenset({run.ref})},
        )

    def failing(self, run: PolledRun, error: DataFlowError, now: float) -> None:
        """Log that every poll of a run has failed for long."""
        of_job = run.job.backoff
        failing = max(seconds_since(run.failures.since, now), seconds_since(of_job.since, now))
        was_logged = run.failures.logged or of_job.logged
        if failing < defaults.LOG_FAILURES_AFTER:
            return
        run.failures.logged = of_job.logged = True
        pause = defaults.LOG_REMINDER_INTERVAL if was_logged else defaults.LOG_FAILURES_AFTER
        if now - self._failing_at < pause:
            return
        self._failing_at = now
        runs = [each for job in self._jobs.values() for each in job.runs.values()]
        affected = [each for each in runs if each.failures.since is not None or each.job.backoff.is_outage]
        for each in affected:
            each.job.backoff.logged = True
            if each.failures.since is not None:
                each.failures.logged = True
        log.warning(
            "%s: every poll has failed for %s, last with: %s (so it is for %d of the %d runs waited for)",
            run.ref,
            "a minute" if failing < 2 * defaults.LOG_FAILURES_AFTER else f"{failing / 60:.0f} minutes",
            error,
            len(affected),
            len(runs),
            extra={"affected": frozenset(each.ref for each in affected)},
        )
