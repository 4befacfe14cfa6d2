"""A signal is a cancellation; in a process of its own, which it may end."""

import subprocess
import sys

import pytest

from dataflow_async.cli import signals
from tests.cli.process import PATIENCE, ROOT, environment

STORY = """
import asyncio, os, signal
from dataflow_async.cli import signals

def press():
    os.kill(os.getpid(), signal.{signum})

async def work():
    try:
        {work}
    finally:
        print("tidied", flush=True)

try:
    print(signals.run(work()))
except signals.Stopped as stopped:
    press()
    print("stopped", stopped, stopped.exit_code)
"""


def printed_by(work, signum="SIGINT"):
    code = STORY.format(work=work, signum=signum)
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.split("\n")[:-1]


@pytest.mark.parametrize(("signum", "exit_code"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_work_is_cancelled_and_a_further_signal_is_ignored_on_the_way_out(signum, exit_code):
    assert printed_by("press(); await asyncio.Event().wait()", signum) == [
        "tidied",
        f"stopped {signum} {exit_code}",
    ]


def test_work_that_ends_all_the_same_gives_its_result():
    assert printed_by("press(); return 42") == ["tidied", "42"]


def test_without_a_signal_nothing_changes():
    assert printed_by("return 42") == ["tidied", "42"]


def test_uvloop_is_used_where_it_is_installed():
    uvloop = pytest.importorskip("uvloop")
    assert (
        printed_by("return type(asyncio.get_running_loop()).__module__") == [uvloop.__name__, "tidied"][::-1]
    )


def test_what_does_not_close_is_left_with_the_last_words():
    code = """
import asyncio, os, signal
from dataflow_async.cli import signals

async def work():
    try:
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.Event().wait()
    finally:
        await asyncio.Event().wait()

signals.run(work(), lambda: "last words")
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    assert (done.returncode, done.stderr) == (130, "\nlast words\n")
    assert signals.GRACE < 1
