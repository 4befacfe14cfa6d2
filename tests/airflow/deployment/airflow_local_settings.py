"""Airflow's settings as code, which each of its processes imports: copied into the deployment's folder."""

import asyncio
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


async def watch_loop(runner: Any) -> None:
    """Log for how long the event loop of a triggerer was blocked, without the time in which the machine did other work."""
    where = Whereabouts(threading.get_ident())
    threading.Thread(target=where.watch, daemon=True).start()
    while not runner.stop:
        where.began, waited = time.monotonic(), waited_for_processor()
        await asyncio.sleep(STEP)
        blocked = time.monotonic() - where.began - STEP - (waited_for_processor() - waited)
        if blocked > NOTED:
            await runner.log.awarning("the event loop was blocked for %.3f seconds, at %s", blocked, where.taken())


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
                self.seen = " < ".join(f"{Path(it.filename).name}:{it.lineno}" for it in reversed(frames))

    def taken(self) -> str:
        """Return what was seen since the last time."""
        seen, self.seen = self.seen, ""
        return seen or "an unseen place"


if "scheduler" in sys.argv:
    load_operators()
if "triggerer" in sys.argv:
    from airflow.jobs.triggerer_job_runner import TriggerRunner

    TriggerRunner.block_watchdog = watch_loop
