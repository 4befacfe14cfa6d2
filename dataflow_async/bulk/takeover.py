"""Lets a bulk run take up a journal that an earlier run of this process has left open.

A caller who stopped iterating, by ``break`` or by an exception, may keep the run alive for ever: in a variable, or in a
traceback. Its journal would stay held, and the same program could not go on with it.
"""

from __future__ import annotations

import asyncio
import os
import weakref
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol, Self

from dataflow_async.errors import DataFlowError, InvalidRequest


class Holder(Protocol):
    """A bulk run that has a journal."""

    loop: asyncio.AbstractEventLoop
    abandoned: bool

    @property
    def is_over(self) -> bool:
        """Whether nothing is in flight any more."""

    def yields_to(self, successor: Self) -> bool:
        """Return whether nobody waits for its outcomes any more."""

    def end_with(self, error: DataFlowError) -> None:
        """Submit nothing more, and raise this to whoever still iterates."""

    async def aclose(self) -> None:
        """Wait for launches in flight, and release the journal."""


_HOLDERS: weakref.WeakValueDictionary[Path, Any] = weakref.WeakValueDictionary()
"""The run of this process that has taken up a journal last, by the resolved path of the journal."""


async def take_over(journal: str | os.PathLike[str], successor: Holder) -> None:
    """Register the run that has a journal from now on; first close an earlier run of this event loop that its consumer has left.

    Raises:
        InvalidRequest: Field ``"journal"``: somebody may still iterate over the earlier run.
    """
    from dataflow_async.bulk.journal.refusals import resolved

    path = resolved(journal)
    older: Holder | None = _HOLDERS.get(path)
    _HOLDERS[path] = successor
    if older is None or older.loop is not successor.loop:
        return
    if not older.is_over and not older.yields_to(successor):
        _HOLDERS[path] = older
        raise InvalidRequest(
            "journal: another bulk run of this process has it, and somebody may still iterate over that run: close it"
            " with aclose() or async with, or take it up again in the task that has left it",
            field="journal",
        )
    if not older.abandoned and not older.is_over:
        older.end_with(InvalidRequest("journal: another bulk run has taken it up", field="journal"))
    with suppress(Exception):  # raised to whoever still iterates over that one
        await older.aclose()
