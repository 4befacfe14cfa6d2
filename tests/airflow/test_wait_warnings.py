"""Warnings of the poll loop land in the logs of the tasks that wait for the runs in question."""

import asyncio
import logging
from contextvars import Context, ContextVar

import pytest

from dataflow_async import ExecutionRef, PollPolicy
from dataflow_async.airflow.wait_warnings import WaitWarnings
from dataflow_async.emulator import Emulator

TASK = ContextVar("TASK", default="no task")
ONE, OTHER = ExecutionRef("job", "one"), ExecutionRef("job", "other")


class Lines:
    """The logs of all tasks, as a triggerer keeps them: by the context of a line."""

    def __init__(self):
        self.of = {}

    def warning(self, text, *arguments):
        self.of.setdefault(TASK.get(), []).append(text % arguments)


@pytest.fixture
def logger():
    return logging.getLogger("a client")


def test_each_task_has_the_warnings_about_its_runs(logger):
    lines, warnings = Lines(), WaitWarnings(logger)

    def wait(task, refs):
        TASK.set(task)
        block = warnings.repeated(refs, lines)
        block.__enter__()
        return block

    blocks = [
        Context().run(wait, task, refs) for task, refs in (("a", [ONE]), ("b", [ONE, OTHER]), ("c", ()))
    ]
    logger.warning("%s fails", "it", extra={"affected": frozenset({ONE})})
    logger.warning("no run", extra={"affected": frozenset()})
    logger.warning("another matter")
    assert lines.of == {"a": ["it fails"], "b": ["it fails"]}
    for block in blocks:
        block.__exit__(None, None, None)
    logger.warning("later", extra={"affected": frozenset({ONE})})
    assert lines.of == {"a": ["it fails"], "b": ["it fails"]}
    assert logger.handlers == []


async def test_an_outage_is_in_the_log_of_the_task(monkeypatch):
    monkeypatch.setattr("dataflow_async.defaults.LOG_FAILURES_AFTER", 0.0)
    lines, warnings = Lines(), WaitWarnings(logging.getLogger("dataflow_async"))
    async with Emulator(run_seconds=(3600, 3600)) as server:
        job_id = server.create_job("stock_import")
        ref = ExecutionRef(job_id, server.launch(job_id))
        async with server.client(poll=PollPolicy(min_interval=0.001, max_interval=0.01)) as flow:
            server.faults.add("503")
            with warnings.repeated([ref], lines):
                waiting = asyncio.create_task(flow.wait(ref))
                while not lines.of:
                    await asyncio.sleep(0)
            waiting.cancel()
    (line,) = lines.of["no task"][:1]
    assert "every poll has failed" in line
