"""Faults in lists: rows that are late, missing, stale, in no order, or on two pages at once (contract/notes.md#ruling-71, contract/notes.md#ruling-72, contract/notes.md#ruling-88, contract/notes.md#ruling-89)."""

from random import Random
from typing import Any
from zlib import crc32

import attrs

from dataflow_async.emulator.api.endpoints import ENDPOINTS
from dataflow_async.emulator.faults.base import ListModel, Lists, choice, number, text, whole

LISTS = frozenset(it.name for it in ENDPOINTS if "page" in it.query)
GETS = frozenset(it.name for it in ENDPOINTS if it.method == "GET" and it.path.endswith("}"))


@attrs.frozen
class Late(Lists):
    """What is younger than so many seconds is neither listed nor found.

    See contract/notes.md#ruling-77 and contract/notes.md#ruling-88.
    """

    name = "late"
    concerns = LISTS | GETS
    seconds: float = number(5.0)

    def change(self, model: ListModel, chance: Random) -> None:  # noqa: ARG002
        """Hide the young."""
        model.rows = [row for row in model.rows if model.ages(row) >= self.seconds]


@attrs.frozen
class Order(Lists):
    """Lists are in random, oldest or newest order; newest first without it.

    See contract/notes.md#ruling-72.
    """

    name = "list-order"
    concerns = LISTS
    order: str = choice("random", "oldest", "newest")

    def change(self, model: ListModel, chance: Random) -> None:
        """Sort, or shuffle."""
        if self.order == "oldest":
            model.rows.reverse()
        elif self.order == "random":
            chance.shuffle(model.rows)


@attrs.frozen
class Shift(Lists):
    """Pages after the first begin so many rows early, or late if below 0.

    See contract/notes.md#ruling-72.
    """

    name = "shift"
    concerns = LISTS
    rows: int = whole(1, -1_000_000, 1_000_000)

    def change(self, model: ListModel, chance: Random) -> None:  # noqa: ARG002
        """Move the window."""
        if model.first:
            model.first = max(0, model.first - self.rows)


@attrs.frozen
class Cap(Lists):
    """Pages hold at most so many rows, whatever limit they echo."""

    name = "page-cap"
    concerns = LISTS
    rows: int = whole(10, 1)

    def change(self, model: ListModel, chance: Random) -> None:  # noqa: ARG002
        """Make pages smaller, and so the way to the n-th shorter."""
        if model.size > self.rows:
            model.first = model.first // model.size * self.rows
            model.size = self.rows


@attrs.frozen
class Window(Lists):
    """Lists hold the newest rows only, as under a retention or a cap.

    See contract/notes.md#ruling-89.
    """

    name = "list-window"
    concerns = LISTS
    rows: int = whole(100, 0)

    def change(self, model: ListModel, chance: Random) -> None:  # noqa: ARG002
        """Drop the older rows."""
        model.rows = model.rows[: self.rows]


@attrs.frozen
class Gap(Lists):
    """One row in so many is never listed, always the same ones.

    See contract/notes.md#ruling-89.
    """

    name = "list-gap"
    concerns = LISTS
    every: int = whole(10, 1)

    def change(self, model: ListModel, chance: Random) -> None:  # noqa: ARG002
        """Drop rows by a digest of what they hold for good."""
        model.rows = [row for row in model.rows if _digest(row) % self.every]


def _digest(row: dict[str, Any]) -> int:
    names = ("jobExecutionId", "workflowId", "triggerId", "jobId")
    return crc32(next(str(row[name]) for name in names if name in row).encode())


@attrs.frozen
class Stale(Lists):
    """Rows keep showing one status, whatever a read of the thing itself says."""

    name = "list-stale"
    concerns = LISTS
    status: str = text("RUNNING")

    def change(self, model: ListModel, chance: Random) -> None:  # noqa: ARG002
        """Change the status of every row that has one, and what only an ended run has."""
        model.rows = [
            {name: value for name, value in row.items() if name != "endDate"} | {"status": self.status}
            if "status" in row
            else row
            for row in model.rows
        ]


@attrs.frozen
class Count(Lists):
    """The count is that of the whole list, or of the page as without it.

    See contract/notes.md#ruling-71.
    """

    name = "list-count"
    concerns = LISTS
    of: str = choice("total", "page")

    def change(self, model: ListModel, chance: Random) -> None:  # noqa: ARG002
        """Choose what is counted."""
        model.counts_all = self.of == "total"
