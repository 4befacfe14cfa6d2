"""Lines of triggers, which a thread writes: in order, in their contexts, a few at a time, and never in the event loop."""

import asyncio
import threading
from contextvars import ContextVar

import pytest

from dataflow_async import defaults
from dataflow_async.airflow.task_log import LogWriter, TaskLog

TASK = ContextVar("TASK", default="none")


class Log:
    """A logger that keeps lines with the context that they were written in, once it may write."""

    def __init__(self):
        self.lines = []
        self.is_open = threading.Event()
        self.is_open.set()

    def info(self, event, *args):
        self.is_open.wait()
        self.lines.append((TASK.get(), event % args))

    warning = info

    def error(self, event, *args, exc_info):
        self.lines.append((TASK.get(), f"{event % args}: {exc_info!r}"))


class Raises(Log):
    def info(self, event, *args):
        raise OSError("the socket is closed")


@pytest.fixture
def pauses():
    return []


@pytest.fixture
def writer(pauses):
    return LogWriter(pauses.append)


async def test_lines_are_written_in_order_and_in_the_context_of_their_task(writer):
    log = Log()
    for number in range(5):
        TASK.set(f"task {number}")
        TaskLog(log, writer).info("run %d", number)
        TaskLog(log, writer).warning("run %d is late", number)
    await writer.written(30)
    assert log.lines == [
        (f"task {number}", line.format(number))
        for number in range(5)
        for line in ("run {}", "run {} is late")
    ]


async def test_the_event_loop_goes_on_while_a_line_can_not_be_written(writer):
    log = Log()
    log.is_open.clear()
    for number in range(3 * defaults.LOG_BURST):
        TaskLog(log, writer).info("run %d", number)
    await asyncio.sleep(0)
    assert log.lines == []
    log.is_open.set()
    await writer.written(30)
    assert len(log.lines) == 3 * defaults.LOG_BURST


async def test_lines_of_others_fit_between_bursts(writer, pauses):
    log = Log()
    for number in range(2 * defaults.LOG_BURST):
        TaskLog(log, writer).info("run %d", number)
    await writer.written(30)
    assert pauses == [defaults.LOG_PAUSE] * 2


async def test_few_lines_are_written_without_a_pause(writer, pauses):
    TaskLog(Log(), writer).info("waiting")
    await writer.written(30)
    assert pauses == []


async def test_a_line_that_can_not_be_written_is_not_awaited_for_ever(writer):
    log = Log()
    log.is_open.clear()
    TaskLog(log, writer).info("waiting")
    await TaskLog(log, writer).written(0)
    assert log.lines == []
    log.is_open.set()


async def test_a_logger_that_fails_ends_no_other(writer):
    log = Log()
    TaskLog(Raises(), writer).info("waiting")
    TaskLog(log, writer).info("waiting")
    await writer.written(30)
    assert log.lines == [("none", "waiting")]


async def test_an_exception_is_written_with_its_traceback(writer):
    log = Log()
    try:
        raise ValueError("a bug")
    except ValueError:
        TaskLog(log, writer).exception("an unexpected error ended the wait of %s", "run 1")
    await writer.written(30)
    assert log.lines == [("none", "an unexpected error ended the wait of run 1: ValueError('a bug')")]


def test_what_is_awaited_after_a_kill_is_within_the_time_that_airflow_gives():
    assert defaults.KILL_TIMEOUT + defaults.LOG_DRAIN_AFTER_KILL < 30
