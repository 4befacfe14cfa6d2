"""Processes of a deployment: each in a session of its own, with a log, and with an end whatever becomes of the tests."""

import contextlib
import os
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import psutil
from attrs import define, field

T = TypeVar("T")
LONGEST = 7200
"""Seconds after which `timeout` kills a process that nobody has stopped."""
LONGEST_PAUSE = 3.0
"""Seconds between two looks at what takes long."""
GRACE = 10
"""Seconds between asking a process to stop and killing it: Airflow's triggerer does all it has to, and hangs at its very end."""


@define(eq=False)
class Process:
    """One command, under `timeout`, and everything that it starts."""

    name: str
    command: Sequence[str]
    environ: Mapping[str, str]
    log: Path
    user: str | None = None
    _popen: subprocess.Popen[bytes] | None = field(default=None, init=False)

    def start(self) -> None:
        """Start it, or start it again after its end; its log goes on."""
        with self.log.open("ab") as log:
            self._popen = subprocess.Popen(
                ["timeout", "--kill-after=5", str(LONGEST), *self.command],
                env=self.environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                cwd=self.log.parent,
                user=self.user,
                group=self.user,
            )

    @property
    def alive(self) -> bool:
        """Whether it was started and has not ended."""
        return self._popen is not None and self._popen.poll() is None

    @property
    def tree(self) -> list[psutil.Process]:
        """The command itself, and all that it has started, the oldest first."""
        if not self.alive:
            return []
        return psutil.Process(self._popen.pid).children(recursive=True)

    @property
    def memory(self) -> int:
        """Bytes that it and its children hold, each page that several share counted in parts."""
        return sum(it.memory_full_info().pss for it in self.tree if it.is_running())

    def kill(self) -> None:
        """Kill the command alone, as the kernel does when memory is out; its children live on as orphans."""
        self.tree[0].kill()
        self._popen.wait()

    def kill_all(self) -> None:
        """Kill the command and its children at once, as the end of a machine does."""
        for it in [*self.tree, *self._session()]:
            _quietly(it.kill)
        if self._popen is not None:
            self._popen.kill()
            self._popen.wait()

    def freeze(self) -> None:
        """Stop it as it is, as an overloaded machine does; `thaw` continues it."""
        for it in self.tree:
            it.suspend()

    def thaw(self) -> None:
        """Continue it after `freeze`, as if no time had passed."""
        for it in self.tree:
            it.resume()

    def stop(self) -> None:
        """Ask it to stop, as a rolling restart does; kill what is left after some seconds."""
        if self.alive:
            _quietly(self.tree[0].terminate)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._popen.wait(GRACE)
        self.kill_all()

    def _session(self) -> list[psutil.Process]:
        """Orphans of the command: they are still of its session."""
        if self._popen is None:
            return []
        return [it for it in psutil.process_iter() if _session_of(it.pid) == self._popen.pid]


def _session_of(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return None


def _quietly(call: Callable[[], object]) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        call()


def run(
    command: Sequence[str],
    environ: Mapping[str, str],
    *,
    user: str | None = None,
    seconds: float = 120,
    given: str = "",
) -> str:
    """Run a command to its end and return what it prints; its error shows what it printed."""
    done = subprocess.run(
        command,
        env=environ,
        input=given,
        check=False,
        capture_output=True,
        text=True,
        timeout=seconds,
        user=user,
        group=user,
        cwd="/",
    )
    if done.returncode:
        raise RuntimeError(
            f"{command} ended with {done.returncode}: {done.stdout[-2000:]}{done.stderr[-4000:]}"
        )
    return done.stdout


def until(holds: Callable[[], T], what: str, seconds: float) -> T:
    """Wait until something holds, and return it; fail with its name after some seconds.

    The longer it takes, the less often is looked: looks at thousands of tasks take the processor that these need.
    """
    began = time.monotonic()
    while not (found := holds()):
        waited = time.monotonic() - began
        if waited > seconds:
            raise TimeoutError(f"{what}: not within {seconds:g} s")
        time.sleep(min(0.1 + waited / 20, LONGEST_PAUSE))
    return found
