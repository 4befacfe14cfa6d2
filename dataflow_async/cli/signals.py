"""Ctrl-C and SIGTERM as a cancellation, so that everything closes in its own order."""

import asyncio
import logging
import signal
from collections.abc import Coroutine
from types import FrameType
from typing import Any, TypeVar

T = TypeVar("T")
_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_log = logging.getLogger("dataflow_async")


class Stopped(Exception):
    """A signal ended the work.

    Attributes:
        exit_code: What a shell expects of a process that a signal has ended.
    """

    def __init__(self, signum: int) -> None:
        super().__init__(signal.Signals(signum).name)
        self.exit_code = 128 + signum


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end; a signal cancels it, a second one cancels its tidying up.

    The library's log falls silent from the first signal on: its words on each call that is cut off would bury the one
    line that sums them up.

    Raises:
        Stopped: A signal came, and everything is closed.
    """
    caught: list[int] = []
    running: list[asyncio.Task[Any]] = []

    def stop(signum: int, _: FrameType | None) -> None:
        caught.append(signum)
        _log.setLevel(logging.CRITICAL)
        for task in running:
            if not task.done():
                task.get_loop().call_soon_threadsafe(task.cancel)

    async def cancellable() -> T:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101  # a coroutine runs in a task
        running.append(task)
        if caught:
            task.cancel()
        return await work

    level = _log.level
    before = {signum: signal.signal(signum, stop) for signum in _SIGNALS}
    try:
        return asyncio.run(cancellable())
    except asyncio.CancelledError:
        if caught:
            raise Stopped(caught[0]) from None
        raise
    finally:
        for signum, handler in before.items():
            # Once stopped, the process is on its way out: an impatient further Ctrl-C must not cut its last words.
            signal.signal(signum, signal.SIG_IGN if caught else handler)
        _log.setLevel(level)
