"""Work beside the main thread: what interrupts the main thread ends the work, and is passed on."""

import asyncio
import contextvars
import signal
import threading
import time

import pytest

from dataflow_async import defaults
from dataflow_async.airflow.worker_thread import WorkerThread

WHERE = contextvars.ContextVar("WHERE")


def run(work):
    """What a hook does: run the work in an event loop of its own, with a client."""
    return asyncio.run(work("a client"))


class Interrupted(BaseException):
    """What Airflow's time-out raises in the main thread: no `Exception`."""


@pytest.fixture
def alarm():
    """Lets a signal come; it raises in the main thread, or does what the test says."""
    before = signal.getsignal(signal.SIGUSR1)

    def set_handler(action):
        signal.signal(signal.SIGUSR1, lambda *_: action())
        return lambda: signal.pthread_kill(threading.main_thread().ident, signal.SIGUSR1)

    yield set_handler
    signal.signal(signal.SIGUSR1, before)


def interrupt():
    raise Interrupted


def test_work_returns_its_result_in_the_context_of_the_caller():
    WHERE.set("the task")

    async def work(flow):
        return flow, WHERE.get(), threading.current_thread() is threading.main_thread()

    assert WorkerThread(run, work).result() == ("a client", "the task", False)


@pytest.mark.parametrize("problem", [ValueError("x"), Interrupted(), asyncio.CancelledError()])
def test_what_work_raises_is_raised(problem):
    async def work(_):
        raise problem

    with pytest.raises((type(problem), asyncio.CancelledError)):
        WorkerThread(run, work).result()


def test_what_interrupts_the_main_thread_cancels_the_work_and_is_passed_on(alarm):
    send, ended = alarm(interrupt), []

    async def work(_):
        send()
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("recorded")

    with pytest.raises(Interrupted):
        WorkerThread(run, work).result()
    assert ended == ["recorded"]


def test_a_signal_that_does_not_wake_the_main_thread_is_seen_soon(alarm, monkeypatch):
    """As where it comes just before that begins to wait; here it is delivered to the other thread."""
    monkeypatch.setattr(defaults, "SIGNAL_CHECK", 0.01)
    alarm(interrupt)

    async def work(_):
        signal.raise_signal(signal.SIGUSR1)
        await asyncio.Event().wait()

    with pytest.raises(Interrupted):
        WorkerThread(run, work).result()


def test_what_interrupts_the_main_thread_before_the_work_begins_keeps_it_from_beginning(alarm):
    send, begun = alarm(interrupt), []

    def late_run(work):
        send()
        while not thread.is_cancelled:
            time.sleep(0)
        return run(work)

    async def work(_):
        begun.append(1)

    thread = WorkerThread(late_run, work)
    with pytest.raises(Interrupted):
        thread.result()
    assert begun == []


def test_work_that_is_cancelled_may_complete_what_it_has_begun(alarm):
    send, ended = alarm(interrupt), []

    async def work(_):
        send()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await asyncio.sleep(0.01)
            ended.append("recorded")
            raise

    with pytest.raises(Interrupted):
        WorkerThread(run, work).result()
    assert ended == ["recorded"]


def test_a_signal_wakes_the_work_and_ends_nothing(alarm):
    async def work(_):
        send()
        await thread.interrupted.wait()
        return "woken"

    thread = WorkerThread(run, work)
    send = alarm(thread.interrupt)
    assert thread.result() == "woken"


def test_a_signal_that_comes_before_the_loop_runs_is_not_lost():
    async def work(_):
        await thread.interrupted.wait()
        return "woken"

    thread = WorkerThread(run, work)
    thread.interrupt()
    assert thread.result() == "woken"


def test_a_signal_after_the_end_does_nothing():
    async def work(_):
        return 1

    thread = WorkerThread(run, work)
    assert thread.result() == 1
    thread.interrupt()
