"""What is due when: a heap of looks. Pure: the time is an argument."""

from __future__ import annotations

import heapq
import math
from itertools import count
from typing import Generic, Protocol, TypeVar


class DueItem(Protocol):
    """Something that falls due."""

    due: float | None
    """When, by the monotonic clock; None for not at all."""
    heap_time: float | None
    """Where it stands in its agenda; None for not at all. For the agenda alone to set."""


T = TypeVar("T", bound=DueItem)


class DueQueue(Generic[T]):
    """Items by the time they are due.

    An item that is put off keeps its place until that comes up, and only then moves: most looks are put off
    again and again, by pages that show a thousand runs at once, before they would have come up.
    """

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, T]] = []
        self._order = count()

    def enter(self, item: T) -> None:
        """Take an item in by its ``due``, or let it move there."""
        if item.due is not None and (item.heap_time is None or item.due < item.heap_time):
            item.heap_time = item.due
            heapq.heappush(self._heap, (item.due, next(self._order), item))

    def fallen_due(self, now: float, most: float = math.inf) -> list[T]:
        """Give the items that are due by now, the earliest first and no more than ``most``, and forget them."""
        due: list[T] = []
        while len(due) < most and (time := self.next_due()) is not None and time <= now:
            item = heapq.heappop(self._heap)[2]
            item.heap_time = None
            due.append(item)
        return due

    def next_due(self) -> float | None:
        """Give the time at which the first item is due, or None if none is."""
        heap = self._heap
        while heap:
            time, _, item = heap[0]
            if time == item.heap_time == item.due:
                return time
            if time != item.heap_time:  # it has moved to an earlier place
                heapq.heappop(heap)
            elif item.due is None:
                item.heap_time = None
                heapq.heappop(heap)
            else:
                item.heap_time = item.due
                heapq.heapreplace(heap, (item.due, next(self._order), item))
        return None

    def __len__(self) -> int:
        """Entries, those of items that are no longer due included."""
        return len(self._heap)
