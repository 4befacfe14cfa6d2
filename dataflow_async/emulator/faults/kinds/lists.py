"""Faults in lists: rows that are late, missing, stale, in no order, or on two pages at once (rulings 71, 72, 88, 89)."""

from random import Random
from typing import Any
from zlib import crc32

import attrs

from dataflow_async.emulator.api.endpoints import OPERATIONS
from dataflow_async.emulator.faults.base import Listing, Lists, choice, number, text, whole

LISTS = frozenset(it.name for it in OPERATIONS if "page" in it.query)
GETS = frozenset(it.name for it in OPERATIONS if it.method == "GET" and it.path.endswith("}"))


@attrs.frozen
class Late(Lists):
    """What is younger than so many seconds is neither listed nor found.

    Rulings 77 and 88.
    """

    name = "late"
    concerns = LISTS | GETS
    seconds: float = number(5.0)

    def arrange(self, listing: Listing, chance: Random) -> None:  # noqa: ARG002
        """Hide the young."""
        listing.rows = [row for row in listing.rows if listing.ages(row) >= self.seconds]


@attrs.frozen
class Order(Lists):
    """Lists are in random, oldest or newest order; newest first without it.

    Ruling 72.
    """

    name = "list-order"
    concerns = LISTS
    order: str = choice("random", "oldest", "newest")

    def arrange(self, listing: Listing, chance: Random) -> None:
        """Sort, or shuffle."""
        if self.order == "oldest":
            listing.rows.reverse()
        elif self.order == "random":
            chance.shuffle(listing.rows)


@attrs.frozen
class Shift(Lists):
    """Pages after the first begin so many rows early, or late if below 0.

    Ruling 72.
    """

    name = "shift"
    concerns = LISTS
    rows: int = whole(1, -1_000_000, 1_000_000)

    def arrange(self, listing: Listing, chance: Random) -> None:  # noqa: ARG002
        """Move the window."""
        if listing.first:
            listing.first = max(0, listing.first - self.rows)


@attrs.frozen
class Cap(Lists):
    """Pages hold at most so many rows, whatever limit they echo."""

    name = "page-cap"
    concerns = LISTS
    rows: int = whole(10, 1)

    def arrange(self, listing: Listing, chance: Random) -> None:  # noqa: ARG002
        """Make pages smaller, and so the way to the n-th shorter."""
        if listing.size > self.rows:
            listing.first = listing.first // listing.size * self.rows
            listing.size = self.rows


@attrs.frozen
class Window(Lists):
    """Lists hold the newest rows only, as under a retention or a cap.

    Ruling 89.
    """

    name = "list-window"
    concerns = LISTS
    rows: int = whole(100, 0)

    def arrange(self, listing: Listing, chance: Random) -> None:  # noqa: ARG002
        """Drop the older rows."""
        listing.rows = listing.rows[: self.rows]


@attrs.frozen
class Gap(Lists):
    """One row in so many is never listed, always the same ones.

    Ruling 89.
    """

    name = "list-gap"
    concerns = LISTS
    every: int = whole(10, 1)

    def arrange(self, listing: Listing, chance: Random) -> None:  # noqa: ARG002
        """Drop rows by a digest of what they hold for good."""
        listing.rows = [row for row in listing.rows if _digest(row) % self.every]


def _digest(row: dict[str, Any]) -> int:
    names = ("jobExecutionId", "workflowId", "triggerId", "jobId")
    return crc32(next(str(row[name]) for name in names if name in row).encode())


@attrs.frozen
class Stale(Lists):
    """Rows keep showing one status, whatever a read of the thing itself says."""

    name = "list-stale"
    concerns = LISTS
    status: str = text("RUNNING")

    def arrange(self, listing: Listing, chance: Random) -> None:  # noqa: ARG002
        """Change the status of every row that has one, and what only an ended run has."""
        listing.rows = [
            {name: value for name, value in row.items() if name != "endDate"} | {"status": self.status}
            if "status" in row
            else row
            for row in listing.rows
        ]


@attrs.frozen
class Count(Lists):
    """The count is that of the whole list, or of the page as without it.

    Ruling 71.
    """

    name = "list-count"
    concerns = LISTS
    of: str = choice("total", "page")

    def arrange(self, listing: Listing, chance: Random) -> None:  # noqa: ARG002
        """Choose what is counted."""
        listing.counts_all = self.of == "total"
