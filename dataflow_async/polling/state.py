"""What the tracker remembers: a list of runs for each job, a run, and each wait for it. No time passes here."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable, Iterable

from dataflow_async.models.execution import ExecutionRef, JobExecution
from dataflow_async.polling.backoff import Backoff
from dataflow_async.polling.due_queue import DueQueue
from dataflow_async.polling.list_trust import ListTrust
from dataflow_async.polling.page_planner import ListModel, PagePlanner


class PolledJob:
    """The watched runs of one job."""

    __slots__ = (
        "answered_at",
        "asked_at",
        "backoff",
        "due",
        "due_now",
        "due_queue",
        "entered",
        "in_flight",
        "job_id",
        "list_failed",
        "list_model",
        "list_paused_until",
        "planners",
        "poll_due",
        "queued",
        "runs",
        "single_polls",
        "trust",
    )

    def __init__(self, job_id: str) -> None:
        self.job_id = job_id
        self.runs: dict[str, PolledRun] = {}
        self.due_queue: DueQueue[PolledRun] = DueQueue()
        self.due_now: dict[str, PolledRun] = {}
        """Runs to be looked at whatever their schedule says."""
        self.list_model = ListModel()
        self.planners: list[PagePlanner[PolledRun]] = []
        """What is being looked for in the list now."""
        self.list_paused_until = 0.0
        """Its list is not asked before: it could not be read."""
        self.list_failed = False
        """Whether the last page that was asked for did not come."""
        self.trust = ListTrust()
        self.backoff = Backoff()
        self.asked_at = -math.inf
        """When a page was last asked for, by the event loop's time."""
        self.answered_at = -math.inf
        """When a poll was last answered, by the event loop's time."""
        self.poll_due = False
        """Whether its due runs are to be polled."""
        self.single_polls: deque[PolledRun] = deque()
        """Runs to be asked for by id."""
        self.queued = False
        self.in_flight = 0
        """Looks under way; what falls due meanwhile is looked up together after them."""
        self.due: float | None = None
        self.entered: float | None = None

    @property
    def has_work(self) -> bool:
        """Whether there are polls to be made."""
        return bool(self.runs) and (self.poll_due or bool(self.single_polls))

    def hold(self, runs: Iterable[PolledRun]) -> None:
        """Keep runs that are due until the job is looked up next."""
        for run in runs:
            if run.subscriptions:
                self.due_now[run.execution_id] = run

    def forget(self, run: PolledRun) -> None:
        """Remove a run: nobody waits for it any more."""
        run.due = None
        self.due_now.pop(run.execution_id, None)
        self.runs.pop(run.execution_id, None)
        for search in self.planners:
            search.forget(run.execution_id)


class PolledRun:
    """One run that somebody waits for. Times are by the monotonic clock, in seconds."""

    __slots__ = (
        "asked_at",
        "began",
        "due",
        "entered",
        "execution",
        "execution_id",
        "failing_since",
        "fetched_at",
        "foreign_since",
        "job",
        "logged",
        "misses",
        "missing_since",
        "observed_at",
        "place",
        "polled_at",
        "retry_after",
        "skips",
        "subscriptions",
        "suspect_since",
        "unknown_since",
    )

    def __init__(self, job: PolledJob, execution_id: str, now: float) -> None:
        self.job = job
        self.execution_id = execution_id
        self.began = self.observed_at = self.polled_at = now
        self.fetched_at = now
        """When it was last seen by its id, or began to be watched."""
        self.execution: JobExecution | None = None
        """As last seen with a status; None before it was seen."""
        self.subscriptions: list[Subscription] = []
        self.suspect_since: float | None = None
        """Since when it has had an end date and a status that is unknown."""
        self.unknown_since: float | None = None
        """Since when its status has been one that nobody knows."""
        self.missing_since: float | None = None
        """When the service first said that there is no such run; None once it was seen again."""
        self.foreign_since: float | None = None
        """Since when the only answers have been of neither gateway nor service (ruling 93)."""
        self.asked_at: float | None = None
        """When it was asked for by id, by the event loop's time; None unless that is under way."""
        self.failing_since: float | None = None
        """Since when every look has failed."""
        self.logged = False
        """Whether the log tells of this silence."""
        self.retry_after: float | None = None
        """Seconds the service asked to leave it alone."""
        self.place: int | None = None
        self.misses = 0
        """Searches of the list in a row that cost more than they saved and did not show it."""
        self.skips = 0
        """Looks for which it is asked for by id before it is searched for again."""
        self.due: float | None = None
        """When it is to be looked at next; None while a look is wanted or under way."""
        self.entered: float | None = None

    @property
    def ref(self) -> ExecutionRef:
        """Name of the run."""
        return ExecutionRef(self.job.job_id, self.execution_id)


class Subscription:
    """One wait for a run: holds what it has not been given yet, and rings when there is something."""

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

    def __init__(self, run: PolledRun, ring: Notify, *, every_change: bool) -> None:
        self.run = run
        self.notify = ring
        self.every_change = every_change
        self.news: list[JobExecution] = []
        """Changes to be taken, the earliest first."""
        self.error: Exception | None = None
        """What ended the wait, if it did not end well."""
        self.over = False
        """Whether nothing more will come."""
        self.timeout: float | None = None
        self.deadline: float | None = None
        """When patience ends."""
        self.timer: asyncio.TimerHandle | None = None
        """Ends the wait should a look outlast its patience."""
        self.index: int | None = len(run.subscriptions)
        """Index among those who wait for the run; None for who waits no longer."""
        run.subscriptions.append(self)

    def unsubscribe(self) -> None:
        """Wait no longer. The last one takes the seat, so that leaving costs the same however many wait."""
        others = self.run.subscriptions
        last = others.pop()
        if last is not self and self.index is not None:
            others[self.index] = last
            last.index = self.index
        self.index = None

    def give(self, execution: JobExecution, *, ended: bool) -> None:
        """Take in a change, if this wait wants to know of it."""
        if ended or self.every_change:
            self.news.append(execution)
            self.over = ended
            self.notify(self)

    def fail(self, error: Exception) -> None:
        """End with an error."""
        self.error = error
        self.over = True
        self.notify(self)

    def disarm(self) -> None:
        """Let the look that was minded take its time again."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None


Notify = Callable[[Subscription], None]
"""Called in the event loop, whenever a subscription has news or is over. Must not raise."""
