"""What the tracker remembers: the polled jobs, their runs, and each wait for a run. No time passes here."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable, Iterable
from typing import TypeAlias

from dataflow_async.errors import DataFlowError
from dataflow_async.models.execution import ExecutionRef, JobExecution
from dataflow_async.polling.backoff import Backoff
from dataflow_async.polling.due_queue import DueQueue
from dataflow_async.polling.list_model import ListModel
from dataflow_async.polling.list_trust import ListTrust
from dataflow_async.polling.page_planner import PagePlanner
from dataflow_async.polling.policy import ACTIVE_STATUSES, Shown, is_suspect
from dataflow_async.wire.run_rows import RowSource, execution_of

UNSEEN = ""
"""In place of the status of a run that was not observed yet: no status is empty."""


class PolledJob:
    """A job with runs that somebody waits for. Times are monotonic seconds, except where the event loop's are named.

    Always true: each of its ``runs`` is in ``due_queue``, ``due_now`` or ``single_polls``, or in a poll in flight; `Schedule`
    moves them. A run in none of these would never be polled again, and its waits would hang.
    """

    __slots__ = (
        "answered_at",
        "backoff",
        "due",
        "due_now",
        "due_queue",
        "heap_time",
        "in_flight",
        "job_id",
        "list_failed",
        "list_model",
        "list_paused_until",
        "list_trust",
        "page_requested_at",
        "planners",
        "poll_due",
        "queued",
        "runs",
        "single_polls",
    )

    def __init__(self, job_id: str) -> None:
        self.job_id = job_id
        self.runs: dict[str, PolledRun] = {}
        """By id."""
        self.due_queue: DueQueue[PolledRun] = DueQueue()
        """Runs that are due later."""
        self.due_now: dict[PolledRun, None] = {}
        """Runs to be polled with the next poll, whatever their due times were."""
        self.single_polls: deque[PolledRun] = deque()
        """Runs to be polled by their ids, one poll each."""
        self.poll_due = False
        """Whether the runs that are due are to be polled together."""
        self.queued = False
        """Whether it is ready to be polled, and in the queue of those that are."""
        self.in_flight = 0
        """Polls in flight; what falls due meanwhile is polled together after them."""
        self.due: float | None = None
        """When it is to be polled next; None if nothing is planned."""
        self.heap_time: float | None = None
        self.backoff = Backoff()
        self.page_requested_at = -math.inf
        """When a page was last requested, by the event loop's time."""
        self.answered_at = -math.inf
        """When a poll was last answered, by the event loop's time."""
        self.list_model = ListModel()
        self.list_trust = ListTrust()
        self.list_paused_until = 0.0
        """Its list is not read before: it could not be."""
        self.list_failed = False
        """Whether the last page that was requested did not come."""
        self.planners: list[PagePlanner[PolledRun]] = []
        """Searches of its list under way."""

    @property
    def has_work(self) -> bool:
        """Whether there are polls to be made now."""
        return bool(self.runs) and (self.poll_due or bool(self.single_polls))

    def hold(self, runs: Iterable[PolledRun]) -> None:
        """Keep runs that are due for the next poll."""
        for run in runs:
            if run.subscriptions:
                self.due_now[run] = None

    def hold_single_polls(self) -> None:
        """Keep all runs that are due for the next poll, and plan none by id: polls are held back."""
        self.hold(self.single_polls)
        self.single_polls.clear()
        self.poll_due = False

    def forget(self, run: PolledRun) -> None:
        """Remove a run: nobody waits for it any more."""
        run.due = None
        self.due_now.pop(run, None)
        self.runs.pop(run.execution_id, None)
        for planner in self.planners:
            planner.forget(run)


class Failures:
    """What polls of a run have met since it was last observed. Times are monotonic seconds."""

    __slots__ = ("foreign_since", "last_at", "logged", "missing_since", "retry_after", "since")

    def __init__(self) -> None:
        self.since: float | None = None
        """Since when every poll has failed; None if none has."""
        self.last_at = -math.inf
        """When the last one did."""
        self.foreign_since: float | None = None
        """Since when the only answers have been of neither gateway nor service."""
        self.missing_since: float | None = None
        """When the service first answered that there is no such run."""
        self.retry_after: float | None = None
        """Seconds for which the service asked not to be polled, with the last failure."""
        self.logged = False
        """Whether they have been logged."""

    def add(self, error: DataFlowError, now: float) -> None:
        """Record that a poll failed."""
        self.since = now if self.since is None else self.since
        self.last_at = now
        if error.is_foreign:
            self.foreign_since = now if self.foreign_since is None else self.foreign_since
        elif not error.no_answer:
            self.foreign_since = None
            if self.missing_since is None and error.not_found:
                self.missing_since = now
        self.retry_after = error.retry_after


NO_FAILURES = Failures()
"""That of all runs whose last poll did not fail; never changed."""


