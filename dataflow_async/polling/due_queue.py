"""What is due when: a heap of times, and the items of each. Pure: the time is an argument."""

from __future__ import annotations

import heapq
import math
from typing import Generic, Protocol, TypeVar


class DueItem(Protocol):
    """Something that falls due."""

    due: float | None
    """When, in monotonic seconds; None for not at all."""
    heap_time: float | None
    """The time under which it stands in its queue; None if it does not. For the queue alone to set."""


T = TypeVar("T", bound=DueItem)


class DueQueue(Generic[T]):
    """Items by the time they are due; those of one time are one entry of the heap.

    An item that is put off keeps its place until that comes up, and only then moves: most polls are put off
    again and again, by pages that show a thousand runs at once, before they would have come up. So an item stands in the
    queue once under its ``heap_time``, which is never later than its ``due``; places under another time are stale
    and are dropped when they come up. An item that becomes due earlier must be entered again, or it would come up late.
    """

    __slots__ = ("_items", "_times")

    def __init__(self) -> None:
        self._times: list[float] = []
        self._items: dict[float, list[T]] = {}

    def enter(self, item: T) -> None:
        """Add an item by its ``due``, or move it there."""
        due = item.due
        if due is None or (item.heap_time is not None and due >= item.heap_time):
            return
        item.heap_time = due
        items = self._items.get(due)
        if items is None:
            self._items[due] = [item]
            heapq.heappush(self._times, due)
        else:
            items.append(item)

    def fallen_due(self, now: float, most: float = math.inf) -> list[T]:
        """Remove and return the items that are due by now, the earliest first and no more than ``most``."""
        due: list[T] = []
        while len(due) < most and (time := self.next_due()) is not None and time <= now:
            item = self._items[time].pop()
            item.heap_time = None
            due.append(item)
        return due

    def next_due(self) -> float | None:
        """Return the time at which the first item is due, or None if none is."""
        while self._times:
            time = self._times[0]
            items = self._items[time]
            while items:
                item = items[-1]
                if item.heap_time == time:
                    if item.due == time:
                        return time
                    item.heap_time = None
                    self.enter(item)
                items.pop()
            del self._items[heapq.heappop(self._times)]
        return None

    def __len__(self) -> int:
        """Return the number of places, stale ones included."""
        return sum(map(len, self._items.values()))
