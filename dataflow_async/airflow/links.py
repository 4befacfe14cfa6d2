"""Links that Airflow shows on a task: to the console, and to the log of its run.

The service documents no address of a single job or run in its console. So the link leads to the console itself, unless the
connection says more: ``console_url`` and ``log_url`` in its extra are addresses in which ``{job_id}``, ``{execution_id}``
and ``{log_path}`` are filled in.

Source: https://api.ncloud-docs.com/docs/en/storage-objectstorage (the address of what is stored).
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from airflow.sdk import BaseOperatorLink

from dataflow_async import defaults
from dataflow_async.airflow.connections import ConnectionSettings
from dataflow_async.airflow.events import RunReport
from dataflow_async.airflow.hook import DataFlowHook
from dataflow_async.models.execution import ExecutionStatus

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator
    from airflow.sdk.types import TaskInstanceKey


class _RunLink(BaseOperatorLink):
    """A link to the run that a task shows: its operator's ``shown_run``, by way of its ``conn_id``."""

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:  # noqa: ARG002  # the signature of Airflow's
        """Return the address; empty while the task has no run. Airflow calls this in the worker, after each part of a task."""
        shown: Any = operator
        if (run := shown.shown_run) is None:
            return ""
        hook = DataFlowHook(shown.conn_id)
        return self.address(run, hook.settings(), hook.service())

    @abstractmethod
    def address(self, run: RunReport, settings: ConnectionSettings, service: str) -> str:
        """Return the address for a run."""


class ConsoleLink(_RunLink):
    """Leads to the console; for another service than the public one to that service, where an emulator shows its page."""

    name = "Data Flow console"

    def address(self, run: RunReport, settings: ConnectionSettings, service: str) -> str:
        """Return the address for a run."""
        if settings.console_url is not None:
            return _filled(settings.console_url, run)
        return defaults.CONSOLE_URL if service == defaults.BASE_URL else f"{service}/"


class LogLink(_RunLink):
    """Leads to the log of the run in Object Storage; to nothing where the run names none."""

    name = "Log of the run"

    def address(self, run: RunReport, settings: ConnectionSettings, service: str) -> str:
        """Return the address for a run."""
        if settings.log_url is not None:
            return _filled(settings.log_url, run)
        if run.log_path is None or service != defaults.BASE_URL:
            return ""
        return _filled(defaults.LOG_URL, run)


LINKS = ConsoleLink(), LogLink()
"""What each operator shows."""


def shown_run(*runs: RunReport) -> RunReport | None:
    """Return the run of a task that links lead to: the first one that did not complete, else the first one."""
    unfinished = (run for run in runs if run.status != ExecutionStatus.COMPLETED)
    return next(unfinished, next(iter(runs), None))


def _filled(address: str, run: RunReport) -> str:
    """Return an address with the names of a run filled in."""
    log_path = quote((run.log_path or "").lstrip("/"))
    for name, value in (("job_id", quote(run.job_id)), ("execution_id", quote(run.execution_id))):
        address = address.replace(f"{{{name}}}", value)
    return address.replace("{log_path}", log_path)
