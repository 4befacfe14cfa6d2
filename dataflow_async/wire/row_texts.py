"""Finds the texts of single rows in the body of a page, without parsing the others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol


class Identified(Protocol):
    """A row that was read from the body."""

    @property
    def job_execution_id(self) -> str | None:
        """Its id."""


class RowTexts:
    """The texts of the rows of a page.

    Rows mostly begin with their id, so a text ends where the next row begins. That is a guess: a caller compares what the text
    holds with what was read of the row, and otherwise takes the text of `split`, which parses the body.

    Args:
        body: The page.
        rows: Its rows, in their order.
        split: Returns the texts of all rows of a body, as views of it.
    """

    __slots__ = ("_body", "_reached", "_rows", "_split", "_texts")

    def __init__(
        self, body: bytes, rows: Sequence[Identified], split: Callable[[bytes], Sequence[Any]]
    ) -> None:
        self._body = body
        self._rows = rows
        self._split = split
        self._reached = 0
        self._texts: Sequence[Any] | None = None

    def guess(self, index: int) -> bytes | None:
        """Return the text between the beginnings of a row and of the next one; None if it is not found.

        Rows must be asked for in their order.
        """
        if self._texts is not None or index + 1 >= len(self._rows):
            return None
        begin = self._begin(index, self._reached)
        end = self._begin(index + 1, begin) if begin >= 0 else -1
        if end < 0:
            return None
        self._reached = end
        return self._body[begin:end].rstrip(b", \t\r\n")

    def split(self, index: int) -> bytes:
        """Return the text of a row, by parsing the body."""
        if self._texts is None:
            self._texts = self._split(self._body)
        return bytes(self._texts[index])

    def _begin(self, index: int, start: int) -> int:
        execution_id = self._rows[index].job_execution_id
        return (
            -1
            if execution_id is None
            else self._body.find(b'{"jobExecutionId":"%b"' % execution_id.encode(), start)
        )
