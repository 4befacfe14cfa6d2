"""Reads references to runs from whatever a caller may pass for them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import cast

from dataflow_async.errors import RunRef
from dataflow_async.models import checks
from dataflow_async.models.execution import ExecutionRef, JobExecution


def ref_of(execution: JobExecution | RunRef) -> ExecutionRef:
    """Return the reference to a run, whoever made the object that names it.

    Raises:
        InvalidRequest: Field ``"execution"``: it names no run.
    """
    if isinstance(execution, ExecutionRef):
        return execution
    if isinstance(execution, JobExecution):
        return execution.ref
    job_id, execution_id = getattr(execution, "job_id", None), getattr(execution, "execution_id", None)
    if isinstance(job_id, str) and isinstance(execution_id, str):
        return ExecutionRef(job_id, execution_id)
    raise checks.refuse("execution", execution, "a JobExecution or an ExecutionRef")


def refs_of(executions: Iterable[JobExecution | RunRef]) -> list[ExecutionRef]:
    """Return the references to some runs, in their order.

    Raises:
        InvalidRequest: Field ``"executions"`` or ``"execution"``.
    """
    if isinstance(cast("object", executions), Iterable) and not isinstance(executions, str | bytes | Mapping):
        return [ref_of(execution) for execution in executions]
    raise checks.refuse("executions", executions, "an iterable of runs, or of references to them")
