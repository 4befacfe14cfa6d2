"""A lost launch, and the evidence about it: what the lists of its job show, and what is recorded beside them. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from math import inf
from typing import Any

from attrs import frozen

from dataflow_async.bulk.launch_records import Unresolved
from dataflow_async.bulk.reconcile.absence import Absence
from dataflow_async.bulk.reconcile.dating import Dating
from dataflow_async.bulk.reconcile.run_index import RunIndex
from dataflow_async.bulk.reconcile.steps import Steps

NOTHING: Mapping[str, Any] = {}


@frozen
class LostLaunch:
    """A launch whose answer was lost."""

    key: str
    settings: bytes
    """Digest of job and settings: launches that share it look alike to the service."""
    parameters: bytes | None
    """Digest of the parameters as sent; None where there are none."""
    sent: Mapping[str, str]
    """Of these parameters, those that are known."""
    correlated: bool
    """Whether they carry the key under the name that ``correlation_parameter`` has now."""
    intended_from: float
    """Server time; nothing of it was sent before."""
    intended_until: float
    """The same moment, by the later end of the bounds of server time."""
    sent_by: float = inf
    """Server time; nothing of it was sent after."""
    condition: Mapping[str, Any] = NOTHING
    """Settings as sent, by the wire's names, without parameters."""
    trigger_id: str | None = None
    workflow_id: str | None = None

    @property
    def started_directly(self) -> bool:
        """Whether it was launched under no trigger and no workflow."""
        return self.trigger_id is None and self.workflow_id is None


@frozen
class Evidence:
    """What the listings of a job show, and what is recorded beside them."""

    runs: RunIndex
    """Runs that a listing shows and that are not recorded; those that are adopted leave it."""
    dating: Dating
    absence: Absence
    assume_exclusive: bool
    """Whether nobody else launches this job, by the caller's word."""
    carried: Mapping[bytes, int]
    """How many recorded keys carry parameters of this digest, for those that a run or a launch here has."""
    unresolved: Collection[Unresolved]
    """All launches of this job whose answer was lost, also those that are not being resolved now."""
    echoes: bool
    """Whether the service is observed to return parameters as they were sent: a run shows those of a launch of ours."""
    garbles: bool = False
    """Whether the service is observed to change keys on their way back, so that an echoed one excludes nothing."""
    ours_started_directly: bool = False
    """Whether runs of ours are listed, and all show that they were started directly."""
    stored: Mapping[str, Any] = NOTHING
    """Settings stored with the job, by the wire's names."""

    def emptied(self) -> Steps[None]:
        """Release the runs, in steps: it is of no use afterwards."""
        yield from self.runs.emptied()
        yield from self.absence.emptied()