class PolledRun:
    """One run that somebody waits for. Times are monotonic seconds.

    ``due`` is set if and only if the run is in its job's due queue: it is None while a poll of the run is to be made or
    is in flight. A run without subscriptions is forgotten at once.

    There may be a million of them: what a page has shown is kept as the text of its row, which garbage collections pass by,
    and becomes a run when somebody needs it.
    """

    __slots__ = (
        "began",
        "due",
        "execution_id",
        "failures",
        "fetched_at",
        "heap_time",
        "job",
        "misses",
        "observed_at",
        "place",
        "requested_at",
        "skips",
        "source",
        "status",
        "subscriptions",
        "suspect_since",
        "timed",
        "unknown_since",
    )

    def __init__(self, job: PolledJob, execution_id: str, now: float) -> None:
        self.job = job
        self.execution_id = execution_id
        self.subscriptions: list[Subscription] = []
        self.status: str | None = UNSEEN
        """As last observed."""
        self.source: JobExecution | RowSource | None = None
        """The run as last observed with a status, or what it is decoded from; None before it was observed."""
        self.began = now
        """When somebody first waited for it."""
        self.observed_at = now
        """When a poll last showed it, by its id or on a page; at first, when it was first waited for."""
        self.fetched_at = now
        """The same for polls by its id."""
        self.requested_at: float | None = None
        """When it was requested by its id, by the event loop's time; None unless that is in flight."""
        self.due: float | None = None
        """When it is to be polled next; None while a poll is to be made now, or is in flight."""
        self.heap_time: float | None = None
        self.timed = False
        """Whether a wait for it has had a time-out."""
        self.failures = NO_FAILURES
        """What its polls have met since."""
        self.suspect_since: float | None = None
        """Since when it has had an end date and an unknown status."""
        self.unknown_since: float | None = None
        """Since when its status has been an unknown one."""
        self.place: int | None = None
        self.misses = 0
        """Searches of the list in a row that cost more than they saved and did not show it."""
        self.skips = 0
        """Polls by its id before it is searched for in the list again."""

    @property
    def ref(self) -> ExecutionRef:
        """Both ids of the run."""
        return ExecutionRef(self.job.job_id, self.execution_id)

    @property
    def execution(self) -> JobExecution | None:
        """The run as last observed with a status; None before it was observed."""
        source = self.source
        if source is None or isinstance(source, JobExecution):
            return source
        try:
            self.source = run = execution_of(source, self.job.job_id)
        except ValueError:  # it holds a number that is none, which nothing else in it has to do with
            self.source = run = JobExecution(self.execution_id, self.job.job_id, status=self.status)
        return run

    @property
    def polled_at(self) -> float:
        """When a poll of any kind was answered last, or failed."""
        return max(self.observed_at, self.failures.last_at)

    def observed(self, shown: Shown, source: JobExecution | RowSource | None, now: float) -> None:
        """Record the present state of the run; one without a status says no more than that the run is there.

        Args:
            shown: What a poll has shown of it.
            source: What it can be decoded from; None if that shows nothing new.
            now: Monotonic seconds.
        """
        if source is not None and (self.source is None or shown.status is not None):
            self.source, self.status = source, shown.status
        self.observed_at = now
        self.failures = NO_FAILURES
        if not is_suspect(shown):
            self.suspect_since = None
        elif self.suspect_since is None:
            self.suspect_since = now
        if self.status in ACTIVE_STATUSES:
            self.unknown_since = None
        elif self.unknown_since is None:
            self.unknown_since = now

    def poll_failed(self, error: DataFlowError, now: float) -> None:
        """Record that a poll of the run failed."""
        if self.failures is NO_FAILURES:
            self.failures = Failures()
        self.failures.add(error, now)


class Subscription:
    """One wait for a run: holds the news that its owner has not taken yet, and notifies the owner of it.

    ``index`` is its place among the subscriptions of the run, so that leaving costs the same however many there are;
    it is None once the wait is over, and then nothing more is delivered.
    """

    __slots__ = (
        "deadline",
        "error",
        "every_change",
        "index",
        "news",
        "notify",
        "over",
        "run",
        "timeout",
        "timer",
    )

    def __init__(self, run: PolledRun, notify: Notify, *, every_change: bool) -> None:
        self.run = run
        self.notify = notify
        self.every_change = every_change
        self.news: tuple[JobExecution, ...] = ()
        """States of the run to be taken, the earliest first; the last one is its end if the wait is over."""
        self.error: Exception | None = None
        """What ended the wait, if the run's end did not."""
        self.over = False
        """Whether nothing more will come."""
        self.timeout: float | None = None
        """Seconds, as the caller gave them; None for as long as it takes."""
        self.deadline: float | None = None
        """When the time-out is over, in monotonic seconds."""
        self.timer: asyncio.TimerHandle | None = None
        """Ends the wait should a poll outlast the deadline."""
        self.index: int | None = len(run.subscriptions)
        if run.subscriptions:
            run.subscriptions.append(self)
        else:
            run.subscriptions = [self]  # of no more than itself: there seldom are others

    def unsubscribe(self) -> None:
        """Leave the run's subscriptions; the last one moves to the index that becomes free."""
        others = self.run.subscriptions
        last = others.pop()
        if last is not self and self.index is not None:
            others[self.index] = last
            last.index = self.index
        self.index = None

    def deliver(self, execution: JobExecution, *, ended: bool) -> None:
        """Deliver a state of the run if this wait is for every change or the run has ended."""
        if ended or self.every_change:
            self.news += (execution,)
            self.over = ended
            self.notify(self)

    def fail(self, error: Exception) -> None:
        """End with an error."""
        self.error = error
        self.over = True
        self.notify(self)

    def cancel_timer(self) -> None:
        """Stop the timer, if there is one."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None


Notify: TypeAlias = Callable[[Subscription], None]
"""Called in the event loop, whenever a subscription has news or is over. Must not raise."""
