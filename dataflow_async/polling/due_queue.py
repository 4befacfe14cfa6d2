"""What is due when: a heap of items. Pure: the time is an argument."""

from __future__ import annotations

import heapq
import math
from itertools import count
from typing import Generic, Protocol, TypeVar


class DueItem(Protocol):
    """Something that falls due."""

    due: float | None
    """When, in monotonic seconds; None for not at all."""
    heap_time: float | None
    """The time under which it stands in its queue; None if it does not. For the queue alone to set."""


T = TypeVar("T", bound=DueItem)


class DueQueue(Generic[T]):
    """Items by the time they are due.

    An item that is put off keeps its place in the heap until that comes up, and only then moves: most polls are put off
    again and again, by pages that show a thousand runs at once, before they would have come up. So an item stands in the
    heap once under its ``heap_time``, which is never later than its ``due``; entries under another time are stale
    and are dropped when they come up. An item that becomes due earlier must be entered again, or it would come up late.
    """

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, T]] = []
        self._order = count()

    def enter(self, item: T) -> None:
        """Add an item by its ``due``, or move it there."""
        if item.due is not None and (item.heap_time is None or item.due < item.heap_time):
            item.heap_time = item.due
            heapq.heappush(self._heap, (item.due, next(self._order), item))

    def fallen_due(self, now: float, most: float = math.inf) -> list[T]:
        """Remove and return the items that are due by now, the earliest first and no more than ``most``."""
        due: list[T] = []
        while len(due) < most and (time := self.next_due()) is not None and time <= now:
            item = heapq.heappop(self._heap)[2]
            item.heap_time = None
            due.append(item)
        return due

    def next_due(self) -> float | None:
        """Return the time at which the first item is due, or None if none is."""
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
        """Return the number of entries, stale ones included."""
        return len(self._heap)
