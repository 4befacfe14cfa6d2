"""Proves that a client works for the account that a journal belongs to, whatever its access key."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dataflow_async.errors import BadRequest, NotFound, PermissionDenied

if TYPE_CHECKING:
    from dataflow_async.models.execution import ExecutionRef
    from dataflow_async.resources.jobs import Jobs


async def reads_one_of(jobs: Jobs, runs: Sequence[ExecutionRef]) -> bool:
    """Return whether one of these runs can be read: the service's answer names it in its body.

    Raises:
        DataFlowError: The service did not answer whether it can be read.
    """
    for ref in runs:
        try:
            run = await jobs.execution(ref.job_id, ref.execution_id)
        except (BadRequest, NotFound, PermissionDenied):  # another account's, or gone
            continue
        if run.raw.get("jobExecutionId") == ref.execution_id:
            return True
    return False
