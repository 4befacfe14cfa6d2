"""Which pages of a job's list of runs are worth reading. Pure: pages come in, page numbers go out.

The list's order, the size of its pages and its growth are documented nowhere (rulings 71, 72), so they are
learned from the pages themselves and never relied on: a run that is not where it was expected is asked for
by its id, which costs one request more.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import Enum
from itertools import chain
from typing import Any, Generic, Protocol, TypeVar

from dataflow_async import defaults


class PlacedRun(Protocol):
    """A run that may stand in the list."""

    place: int | None
    """Position at which it was last seen, less `ListModel.shift` by then; None if that is not known."""


T = TypeVar("T", bound=PlacedRun)


class Order(Enum):
    """How a list is ordered, as far as its dates show."""

    UNKNOWN = "unknown"
    NEWEST_FIRST = "newest first"
    OLDEST_FIRST = "oldest first"
    SHUFFLED = "shuffled"


class ListModel:
    """What the pages of one job have taught."""

    __slots__ = ("_front", "_still", "limit", "order", "probed", "reach", "rows", "shift", "size")

    def __init__(self, limit: int = defaults.PAGE_LIMIT) -> None:
        self.limit = limit
        """Rows that are asked for."""
        self.size = limit
        """Rows a page brings; less than was asked for where the service caps its pages."""
        self.rows: int | None = None
        """Rows of the whole list, once its end was seen; at least so many since."""
        self.reach = 0
        """Rows up to the last one that was read."""
        self._front: str | None = None
        """Id of the first row."""
        self._still = 0
        """Times in a row that the first page began with it, full, though further runs were looked for."""
        self.order = Order.UNKNOWN
        self.shift = 0
        """How far rows have moved, all in all, because others came in front of them."""
        self.probed = 0
        """Length of the short first page after which a second one was last asked for."""

    @property
    def grows_in_front(self) -> bool:
        """Whether new runs are expected on the first page; so they are until the list shows otherwise."""
        return self.order is Order.NEWEST_FIRST or (
            self.order is Order.UNKNOWN and self._still < defaults.STILL_PAGES
        )

    @property
    def weight(self) -> int:
        """What a page costs, in requests: rows beyond those that were asked for cost as well."""
        return 1 + max(self.size - self.limit, 0) // defaults.ROWS_PER_REQUEST

    @property
    def worth(self) -> int:
        """Runs that a page must be expected to show."""
        return defaults.PAGE_WORTH * self.weight

    def capped(self, size: int) -> None:
        """Take in that a page brings no more than this, so that one page did not show the end."""
        self.size = size
        self.rows = None

    def learn(self, number: int, rows: Sequence[Any], sighted: Sequence[tuple[int, PlacedRun]]) -> None:
        """Take in page ``number`` and the runs seen on it, each with its row's index."""
        self._learn_order(rows)
        self.size = max(self.size, len(rows))
        reach = number * self.size + len(rows)
        self.reach = max(self.reach, reach)
        if number == 0:
            front = _id(rows[0]) if rows else None
            still = front is not None and front == self._front and len(rows) == self.size and not sighted
            self._front, self._still = front, self._still + 1 if still else 0
        if len(rows) < self.size and (rows or not number):
            self.rows = reach
        elif self.rows is not None:
            self.rows = max(self.rows, reach)
        first = number * self.size - self.shift
        moves = sorted(first + index - run.place for index, run in sighted if run.place is not None)
        move = moves[len(moves) // 2] if moves else 0
        self.shift += move
        for index, run in sighted:
            run.place = first - move + index

    def _learn_order(self, rows: Sequence[Any]) -> None:
        half = len(rows) // 2
        newer = older = 0
        for at in range(0, half, max(half // defaults.ORDER_SAMPLES, 1)):
            one, other = _created(rows[at]), _created(rows[at + half])
            newer += one > other
            older += one < other
        if newer + older:
            clear = 10 * min(newer, older) <= newer + older
            straight = Order.NEWEST_FIRST if newer > older else Order.OLDEST_FIRST
            self.order = straight if clear else Order.SHUFFLED

    def expected(self, runs: Sequence[PlacedRun]) -> Iterator[int]:
        """Give the position at which each of these runs should stand now; the longest known come first."""
        to_come = sum(run.place is None for run in runs)
        # Where the end is not known, it is looked for behind what was read before.
        end = (self.reach if self.rows is None else self.rows) + to_come - 1
        for run in runs:
            if run.place is not None:
                yield max(run.place + self.shift, 0)
            else:
                to_come -= 1
                yield to_come if self.grows_in_front else end - to_come


def _id(row: Any) -> str | None:
    execution_id = row.get("jobExecutionId") if type(row) is dict else None
    return execution_id if type(execution_id) is str else None


def _created(row: Any) -> str:
    """Dates of one list are written alike, so their texts compare."""
    date = row.get("createdDate") if type(row) is dict else None
    return date if isinstance(date, str) else ""


class PagePlanner(Generic[T]):
    """The pages to read for some runs, one after the other; what is `left` is cheaper asked for by id.

    Args:
        listing: What is known of the list.
        runs: Runs to be seen, by id.
        due: Those of them that must be seen now: no page is read for the others alone. All of them unless given.
    """

    def __init__(self, listing: ListModel, runs: Mapping[str, T], due: Iterable[str] | None = None) -> None:
        self._list_model = listing
        self._missing = dict(runs)
        self._due = set(runs if due is None else due)
        self._runs = len(runs)
        self._read: set[int] = set()
        self._edges: set[tuple[str | None, str | None]] = set()
        """First and last id of the pages read: one that comes twice under two numbers tells nothing."""
        self._shown = 0
        self._first = 0
        """Rows on the first page."""
        self._end = math.inf
        """No page from here on has rows."""
        self._by_page: dict[int, list[str]] = {}
        self._planned_with: tuple[int, int, Order] | None = None

    @property
    def left(self) -> list[T]:
        """Runs that no page has shown."""
        return list(self._missing.values())

    @property
    def saved(self) -> int:
        """Requests saved so far: each run shown spared its GET, each page cost its weight."""
        return self._shown - len(self._read) * self._list_model.weight

    @property
    def has_read(self) -> bool:
        """Whether a page has been read."""
        return bool(self._read)

    def forget(self, execution_id: str) -> None:
        """Look for a run no longer."""
        self._missing.pop(execution_id, None)
        self._due.discard(execution_id)

    def close(self) -> None:
        """End the search: runs that should stand behind the end of the list may stand anywhere."""
        behind = [ids for number, ids in self._by_page.items() if number >= self._end]
        for execution_id in chain.from_iterable(behind):
            if execution_id in self._missing:
                self._missing[execution_id].place = None

    def next_page(self) -> int | None:
        """Give the number of the page to read next, or None if none is worth it."""
        worth = self._list_model.worth
        if not self._due or len(self._missing) < worth or len(self._read) >= self._runs // worth:
            return None
        if self._must_probe():
            return 1
        if self._list_model.order is Order.SHUFFLED:
            return self._any_page()
        self._plan()
        number = self._fullest_page()
        return self._any_page() if number is None and self._displaced() else number

    def page_read(self, number: int, rows: Sequence[Any], sighted: Mapping[str, tuple[int, T]]) -> None:
        """Take in page ``number`` and the runs it showed, by id and with the indices of their rows."""
        listing = self._list_model
        self._read.add(number)
        for execution_id in sighted:
            self._shown += self._missing.pop(execution_id, None) is not None
            self._due.discard(execution_id)
        if self._was_read_before(rows):
            self._end = 0
            return
        if number == 0:
            self._first = len(rows)
        elif number == 1 and rows and 0 < self._first < listing.size:
            listing.capped(self._first)  # a short first page that has a second one
            self._end = math.inf
        listing.learn(number, rows, list(sighted.values()))
        if len(rows) < listing.size:
            self._end = min(self._end, number + bool(rows))
        for execution_id in self._by_page.pop(number, ()):
            if execution_id in self._missing:
                self._put(execution_id, number + 1)

    def _was_read_before(self, rows: Sequence[Any]) -> bool:
        """Whether the service does not turn the page: the same rows come under another number."""
        edges = (_id(rows[0]), _id(rows[-1])) if rows else (None, None)
        if None in edges:
            return False
        repeated = edges in self._edges
        self._edges.add(edges)
        return repeated

    def _put(self, execution_id: str, number: int) -> None:
        """Expect a run on a page; what was not there has slipped to the next: unknown rows came in front."""
        while number in self._read:
            number += 1
        self._by_page.setdefault(number, []).append(execution_id)

    def _must_probe(self) -> bool:
        """Whether the second page must be read to tell a capped list from a short one."""
        listing = self._list_model
        short = listing.rows if self._read == {0} and listing.rows is not None else 0
        if not 0 < short < listing.size or short == listing.probed:
            return False
        listing.probed = short
        return True

    def _plan(self) -> None:
        """Sort the missing runs by the page that should show them, anew if the list turns out to be another."""
        listing = self._list_model
        basis = listing.shift // max(listing.size // defaults.PAGE_PARTS, 1), listing.size, listing.order
        if basis == self._planned_with:
            return
        self._planned_with = basis
        self._by_page = {}
        for execution_id, position in zip(
            self._missing, listing.expected(list(self._missing.values())), strict=True
        ):
            self._put(execution_id, position // listing.size)

    def _displaced(self) -> bool:
        """Whether all that is missing has never been seen and was expected behind the end: it may stand anywhere."""
        if self._end == math.inf or any(run.place is not None for run in self._missing.values()):
            return False
        placed = chain.from_iterable(ids for number, ids in self._by_page.items() if number < self._end)
        return self._missing.keys().isdisjoint(placed)

    def _fullest_page(self) -> int | None:
        best, most = None, self._list_model.worth - 1
        for number, ids in self._by_page.items():
            if len(ids) > most and number < self._end and not self._due.isdisjoint(ids):
                shown = sum(execution_id in self._missing for execution_id in ids)
                if shown > most:
                    best, most = number, shown
        return best

    def _any_page(self) -> int | None:
        """In a shuffled list one page is as good as another, if it should show enough of what is missing."""
        listing = self._list_model
        number = next(number for number in range(len(self._read) + 1) if number not in self._read)
        if number >= self._end:
            return None
        if listing.rows is None:
            return number
        pages_left = listing.rows // listing.size + 1 - len(self._read)
        return number if 0 < pages_left * listing.worth <= len(self._missing) else None
