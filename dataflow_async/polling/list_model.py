"""What the pages of a job's list of runs have shown of it. Pure: pages come in, estimates go out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from typing import Protocol, TypeVar

from dataflow_async import defaults
from dataflow_async.wire.run_rows import RunRow


class PlacedRun(Protocol):
    """A run that may stand in the list."""

    place: int | None
    """Position at which a page last showed it, less `ListModel.shift` by then; None if that is not known."""


T = TypeVar("T", bound=PlacedRun)


class Order(Enum):
    """How a list is ordered, as far as its dates show."""

    UNKNOWN = "unknown"
    NEWEST_FIRST = "newest first"
    OLDEST_FIRST = "oldest first"
    SHUFFLED = "shuffled"


class ListModel:
    """A job's list of runs as its pages have shown it: order, page size, length, and where runs stand.

    Everything here is an estimate: a wrong one costs requests, and never a wrong result, because a run counts as observed
    only when a page shows it. A run's ``place`` does not change when rows come in front of it; ``shift`` does, for all of
    them at once.
    """

    __slots__ = ("_front", "_still", "limit", "moved", "order", "probed", "reach", "rows", "shift", "size")

    def __init__(self, limit: int = defaults.PAGE_LIMIT) -> None:
        self.limit = limit
        """Rows that are requested per page."""
        self.size = limit
        """Rows a page brings; less than requested where the service caps its pages."""
        self.rows: int | None = None
        """Rows of the whole list, once a page has shown its end; at least so many since."""
        self.reach = 0
        """Rows up to the last one that was read."""
        self._front: str | None = None
        """Id of the first row."""
        self._still = 0
        """Times in a row that the first page began with it, full, though it showed none of the runs searched for."""
        self.order = Order.UNKNOWN
        self.shift = 0
        """How far rows have moved, all in all, because others came in front of them."""
        self.moved = 0
        """Rows that had come in front when the first page was last read."""
        self.probed = 0
        """Length of the short first page after which a second one was last requested."""

    @property
    def grows_in_front(self) -> bool:
        """Whether new runs are expected on the first page; so they are until the list shows otherwise."""
        return self.order is Order.NEWEST_FIRST or (
            self.order is Order.UNKNOWN and self._still < defaults.UNCHANGED_PAGES
        )

    @property
    def weight(self) -> int:
        """What a page costs, in requests: rows beyond those that were requested cost as well."""
        return 1 + max(self.size - self.limit, 0) // defaults.ROWS_PER_REQUEST

    @property
    def worth(self) -> int:
        """Runs that a page must be expected to show."""
        return defaults.PAGE_WORTH * self.weight

    def capped(self, size: int) -> None:
        """Note that a page brings no more than this, so that one page did not show the end."""
        self.size = size
        self.rows = None

    def learn(self, number: int, rows: Sequence[RunRow], found: Mapping[T, int]) -> None:
        """Record page ``number`` and the runs found on it, each with the index of its row.

        An example: while ``shift`` is 0, a page shows a run at position 5 of the list, so its ``place`` is 5. Then three
        runs come in front, and a page shows it at 8. It has moved by 3; the median of what the runs of a page have moved
        is added to ``shift``, which is 3 now, and its ``place`` is still 8 - 3 = 5.
        """
        self._learn_order(rows)
        self.size = max(self.size, len(rows))
        reach = number * self.size + len(rows)
        self.reach = max(self.reach, reach)
        if number == 0:
            front = rows[0].job_execution_id if rows else None
            still = front is not None and front == self._front and len(rows) == self.size and not found
            self._front, self._still = front, self._still + 1 if still else 0
        if len(rows) < self.size and (rows or not number):
            self.rows = reach
        elif self.rows is not None:
            self.rows = max(self.rows, reach)
        self._place(number, found)

    def place(self, number: int, rows: Sequence[RunRow], found: Mapping[T, int]) -> None:
        """Record the runs found among the first rows of a page."""
        self._learn_order(rows)
        self._place(number, found)

    def _place(self, number: int, found: Mapping[T, int]) -> None:
        first = number * self.size - self.shift
        moves = sorted(first + index - run.place for run, index in found.items() if run.place is not None)
        move = moves[len(moves) // 2] if moves else 0
        self.shift += move
        if not number:
            self.moved = max(move, 0)
        for run, index in found.items():
            run.place = first - move + index

    def _learn_order(self, rows: Sequence[RunRow]) -> None:
        half = len(rows) // 2  # dates of one list are written alike, so their texts compare
        newer = older = 0
        for at in range(0, half, max(half // defaults.ORDER_SAMPLES, 1)):
            one, other = rows[at].created_date or "", rows[at + half].created_date or ""
            newer += one > other
            older += one < other
        if newer + older:
            clear = defaults.ORDER_CLARITY * min(newer, older) <= newer + older
            straight = Order.NEWEST_FIRST if newer > older else Order.OLDEST_FIRST
            self.order = straight if clear else Order.SHUFFLED

    def expected(self, runs: Sequence[PlacedRun]) -> Iterator[int]:
        """Yield the position at which each of these runs should stand now; the longest known come first."""
        to_come = sum(run.place is None for run in runs)
        # Where the end is not known, it is searched for behind what was read before.
        end = (self.reach if self.rows is None else self.rows) + to_come - 1
        for run in runs:
            if run.place is not None:
                yield max(run.place + self.shift, 0)
            else:
                to_come -= 1
                yield to_come if self.grows_in_front else end - to_come
