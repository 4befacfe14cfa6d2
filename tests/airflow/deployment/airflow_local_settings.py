"""Airflow's settings as code, which each of its processes imports: copied into the deployment's folder."""

import asyncio
import gc
import sys
import threading
import time
import traceback
from importlib import import_module
from pathlib import Path
from typing import Any

STEP = 0.1
"""Seconds that the watch sleeps."""
NOTED = 0.02
"""Seconds from which on a block is logged."""
DEEP = 12
"""Frames that are logged with it."""


def load_operators() -> None:
    """Import what the workers, which are forked from this process, would each import by themselves."""
    import_module("dataflow_async.transport.aiohttp_session")
    operators = import_module("dataflow_async.airflow")
    for name in operators.__all__:
        getattr(operators, name)


def waited_for_processor() -> float:
    """Return the seconds for which this thread was ready to run, and others ran."""
    return int(Path("/proc/thread-self/schedstat").read_text("ascii").split()[1]) / 1e9


class Collections:
    """How long garbage was searched for: in all objects of the process, of which nearly all are Airflow's."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._began = 0.0
        gc.callbacks.append(self._changed)

    def _changed(self, phase: str, _info: object) -> None:
        if phase == "start":
            self._began = time.monotonic()
        else:
            self.seconds += time.monotonic() - self._began


async def watch_loop(runner: Any) -> None:
    """Log for how long the event loop of a triggerer was blocked, and where.

    Not counted is the time in which the machine did other work, or garbage was searched for.
    """
    where, collections = Whereabouts(threading.get_ident()), Collections()
    threading.Thread(target=where.watch, daemon=True).start()
    while not runner.stop:
        where.began, waited, collected = time.monotonic(), waited_for_processor(), collections.seconds
        await asyncio.sleep(STEP)
        blocked = time.monotonic() - where.began - STEP - (waited_for_processor() - waited)
        blocked -= collections.seconds - collected
        if blocked > NOTED:
            await runner.log.awarning(
                "the event loop was blocked for %.3f seconds, at %s", blocked, where.taken()
            )


class Whereabouts:
    """Where the thread of an event loop is while the loop is late: looked at from another thread."""

    def __init__(self, thread: int) -> None:
        self.thread = thread
        self.began = time.monotonic()
        self.seen = ""

    def watch(self) -> None:
        """Look while the loop is late."""
        while True:
            time.sleep(NOTED)
            if time.monotonic() - self.began > STEP + 2 * NOTED:
                frames = traceback.extract_stack(sys._current_frames()[self.thread])[-DEEP:]
                self.seen = " < ".join(f"{_short(it.filename)}:{it.lineno}" for it in reversed(frames))

    def taken(self) -> str:
        """Return what was seen since the last time."""
        seen, self.seen = self.seen, ""
        return seen or "an unseen place"


def _short(path: str) -> str:
    """Return the end of a path: its package, as far as that is short."""
    return "/".join(Path(path).parts[-3:])


if "scheduler" in sys.argv:
    load_operators()
if "triggerer" in sys.argv:
    from airflow.jobs.triggerer_job_runner import TriggerRunner

    TriggerRunner.block_watchdog = watch_loop
