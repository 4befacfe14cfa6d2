"""Which pages of a job's list of runs are worth reading. Pure: pages come in, page numbers go out.

The list's order, the size of its pages and its growth are documented nowhere (contract/notes.md#ruling-71,
contract/notes.md#ruling-72), so they are learned from the pages themselves and never relied on: a run that is not where
it was expected is polled by its id, which costs one request more.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Generic, TypeVar

from dataflow_async import defaults
from dataflow_async.polling.list_model import ListModel, Order, PlacedRun
from dataflow_async.wire.run_rows import RunRow

T = TypeVar("T", bound=PlacedRun)


class PagePlanner(Generic[T]):
    """The pages to read for some runs, one after the other; the runs that are `remaining` are cheaper polled by their ids.

    A page is read only if it should show twice as many missing runs as it costs requests, at least one of which is due. No
    page is read twice, and no more pages than there are runs to pay for them, so a search always ends, whatever the
    service answers.

    Args:
        list_model: What is known of the list.
        runs: Runs to be found.
        due: Those of them that are due: no page is read for the others alone. All of them unless given.
    """

    def __init__(self, list_model: ListModel, runs: Iterable[T], due: Iterable[T] | None = None) -> None:
        self._list_model = list_model
        self._missing = dict.fromkeys(runs)
        self._due = set(self._missing if due is None else due)
        self._runs = len(self._missing)
        self._read: set[int] = set()
        self._edges: set[tuple[str | None, str | None]] = set()
        """First and last id of the pages read: one that comes twice under two numbers shows nothing."""
        self._shown = 0
        self._first = 0
        """Rows on the first page."""
        self._end = math.inf
        """No page from here on has rows."""
        self._by_page: dict[int, list[T]] = {}
        self._planned_with: tuple[int, int, Order] | None = None
        self._depth = 0
        """Rows from the front of the list to the last run expected on the first page."""
        self._narrowed = False
        """Whether less than the first page was read."""
        self._pages = 0
        """Pages read."""

    @property
    def remaining(self) -> list[T]:
        """Runs that no page has shown."""
        return list(self._missing)

    @property
    def saved(self) -> int:
        """Requests saved so far: each run shown spared its GET, each page cost its weight."""
        return self._shown - self._pages * self._list_model.weight

    @property
    def has_read(self) -> bool:
        """Whether a page has been read."""
        return self._pages > 0

    def forget(self, run: T) -> None:
        """Stop searching for a run."""
        self._missing.pop(run, None)
        self._due.discard(run)

    def close(self) -> None:
        """End the search: runs that should stand behind the end of the list may stand anywhere."""
        behind = [runs for number, runs in self._by_page.items() if number >= self._end]
        for run in chain.from_iterable(behind):
            if run in self._missing:
                run.place = None

    def next_window(self) -> tuple[int, int] | None:
        """Return the number and the rows of the page to read next, or None if none is worth it.

        Where a list shows its newest runs first, those that still go on mostly stand in front: no more rows are asked for than
        should show them, and the whole page only if that does not.
        """
        number, model = self._next_page(), self._list_model
        if number is None:
            return None
        if number or self._narrowed or model.order is not Order.NEWEST_FIRST or not self._depth:
            return number, model.limit
        rows = self._depth + self._depth // defaults.WINDOW_SLACK + 2 * model.moved + defaults.WINDOW_MARGIN
        return number, min(rows, model.limit)

    def _next_page(self) -> int | None:
        worth = self._list_model.worth
        if not self._due or len(self._missing) < worth or self._pages >= self._runs // worth:
            return None
        if self._must_probe():
            return 1
        if self._list_model.order is Order.SHUFFLED:
            return self._any_page()
        self._plan()
        number = self._fullest_page()
        return self._any_page() if number is None and self._displaced() else number

    def page_read(
        self, number: int, rows: Sequence[RunRow], found: Mapping[T, int], limit: int | None = None
    ) -> None:
        """Record page ``number`` and the runs found on it, with the indices of their rows.

        Args:
            number: From 0.
            rows: Its rows.
            found: The runs.
            limit: Rows that were asked for; a whole page unless given.
        """
        model = self._list_model
        self._pages += 1
        if limit is not None and limit < model.limit and len(rows) == limit:
            self._front_read(rows, found)
            return
        self._read.add(number)
        self._find(found)
        if self._was_read_before(rows):
            self._end = 0
            return
        if number == 0:
            self._first = len(rows)
        elif number == 1 and rows and 0 < self._first < model.size:
            model.capped(self._first)  # a short first page that has a second one
            self._end = math.inf
        model.learn(number, rows, found)
        if len(rows) < model.size:
            self._end = min(self._end, number + bool(rows))
        for run in self._by_page.pop(number, ()):
            if run in self._missing:
                self._put(run, number + 1)

    def _front_read(self, rows: Sequence[RunRow], found: Mapping[T, int]) -> None:
        """Record the first rows of the first page: they tell nothing of the size of pages, nor of the end of the list."""
        self._narrowed = True
        self._find(found)
        self._list_model.place(0, rows, found)

    def _find(self, found: Mapping[T, int]) -> None:
        missing = len(self._missing)
        for run in self._missing.keys() & found.keys():
            del self._missing[run]
        self._shown += missing - len(self._missing)
        self._due.difference_update(found)

    def _was_read_before(self, rows: Sequence[RunRow]) -> bool:
        """Whether the service ignores page numbers: it returned the same rows under another one."""
        edges = (rows[0].job_execution_id, rows[-1].job_execution_id) if rows else (None, None)
        if None in edges:
            return False
        repeated = edges in self._edges
        self._edges.add(edges)
        return repeated

    def _put(self, run: T, number: int) -> None:
        """Expect a run on a page, or on the next one that was not read: new rows in front shift runs to later pages."""
        while number in self._read:
            number += 1
        self._by_page.setdefault(number, []).append(run)

    def _must_probe(self) -> bool:
        """Return whether the second page must be read to tell a capped list from a short one.

        After a first page with fewer rows than requested either the list has ended, or the service caps its pages; each
        such number of rows is probed once.
        """
        model = self._list_model
        short = model.rows if self._read == {0} and model.rows is not None else 0
        if not 0 < short < model.size or short == model.probed:
            return False
        model.probed = short
        return True

    def _plan(self) -> None:
        """Sort the missing runs by the page that should show them, again if order, page size or length of the list turn out otherwise."""
        model = self._list_model
        basis = model.shift // max(model.size // defaults.PAGE_PARTS, 1), model.size, model.order
        if basis == self._planned_with:
            return
        self._planned_with = basis
        self._by_page = {}
        self._depth = 0
        for run, position in zip(self._missing, model.expected(list(self._missing)), strict=True):
            self._put(run, position // model.size)
            if self._depth <= position < model.size:
                self._depth = position + 1

    def _displaced(self) -> bool:
        """Return whether no page can be expected to show any missing run, so that any page may.

        That is so where the end of the list is known, every missing run was expected behind it, and none was ever found.
        """
        if self._end == math.inf or any(run.place is not None for run in self._missing):
            return False
        placed = chain.from_iterable(runs for number, runs in self._by_page.items() if number < self._end)
        return self._missing.keys().isdisjoint(placed)

    def _fullest_page(self) -> int | None:
        best, most = None, self._list_model.worth - 1
        for number, runs in self._by_page.items():
            if len(runs) > most and number < self._end and not self._due.isdisjoint(runs):
                shown = sum(run in self._missing for run in runs)
                if shown > most:
                    best, most = number, shown
        return best

    def _any_page(self) -> int | None:
        """Return the next page not read of a shuffled list, if it should show enough of what is missing."""
        model = self._list_model
        number = next(number for number in range(len(self._read) + 1) if number not in self._read)
        if number >= self._end:
            return None
        if model.rows is None:
            return number
        pages_remaining = model.rows // model.size + 1 - len(self._read)
        return number if 0 < pages_remaining * model.worth <= len(self._missing) else None
