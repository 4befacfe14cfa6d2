"""The list of a workflow's runs, read whole or only where new runs appear: the same rows for fewer requests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime

from dataflow_async import defaults
from dataflow_async.errors import DataFlowError
from dataflow_async.models.execution import JobExecution
from dataflow_async.models.page import Page


class RunList:
    """Reads pages so that a long history is not read again at each poll.

    No order is documented (contract/notes.md#ruling-72), so it is learned: if the dates of all runs, as one whole reading
    returned them, only fall or only rise, new runs are taken to appear at that end, and `new` stops where it meets known
    ones. Of a list without such an order `new` may miss runs: a conclusion from the absence of a run needs `whole`.

    After a page that timed out, smaller ones are requested.

    Args:
        fetch: Returns page number N, from 0, of so many rows.
    """

    def __init__(self, fetch: Callable[[int, int], Awaitable[Page[JobExecution]]]) -> None:
        self._fetch = fetch
        self.limit = defaults.PAGE_LIMIT
        """Rows that are requested per page."""
        self._known: set[str] = set()
        self.pages = 0
        """Pages that have brought runs."""
        self._falls = self._rises = False

    @property
    def is_ordered(self) -> bool:
        """Whether `new` yields all runs that are new."""
        return self._falls or self._rises

    @property
    def is_long(self) -> bool:
        """Whether reading it whole costs more than `new`."""
        return self.pages > defaults.SHORT_LIST_PAGES

    async def whole(self) -> AsyncIterator[JobExecution]:
        """Yield all runs, each once: pages are read until one brings no further run (contract/notes.md#ruling-71)."""
        found: set[str] = set()
        order = _Order()
        number = 0
        while True:
            before = len(found)
            for run in await self._rows(number):
                if run.job_execution_id not in found:
                    found.add(run.job_execution_id)
                    order.take(run)
                    yield run
            if len(found) == before:
                break
            number += 1
        self.pages = number
        self._falls, self._rises = order.falls, order.rises
        self._known |= found

    async def new(self) -> AsyncIterator[JobExecution]:
        """Yield all runs of the pages where new ones appear; reads until a page brings none."""
        at_end = self._rises and not self._falls
        number = max(self.pages - 1, 0) if at_end else 0
        while True:
            runs = await self._rows(number)
            fresh = {run.job_execution_id for run in runs} - self._known
            for run in runs:
                yield run
            self._known |= fresh
            # The last known page may be full: at that end the one behind it is read as well.
            if not runs or not (fresh or (at_end and number < self.pages)):
                return
            number += 1
            if at_end:
                self.pages = max(self.pages, number)

    async def _rows(self, number: int) -> list[JobExecution]:
        """Read a page; let the event loop take a turn, because decoding a full one takes most of what a step may."""
        try:
            page = await self._fetch(number, self.limit)
        except DataFlowError as error:
            if error.is_slow and self.limit > defaults.SMALLEST_PAGE:
                self.limit //= 2
                self.pages *= 2
            raise
        await asyncio.sleep(0)
        return page.items


class _Order:
    """Whether the dates of runs only fall or only rise."""

    __slots__ = ("_last", "falls", "rises")

    def __init__(self) -> None:
        self._last: datetime | None = None
        self.falls = self.rises = True

    def take(self, run: JobExecution) -> None:
        """Record the next run."""
        date = run.created_date
        if not isinstance(date, datetime):
            self.falls = self.rises = False
        elif self._last is not None:
            self.falls = self.falls and date <= self._last
            self.rises = self.rises and date >= self._last
            self._last = date
        else:
            self._last = date
