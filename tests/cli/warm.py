"""Processes of the command that start within milliseconds: forked from one that has loaded its modules and waits.

To load them is most of what a short command costs. What a process is stays as it is: its signals, its streams, its end.
"""

import atexit
import contextlib
import functools
import gc
import importlib
import json
import os
import pkgutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
LARGEST = 1 << 18
"""Bytes of a request: the words of a command and its environment."""


class Warm:
    """A forked process, with what the tests use of `subprocess.Popen`."""

    def __init__(self, words, *, env, stdin, stdout, stderr):
        self.stdin = None
        self.returncode = None
        source = os.open(os.devnull, os.O_RDONLY) if stdin == subprocess.DEVNULL else stdin
        if stdin == subprocess.PIPE:
            source, writer = os.pipe()
            self.stdin = os.fdopen(writer, "wb")
        self._keeper, theirs = socket.socketpair()
        with theirs:
            request = json.dumps([words, env]).encode()
            socket.send_fds(loaded(), [request], [theirs.fileno(), source, stdout, stderr])
        if source != stdin:
            os.close(source)
        self._told = self._keeper.makefile()
        self.pid = int(self._told.readline())

    def wait(self, timeout=None):
        if self.returncode is None:
            self._keeper.settimeout(timeout)
            self.returncode = int(self._told.readline())
            self._told.close()
            self._keeper.close()
        return self.returncode

    def send_signal(self, signum):
        if self.returncode is None:
            with contextlib.suppress(ProcessLookupError):  # it has ended
                os.kill(self.pid, signum)

    def kill(self):
        self.send_signal(signal.SIGKILL)


@functools.cache
def loaded():
    """Start the process that forks the others; it ends when the connection to it, and so this process, does."""
    from tests.cli.process import environment

    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        subprocess.Popen(
            [sys.executable, "-m", "tests.cli.warm", str(theirs.fileno())],
            cwd=ROOT,
            env=environment(),
            stdin=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
        ).returncode = 0  # nobody waits for it
    atexit.register(ours.close)
    return ours


# --- in the process that forks -----------------------------------------------------------------------------


def load():
    """Import whatever any command imports."""
    from dataflow_async import cli, emulator

    for package in (cli, emulator):
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not found.name.endswith("__main__"):
                importlib.import_module(found.name)
    gc.collect()
    gc.freeze()


def forked(connection):
    """Fork a process for each request; return in it, with its words, environment and streams."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # keepers are not waited for
    while True:
        request, numbers, _, _ = socket.recv_fds(connection, LARGEST, 4)
        if not request:
            signal.raise_signal(signal.SIGKILL)
        answer, *streams = numbers
        if os.fork() == 0:
            connection.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            keep(answer, streams)
            return json.loads(request), streams
        for number in numbers:
            os.close(number)


def keep(answer, streams):
    """Fork the process itself, in which this returns; tell its number, and how it has ended."""
    if (child := os.fork()) == 0:
        os.close(answer)
        return
    for number in (0, 1, 2, *streams):
        os.close(number)
    os.write(answer, b"%d\n" % child)
    _, status = os.waitpid(child, 0)
    os.write(answer, b"%d\n" % os.waitstatus_to_exitcode(status))
    signal.raise_signal(signal.SIGKILL)


def run(words, env, streams):
    """Do what the command does in a process of its own."""
    from dataflow_async.cli import main

    os.environ.clear()
    os.environ.update(env)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    sys.stdin = os.fdopen(0, encoding="utf-8", closefd=False)
    sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)
    sys.argv = ["dataflow-async", *words]
    main()


if __name__ == "__main__":
    load()
    (words, env), streams = forked(socket.socket(fileno=int(sys.argv[1])))
    run(words, env, streams)
