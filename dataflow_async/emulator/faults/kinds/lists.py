"""Faults in lists: rows that are late, missing, stale, out of order, or on two pages at once."""

from collections.abc import Sequence
from random import Random
from typing import Any, TypeVar
from zlib import crc32

import attrs

from dataflow_async.emulator.api.endpoints import ENDPOINTS
from dataflow_async.emulator.faults.base import ListModel, Lists, choice, number, text, whole

T = TypeVar("T")
LISTS = frozenset(it.name for it in ENDPOINTS if "page" in it.query)
GETS = frozenset(it.name for it in ENDPOINTS if it.method == "GET" and it.path.endswith("}"))


@attrs.frozen
class Late(Lists):
    """Things younger than a number of seconds are neither listed nor found.

    See contract/notes.md#ruling-77 and contract/notes.md#ruling-88.
    """

    name = "late"
    concerns = LISTS | GETS
    seconds: float = number(5.0)

    def change(self, model: ListModel, chance: Random) -> None:  # noqa: ARG002 - the base passes chance
        """Remove the young rows."""
        model.rows = [row for row in model.rows if model.ages(row) >= self.seconds]


@attrs.frozen
class Order(Lists):
    """Lists are in random, oldest-first, newest-first or swapped order.

    Swapped is newest first, with each two neighbours after the first row in each other's place.

    See contract/notes.md#ruling-72.
    """

    name = "list-order"
    concerns = LISTS
    order: str = choice("random", "oldest", "newest", "swapped")

    def change(self, model: ListModel, chance: Random) -> None:
        """Sort or shuffle the rows."""
        if self.order == "oldest":
            model.rows.reverse()
        elif self.order == "random":
            chance.shuffle(model.rows)
        elif self.order == "swapped":
            model.rows = swapped(model.rows)


def swapped(rows: Sequence[T]) -> list[T]:
    """Return rows with each two neighbours after the first row in each other's place."""
    pairs = (rows[first : first + 2] for first in range(1, len(rows), 2))
    return [*rows[:1], *(row for pair in pairs for row in reversed(pair))]


@attrs.frozen
class Shift(Lists):
    """Pages after the first begin some rows early, or late if below 0.

    See contract/notes.md#ruling-72.
    """

    name = "shift"
    concerns = LISTS
    rows: int = whole(1, -1_000_000, 1_000_000)

    def change(self, model: ListModel, chance: Random) -> None:  # noqa: ARG002 - the base passes chance
        """Move the page."""
        if model.first:
            model.first = max(0, model.first - self.rows)


@attrs.frozen
class PageBase(Lists):
    """Pages are counted from 1; page 0 is that one too.

    See contract/notes.md#ruling-72.
    """

    name = "page-base"
    concerns = LISTS
    first: int = whole(1, 0, 1)

    def change(self, model: ListModel, chance: Random) -> None:  # noqa: ARG002 - the base passes chance
        """Move the page."""
        model.first = max(0, model.first - self.first * model.size)


@attrs.frozen
class Cap(Lists):
    """Pages hold at most this many rows, whatever limit they echo."""

    name = "page-cap"
    concerns = LISTS
    rows: int = whole(10, 1)

    def change(self, model: ListModel, chance: Random) -> None:  # noqa: ARG002 - the base passes chance
        """Make pages smaller, and move their beginnings with their size."""
        if model.size > self.rows:
            model.first = model.first // model.size * self.rows
            model.size = self.rows


@attrs.frozen
class Window(Lists):
    """Lists hold only the newest rows, as with a retention period.

    See contract/notes.md#ruling-89.
    """

    name = "list-window"
    concerns = LISTS
    rows: int = whole(100, 0)

    def change(self, model: ListModel, chance: Random) -> None:  # noqa: ARG002 - the base passes chance
        """Remove the older rows."""
        model.rows = model.rows[: self.rows]


@attrs.frozen
class Gap(Lists):
    """One row in this many is never listed, always the same ones.

    See contract/notes.md#ruling-89.
    """

    name = "list-gap"
    concerns = LISTS
    every: int = whole(10, 1)

    def change(self, model: ListModel, chance: Random) -> None:  # noqa: ARG002 - the base passes chance
        """Remove rows by a digest of their ids, which never change."""
        model.rows = [row for row in model.rows if _digest(row) % self.every]


def _digest(row: dict[str, Any]) -> int:
    names = ("jobExecutionId", "workflowId", "triggerId", "jobId")
    return crc32(next(str(row[name]) for name in names if name in row).encode())


@attrs.frozen
class Stale(Lists):
    """Rows show one status, whatever a read of the thing itself shows."""

    name = "list-stale"
    concerns = LISTS
    status: str = text("RUNNING")

    def change(self, model: ListModel, chance: Random) -> None:  # noqa: ARG002 - the base passes chance
        """Change the status of every row that has one, and remove the end of the run."""
        model.rows = [
            {name: value for name, value in row.items() if name != "endDate"} | {"status": self.status}
            if "status" in row
            else row
            for row in model.rows
        ]


@attrs.frozen
class Count(Lists):
    """The count is that of the whole list, of the page, or of nothing: -1.

    See contract/notes.md#ruling-71.
    """

    name = "list-count"
    concerns = LISTS
    of: str = choice("total", "page", "nothing")

    def change(self, model: ListModel, chance: Random) -> None:  # noqa: ARG002 - the base passes chance
        """Choose the count."""
        model.counted = self.of
