"""What the operators that launch jobs have in common: how a lost launch may be found again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from airflow.sdk.definitions.context import Context
from airflow.sdk.exceptions import AirflowFailException

from dataflow_async import defaults
from dataflow_async.airflow.launching import LaunchOptions, task_name
from dataflow_async.airflow.operators.base import DataFlowOperator, has_state, task_ids
from dataflow_async.client import DataFlow
from dataflow_async.errors import InvalidRequest


class DataFlowLaunchOperator(DataFlowOperator):
    """The base of the operators that launch jobs.

    Args:
        correlation_parameter: Name of a parameter that carries the key of a launch, for SCRIPT jobs that accept one more:
            a lost launch is recognized by it, exactly and at once.
        assume_exclusive: Whether nobody else launches these jobs meanwhile; runs may then be recognized by their number.
        visibility_delay: Seconds after a lost answer from which the absence of a run proves something.
        on_uncertain: ``"fail"``: fail while it is uncertain whether a launch has started; ``"relaunch"``: launch again, at
            the risk of a second run.
        kwargs: As `DataFlowOperator`.
    """

    def __init__(
        self,
        *,
        correlation_parameter: str | None = None,
        assume_exclusive: bool = False,
        visibility_delay: float = defaults.VISIBILITY_DELAY,
        on_uncertain: Literal["fail", "relaunch"] = "fail",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.correlation_parameter = correlation_parameter
        self.assume_exclusive = assume_exclusive
        self.visibility_delay = visibility_delay
        self.on_uncertain = on_uncertain

    def check_launches(self, context: Context) -> None:
        """Check, before anything is sent, what does not depend on the service.

        Raises:
            AirflowFailException: An argument can't be used.
        """
        if self.on_uncertain not in ("fail", "relaunch"):
            raise AirflowFailException(
                f"on_uncertain must be 'fail' or 'relaunch', got {self.on_uncertain!r}"
            )
        if self.durable and not has_state(context) and self.correlation_parameter is None:
            raise AirflowFailException(
                "durable must be False here, got True: this Airflow keeps no state of tasks, and without"
                " correlation_parameter nothing else shows whether an earlier try has launched"
            )
        self.check_serialises(context)

    def launch_options(self) -> LaunchOptions:
        """Return how lost launches may be found again."""
        return LaunchOptions(
            self.correlation_parameter,
            assume_exclusive=self.assume_exclusive,
            visibility_delay=self.visibility_delay,
            on_uncertain="relaunch" if self.on_uncertain == "relaunch" else "report",
        )

    def name_of_task(self, context: Context) -> str:
        """Return what the keys of the task's launches begin with."""
        ids = task_ids(context)
        return task_name(ids["dag_id"], ids["run_id"], ids["task_id"], ids["map_index"])


async def found_job(
    flow: DataFlow, job_id: Any, job_name: Any, known: Mapping[str, str] | None = None
) -> str:
    """Return the id of a job that is given by id or by name.

    Args:
        flow: The client.
        job_id: Its id; None where its name is given.
        job_name: Its name.
        known: Ids of jobs by name that were found before.

    Raises:
        InvalidRequest: There is none of this name, or several.
    """
    if job_id is not None:
        return str(job_id)
    if known is not None and job_name in known:
        return known[job_name]
    job = await flow.jobs.find(str(job_name))
    if job is None:
        raise InvalidRequest(f"job_name must be the name of a job, got {job_name!r}", field="job_name")
    return job.job_id
