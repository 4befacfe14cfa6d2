"""An event loop whose time passes at once, and a clock that reads it: a week of waiting takes milliseconds."""

import asyncio
import functools
import inspect
import selectors
from collections.abc import Callable, Coroutine
from typing import Any


class _Selector(selectors.DefaultSelector):
    """Nothing comes from outside, so wherever the loop would sleep, its time leaps."""

    leapt = 0.0

    def select(self, timeout=None):
        events = super().select(0)
        if not events:
            if timeout is None:
                raise AssertionError("everybody waits for something that nobody will bring")
            self.leapt += timeout
        return events


class WarpLoop(asyncio.SelectorEventLoop):
    """Sleeping takes no time; for code without a network."""

    def __init__(self) -> None:
        self._leaping = _Selector()
        super().__init__(self._leaping)

    def time(self) -> float:
        return self._leaping.leapt

    @property
    def timers(self) -> list[asyncio.TimerHandle]:
        """Timers that are armed."""
        return [timer for timer in self._scheduled if not timer.cancelled()]


class LoopClock:
    """The running loop's time, for a client or an emulator."""

    sleep = staticmethod(asyncio.sleep)

    def time(self) -> float:
        return 1_793_458_800.0 + self.monotonic()

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()


def warped(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run an async test in a `WarpLoop`; a test in which everybody waits for ever fails at once."""

    @functools.wraps(test)
    def run(*args, **kwargs):
        with asyncio.Runner(loop_factory=WarpLoop) as runner:
            runner.run(test(*args, **kwargs))

    run.__signature__ = inspect.signature(test)
    return run
