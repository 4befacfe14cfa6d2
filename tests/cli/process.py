"""The command as a process of its own, on a pipe or on a terminal, read until it has said what is waited for."""

import codecs
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

from tests.cli.warm import Warm

ROOT = Path(__file__).parents[2]
PATIENCE = 60.0
"""Seconds until a process counts as hanging, on a busy machine as well."""
COMMAND = (sys.executable, "-m", "dataflow_async.cli")
REAL = (
    "--yes-launch-on-a-real-account",
    "--nrn",
    "nrn:1",
    "--script-path",
    "a/b.py",
    "--log-path",
    "a/logs/",
)
NOISE = re.compile(
    r"Traceback|Warning|never retrieved|was destroyed|Exception ignored|unclosed|cancelled in flight"
)


def environment(**more):
    """That of a person without an account, on a terminal of 80 columns."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("NCLOUD_", "COV_")) and "COLOR" not in name
    }
    warnings = "default::ResourceWarning,default::RuntimeWarning"
    return {
        **kept,
        "HOME": "/nonexistent",
        "TERM": "xterm",
        "COLUMNS": "80",
        "LINES": "24",
        "PYTHONWARNINGS": warnings,
        **more,
    }


class Process:
    """One run of the command and what it has printed so far, standard error included."""

    def __init__(self, popen, reader):
        self.popen = popen
        self.text = ""
        self._reader = reader
        self._decoder = codecs.getincrementaldecoder("utf-8")()

    def until(self, pattern):
        """Read on until the pattern is there; give its match."""
        deadline = time.monotonic() + PATIENCE
        while not (match := re.search(pattern, self.text)):
            assert self._read(deadline), f"ended before {pattern!r}: {self.text}"
        return match

    def interrupt(self, signum=signal.SIGINT):
        self.popen.send_signal(signum)

    def handles(self, signum):
        """Whether the process has a handler for a signal."""
        status = Path(f"/proc/{self.popen.pid}/status").read_text()
        return bool(int(re.search(r"SigCgt:\s*(\w+)", status)[1], 16) & 1 << signum - 1)

    def end(self):
        """Read to the end; give the exit code."""
        deadline = time.monotonic() + PATIENCE
        while self._read(deadline):
            pass
        return self.popen.wait(PATIENCE)

    def _read(self, deadline):
        ready, _, _ = select.select([self._reader], [], [], max(0.0, deadline - time.monotonic()))
        assert ready, f"too slow: {self.text}"
        try:
            chunk = os.read(self._reader, 65536)
        except OSError:  # how a terminal says that nobody is at its other end
            chunk = b""
        self.text += self._decoder.decode(chunk)
        return bool(chunk)


def cold(arguments, **options):
    """Start the command as a shell does, where it matters how its modules load; a second of computing."""
    return subprocess.Popen([*COMMAND, *arguments], cwd=ROOT, **options)


@contextmanager
def started(*arguments, terminal=False, stdin=subprocess.DEVNULL, start=Warm, **env):
    """Start the command; at the end it is gone, whatever happened."""
    reader, writer = pty.openpty() if terminal else os.pipe()
    try:
        popen = start(
            arguments,
            env=environment(**env),
            stdin=writer if terminal else stdin,
            stdout=writer,
            stderr=writer,
        )
    finally:
        os.close(writer)
    try:
        yield Process(popen, reader)
    finally:
        popen.kill()
        popen.wait()
        if popen.stdin:
            popen.stdin.close()
        os.close(reader)


def ran(*arguments, stdout=None, **env):
    """Run the command to its end, its output in pipes or into an open file."""
    out, written = os.pipe()
    errors, complained = os.pipe()
    try:
        process = Warm(
            arguments,
            env=environment(**env),
            stdin=subprocess.DEVNULL,
            stdout=written if stdout is None else stdout,
            stderr=complained,
        )
    finally:
        os.close(written)
        os.close(complained)
    with os.fdopen(out, "rb") as output, os.fdopen(errors, "rb") as error:
        told = output.read(), error.read()
    return subprocess.CompletedProcess(arguments, process.wait(PATIENCE), *told)
