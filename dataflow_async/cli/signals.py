"""Ctrl-C and SIGTERM as a cancellation, so that everything closes in its own order, and ends in time all the same."""

import asyncio
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Coroutine
from types import FrameType
from typing import Any, TypeVar

from dataflow_async.cli.text import for_person

T = TypeVar("T")
_SIGNALS = (signal.SIGINT, signal.SIGTERM)
GRACE = 0.7
"""Seconds from the first signal until the process ends, however much is still closing: a person who presses Ctrl-C
waits a second at most, and journals are safe at any moment."""
_SHOW_CURSOR = "\x1b[?25h"
_log = logging.getLogger("dataflow_async")


class Stopped(Exception):
    """A signal ended the work.

    Attributes:
        exit_code: What a shell expects of a process that a signal has ended.
    """

    def __init__(self, signum: int) -> None:
        super().__init__(signal.Signals(signum).name)
        self.exit_code = 128 + signum


class _Stop:
    """Handles signals: the first one cancels the work, and it or a second one ends the process in time.

    What a person presses twice must end at once, whatever hangs; so the end does not depend on the event loop.
    """

    def __init__(self, last_words: Callable[[], str] | None, grace: float) -> None:
        self.caught: int | None = None
        self.task: asyncio.Task[Any] | None = None
        self._last_words = last_words
        self._timer = threading.Timer(grace, self._leave)
        self._timer.daemon = True

    def __call__(self, signum: int, _: FrameType | None) -> None:
        is_first, self.caught = self.caught is None, self.caught or signum
        if self._last_words and not is_first:
            self._leave()
        if self._last_words and is_first:
            self._timer.start()
        _log.setLevel(logging.CRITICAL + 1)
        if self.task and not self.task.done():
            self.task.get_loop().call_soon_threadsafe(self.task.cancel)

    async def cancellable(self, work: Coroutine[Any, Any, T]) -> T:
        """Run the work where a signal can cancel it."""
        self.task = asyncio.current_task()
        assert self.task is not None  # noqa: S101  # a coroutine runs in a task
        if self.caught is not None:
            self.task.cancel()
        return await work

    def close(self) -> None:
        """Everything is closed: nothing has to end the process any more."""
        self._timer.cancel()

    def _leave(self) -> None:
        text = for_person(self._last_words() if self._last_words else "")
        cursor = _SHOW_CURSOR if sys.stderr and sys.stderr.isatty() else ""
        os.write(2, f"{cursor}\n{text}\n".encode(errors="backslashreplace"))
        os._exit(128 + (self.caught or signal.SIGINT))


def run(
    work: Coroutine[Any, Any, T], last_words: Callable[[], str] | None = None, *, grace: float = GRACE
) -> T:
    """Run a coroutine to its end; a signal cancels it, and ends the process if it does not close in time.

    The library's log falls silent from the first signal on: its words on each call that is cut off would bury the one
    line that sums them up.

    Args:
        work: The coroutine.
        last_words: The line to print where the process ends before everything is closed; called at that moment.
            Without it the process waits until everything is closed.
        grace: Seconds from the first signal until then. A second signal does not wait for it.

    Raises:
        Stopped: A signal came, and everything is closed.
    """
    stop = _Stop(last_words, grace)
    level = _log.level
    before = {signum: signal.signal(signum, stop) for signum in _SIGNALS}
    try:
        with asyncio.Runner(loop_factory=_new_loop()) as runner:
            return runner.run(stop.cancellable(work))
    except asyncio.CancelledError:
        if stop.caught is not None:
            raise Stopped(stop.caught) from None
        raise
    finally:
        stop.close()
        for signum, handler in before.items():
            # Once stopped, the process is on its way out: an impatient further Ctrl-C must not cut its last words.
            signal.signal(signum, signal.SIG_IGN if stop.caught else handler)
        _log.setLevel(level)


def _new_loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return uvloop's loops where it is installed."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop
