"""Repeats what the client warns of while it polls, in the logs of the tasks that wait for the runs in question."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from contextvars import Context, copy_context

from attrs import frozen

from dataflow_async.airflow.run_wait import Log
from dataflow_async.models.execution import ExecutionRef


@frozen(eq=False)
class _Waiting:
    refs: frozenset[ExecutionRef]
    log: Log
    context: Context


class WaitWarnings(logging.Handler):
    """A handler of the client's logger while somebody waits.

    Always true: a warning stands in the log of each task that waits for a run that it is about, and of no other. All waits of a
    client share its poll loop, which belongs to none of them: so a line is written in the context in which the wait began,
    by which a triggerer finds the file of the task.

    Args:
        logger: The client's.
    """

    def __init__(self, logger: logging.Logger) -> None:
        super().__init__(logging.WARNING)
        self._logger = logger
        self._waiting: set[_Waiting] = set()

    @contextmanager
    def repeated(self, refs: Collection[ExecutionRef], log: Log) -> Iterator[None]:
        """Repeat warnings about some runs for the length of a block.

        Args:
            refs: The runs.
            log: Where they are repeated: the log of the task.
        """
        waiting = _Waiting(frozenset(refs), log, copy_context())
        self._waiting.add(waiting)
        self._logger.addHandler(self)
        try:
            yield
        finally:
            self._waiting.discard(waiting)
            if not self._waiting:
                self._logger.removeHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Repeat a warning that says which runs it is about; called by `logging`."""
        affected: frozenset[ExecutionRef] = getattr(record, "affected", frozenset())
        for each in tuple(self._waiting):
            if not each.refs.isdisjoint(affected):
                each.context.run(each.log.warning, "%s", record.getMessage())
