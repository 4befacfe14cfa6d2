"""The tasks that poll: one that sleeps until a job falls due, and one for each poll in flight."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from dataflow_async import defaults, tasks
from dataflow_async.clock import Clock
from dataflow_async.polling.schedule import Poll, Schedule
from dataflow_async.polling.wakeup import WakeUp


class PollLoop:
    """Makes the polls of a schedule from `start` to `stop`.

    One task sleeps and starts pollers, never more than `Schedule.next_poll` admits; a poller makes one poll after another
    as long as there is capacity. A loop that was stopped and started again has a new task, and the old one ends by
    itself as soon as it sees that. Every exception of a task is handed on, because a task that broke silently would look
    like runs that never end.

    Args:
        schedule: What is polled, and when.
        clock: Time.
        wakeup: Notified when there is something to do earlier than planned.
        poll: Makes one poll.
        broke: Called with the exception of a task that broke.
    """

    def __init__(
        self,
        schedule: Schedule,
        clock: Clock,
        wakeup: WakeUp,
        poll: Callable[[Poll], Awaitable[None]],
        broke: Callable[[Exception], None],
    ) -> None:
        self._schedule = schedule
        self._clock = clock
        self._wakeup = wakeup
        self._poll = poll
        self._broke = broke
        self._task: asyncio.Task[None] | None = None
        self._pollers: set[asyncio.Task[None]] = set()

    @property
    def is_running(self) -> bool:
        """Whether it was started, and not stopped since."""
        return self._task is not None

    @property
    def tasks(self) -> list[asyncio.Task[None]]:
        """The task of the loop, if it runs, and those of the polls in flight."""
        return [*((self._task,) if self._task is not None else ()), *self._pollers]

    def start(self) -> None:
        """Start, unless it runs; must be called in the event loop."""
        if self._task is None:
            self._task = tasks.start_detached(self._run, loop=asyncio.get_running_loop())
            self._task.add_done_callback(self._task_ended)

    def stop(self) -> None:
        """Stop, and cancel the polls in flight, except for the one that calls this."""
        stopped, self._task = self.tasks, None
        for each in stopped:
            if each is not asyncio.current_task():
                each.remove_done_callback(self._task_ended)
                each.cancel()
        self._wakeup.notify()

    def abandon(self) -> None:
        """Stop without cancelling anything: the event loop is closed, and its tasks are gone with it."""
        self._task = None
        self._pollers.clear()

    async def _run(self) -> None:
        this_task = asyncio.current_task()
        while self._task is this_task:
            self._schedule.make_ready()
            self._start_pollers()
            await self._sleep()

    async def _sleep(self) -> None:
        """Sleep until the next job falls due, or a notification."""
        due = self._schedule.next_time()
        if due is None:
            await self._wakeup.wait()
            return
        alarm = tasks.start(self._clock.sleep, max(due - self._clock.monotonic(), defaults.MIN_SLEEP))
        alarm.add_done_callback(self._wakeup.notify)
        try:
            await self._wakeup.wait()
        finally:
            alarm.remove_done_callback(self._wakeup.notify)  # its cancellation must not wake the next sleep
            alarm.cancel()
        if alarm.done():
            alarm.result()  # a clock that fails would be asked again and again

    def _start_pollers(self) -> None:
        while (poll := self._schedule.next_poll(len(self._pollers))) is not None:
            poller = tasks.start_detached(self._make_polls, poll, loop=asyncio.get_running_loop())
            self._pollers.add(poller)
            poller.add_done_callback(self._poller_ended)
            poller.add_done_callback(self._task_ended)

    async def _make_polls(self, poll: Poll | None) -> None:
        while poll is not None:
            try:
                await self._poll(poll)
            finally:
                self._schedule.poll_ended(poll[0])
            poll = self._schedule.next_poll(len(self._pollers) - 1)

    def _poller_ended(self, poller: asyncio.Task[None]) -> None:
        """Free its capacity: jobs may have become ready while it was being cancelled."""
        self._pollers.discard(poller)
        if self._schedule.ready:
            self._wakeup.notify()

    def _task_ended(self, task: asyncio.Task[None]) -> None:
        if task.cancelled():
            self._broke(RuntimeError("a task that polls the runs of this client was cancelled from outside"))
        elif (problem := task.exception()) is not None:
            self._broke(problem if isinstance(problem, Exception) else RuntimeError(repr(problem)))
