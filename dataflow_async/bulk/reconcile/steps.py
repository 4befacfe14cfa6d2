"""Work in steps that are short however many runs there are: whoever drives it lets others work between two of them. Pure.

Such work is a generator that yields after each step and returns its result.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from heapq import merge
from itertools import islice
from math import inf
from operator import le
from typing import Any, TypeAlias, TypeVar

from dataflow_async import defaults

T = TypeVar("T")
Steps: TypeAlias = Generator[None, None, T]
"""Work that yields between its steps, and returns its result."""


def slices(items: Iterable[T]) -> Iterator[list[T]]:
    """Return items by as many as one step may handle."""
    rest = iter(items)
    while some := list(islice(rest, defaults.RUNS_PER_STEP)):
        yield some


def at_once(steps: Steps[T]) -> T:
    """Do work to its end, and return its result."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: T = end.value
            return result


def emptied(*held: dict[Any, Any]) -> Steps[None]:
    """Empty what nobody needs any more: to free it at once takes as long as there is of it."""
    for each in held:
        while each:
            for _ in range(min(len(each), defaults.RUNS_PER_STEP)):
                each.popitem()
            yield


class Columns:
    """Rows of so many numbers, column by column: neither to walk them for garbage collection nor to free them takes time."""

    def __init__(self, count: int) -> None:
        self.columns = tuple(array("d") for _ in range(count))
        self._last = -inf
        self._rises = True
        """Whether the first column is in order as it is."""

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.columns[0])

    def extend(self, rows: Sequence[tuple[float, ...]]) -> None:
        """Add rows."""
        if not rows:
            return
        for column, numbers in zip(self.columns, zip(*rows, strict=True), strict=True):
            column.extend(numbers)
        first = [self._last, *(row[0] for row in rows)]
        self._rises = self._rises and all(map(le, first, first[1:]))
        self._last = first[-1]

    def in_order(self) -> Steps[tuple[array[float], ...]]:
        """Return the columns of all rows in the order of the numbers in the first one; what a store returns mostly is."""
        if self._rises:
            return self.columns
        made = tuple(array("d") for _ in self.columns)
        order = yield from in_order(range(len(self)), self.columns[0].__getitem__)
        for some in slices(order):
            for column, into in zip(self.columns, made, strict=True):
                into.extend(map(column.__getitem__, some))
            yield
        return made


def in_order(items: Sequence[T], key: Callable[[T], float]) -> Steps[list[T]]:
    """Sort. What a store returns is in order already, or nearly: then that is all there is to see."""
    runs: list[list[T]] = []
    for some in slices(items):
        some.sort(key=key)
        if runs and key(runs[-1][-1]) <= key(some[0]):
            runs[-1] += some
        else:
            runs.append(some)
        yield
    if len(runs) < 2:
        return runs[0] if runs else []
    ordered: list[T] = []
    for some in slices(merge(*runs, key=key)):
        ordered += some
        yield
    return ordered
