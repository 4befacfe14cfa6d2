"""Answers of the service that are kept for a moment, for all who need the same one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable
from typing import Any, TypeVar, cast
from weakref import WeakKeyDictionary

from dataflow_async import defaults
from dataflow_async.airflow.in_flight import InFlight
from dataflow_async.client import DataFlow

Result = TypeVar("Result")


class SharedReads:
    """Reads that are shared: while they are in flight, and for as long after them as whoever needs the result allows.

    Always true: a result is never older than its user allows, counted from before it was requested. A thousand sensors of a
    job that has not begun would read its list a thousand times a minute otherwise.
    """

    def __init__(self) -> None:
        self._kept: WeakKeyDictionary[DataFlow, dict[Hashable, tuple[float, Any]]] = WeakKeyDictionary()
        self._in_flight: InFlight[tuple[DataFlow, Hashable], Any] = InFlight()

    async def get(
        self,
        flow: DataFlow,
        key: Hashable,
        read: Callable[[], Awaitable[Result]],
        *,
        now: Callable[[], float],
        max_age: float,
    ) -> Result:
        """Return the result of ``read``, or one that is kept under its key.

        Args:
            flow: The client; its results are forgotten with it.
            key: Names what is read.
            read: Called if there is none, and nobody reads it already.
            now: Returns monotonic time.
            max_age: Seconds for which a result counts.

        Raises:
            DataFlowError: What ``read`` raises.
        """
        at, kept = self._kept.get(flow, {}).get(key, (float("-inf"), None))
        if now() - at <= max_age:
            return cast("Result", kept)

        async def fresh() -> Result:
            began = now()
            result = await read()
            self._keep(flow, key, began, result)
            return result

        return cast("Result", await self._in_flight.get((flow, key), fresh))

    def _keep(self, flow: DataFlow, key: Hashable, began: float, result: Any) -> None:
        kept = self._kept.setdefault(flow, {})
        for old in [each for each, (at, _) in kept.items() if began - at > defaults.SEARCH_INTERVAL]:
            del kept[old]
        kept[key] = began, result
