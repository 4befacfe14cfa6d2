"""Lines of triggers, which a thread writes: in order, in their contexts, where there is space, and never in the event loop."""

import asyncio
import select
import socket
import threading
from contextvars import ContextVar

import pytest
import structlog

from dataflow_async import defaults
from dataflow_async.airflow.task_log import LogWriter, TaskLog

TASK = ContextVar("TASK", default="none")


class Log:
    """A logger that keeps lines with the context that they were written in, once it may write."""

    def __init__(self):
        self.lines, self.times = [], []
        self.is_open = threading.Event()
        self.is_open.set()

    def bind(self):
        return self

    def info(self, event, *args, timestamp, exc_info=None):
        self.is_open.wait()
        self.times.append(timestamp)
        self.lines.append((TASK.get(), event % args if exc_info is None else f"{event % args}: {exc_info!r}"))

    warning = error = info


class Raises(Log):
    def info(self, event, *args, timestamp):
        raise OSError("the socket is closed")


@pytest.fixture
def writer():
    return LogWriter()


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
    assert log.times == sorted(log.times)


async def test_the_event_loop_goes_on_while_a_line_can_not_be_written(writer):
    log = Log()
    log.is_open.clear()
    for number in range(1000):
        TaskLog(log, writer).info("run %d", number)
    await asyncio.sleep(0)
    assert log.lines == []
    log.is_open.set()
    await writer.written(30)
    assert len(log.lines) == 1000


@pytest.fixture
def through_socket():
    """A logger as a triggerer has it, its socket, and the one at which its supervisor reads."""
    ours, theirs = socket.socketpair()
    theirs.settimeout(30)
    file = ours.makefile("wb", buffering=0)
    yield structlog.wrap_logger(structlog.BytesLogger(file), processors=[_line]), ours, theirs
    file.close()
    ours.close()
    theirs.close()


def _line(_logger, _name, members):
    return f"{members['timestamp']} {members['event']}".ljust(250).encode()


async def test_a_supervisor_that_reads_nothing_leaves_space_for_the_lines_of_others(writer, through_socket):
    log, ours, supervisor = through_socket
    for number in range(1000):
        TaskLog(log, writer).info(f"run {number}")
    while select.select([], [ours], [], 0)[1]:
        await asyncio.sleep(0)
    others = threading.Thread(
        target=lambda: [log.info("starting", timestamp="now") for _ in range(40)], daemon=True
    )
    others.start()
    others.join(30)
    assert not others.is_alive()
    supervisor.setblocking(False)
    assert len(supervisor.recv(10_000_000)) < 250 * 500


async def test_all_lines_arrive_as_the_supervisor_reads_them(writer, through_socket):
    log, _, supervisor = through_socket
    for number in range(1000):
        TaskLog(log, writer).info(f"run {number}")
    reading = asyncio.to_thread(_read, supervisor, 1000)
    lines, _ = await asyncio.gather(reading, writer.written(30))
    assert [int(line.split()[2]) for line in lines] == list(range(1000))


def _read(supervisor, count):
    text = b""
    while text.count(b"\n") < count:
        text += supervisor.recv(4096)
    return text.splitlines()


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


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
async def test_a_thread_that_has_ended_is_replaced(writer):
    """As in a process that was forked, in which there is none."""

    def end():
        raise SystemExit

    before, log = set(threading.enumerate()), Log()
    writer.put(log, end)
    while set(threading.enumerate()) - before:
        await asyncio.sleep(0)
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
