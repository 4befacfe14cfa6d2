"""One client for each event loop and connection, for as long as somebody uses it."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable
from contextlib import asynccontextmanager

from attrs import define

from dataflow_async.client import DataFlow
from dataflow_async.tasks import start_detached

log = logging.getLogger("dataflow_async")


@define(eq=False)
class _Shared:
    opening: asyncio.Task[DataFlow]
    users: int = 0


class Clients:
    """Clients that are shared: the waits of one client share its poll loop, its limit and its connections.

    Always true: a client has as many users as blocks of `use` that were entered and not left, whether it was opened by then
    or not. The last of them closes it, and an opening that nobody waits for any more is cancelled. A user who was
    cancelled closes it all the same, in a task that its cancellation does not reach; whoever comes meanwhile opens
    another one. Opening and closing run in an empty context: what the client's tasks log belongs to no single user. Where a
    connection has changed, later users get another client, and those of before keep theirs.

    Args:
        make: Returns a client for a connection; may wait for its settings.
        settings: Returns what a connection says now; it never changes unless given.
    """

    def __init__(
        self,
        make: Callable[[str | None], Awaitable[DataFlow]],
        settings: Callable[[str | None], Awaitable[Hashable]] | None = None,
    ) -> None:
        self._make = make
        self._settings = settings
        self.forget()

    def forget(self) -> None:
        """Begin anew, as in a process that was forked: what is open belongs to its parent."""
        self._shared: dict[tuple[asyncio.AbstractEventLoop, str | None, Hashable], _Shared] = {}
        self._closing: set[asyncio.Task[None]] = set()

    @property
    def users(self) -> dict[str | None, int]:
        """Return how many users the client of each connection has in the running event loop."""
        here, found = asyncio.get_running_loop(), Counter[str | None]()
        for (loop, conn_id, _), shared in self._shared.items():
            if loop is here:
                found[conn_id] += shared.users
        return dict(found)

    @asynccontextmanager
    async def use(self, conn_id: str | None) -> AsyncIterator[DataFlow]:
        """Lend the client of a connection for the length of a block.

        Args:
            conn_id: The connection; None for the keys of the environment, a profile file or a server role.

        Raises:
            CredentialsError: The connection can't be looked up, or is malformed.
            InvalidRequest: Its address is no address.
        """
        now = None if self._settings is None else await self._settings(conn_id)
        key = asyncio.get_running_loop(), conn_id, now
        shared = self._shared.get(key)
        if shared is None or _has_failed(shared.opening):
            self._drop_closed_loops()
            shared = self._shared[key] = _Shared(start_detached(self._open, conn_id))
        shared.users += 1
        try:
            await asyncio.wait([shared.opening])
            yield shared.opening.result()
        finally:
            shared.users -= 1
            if not shared.users:
                if self._shared.get(key) is shared:
                    del self._shared[key]
                await self._close(shared.opening)

    async def _open(self, conn_id: str | None) -> DataFlow:
        return await self._make(conn_id)

    async def _close(self, opening: asyncio.Task[DataFlow]) -> None:
        if not opening.done():
            opening.cancel()
        elif not _has_failed(opening):
            closing = start_detached(opening.result().aclose)
            self._closing.add(closing)  # the event loop itself holds tasks weakly only
            closing.add_done_callback(self._closed)
            await asyncio.wait([closing])

    def _closed(self, closing: asyncio.Task[None]) -> None:
        self._closing.discard(closing)
        if not closing.cancelled() and (problem := closing.exception()) is not None:
            log.warning("a client could not be closed: %s", problem)

    def _drop_closed_loops(self) -> None:
        """Forget clients whose event loop was closed under them: nothing of them can be closed any more."""
        for key in list(self._shared):  # a copy: other threads have loops of their own
            if key[0].is_closed():
                del self._shared[key]


def _has_failed(opening: asyncio.Task[DataFlow]) -> bool:
    return opening.done() and (opening.cancelled() or opening.exception() is not None)
