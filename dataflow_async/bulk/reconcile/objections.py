"""What keeps a listed run from being adopted for a lost launch, in words. Pure.

Each function returns the rest of a sentence that begins with "a run ...", or None where nothing is against the run.
"""

from __future__ import annotations

from dataflow_async import defaults
from dataflow_async.bulk.reconcile.dating import DateReader
from dataflow_async.bulk.reconcile.evidence import NOTHING, Evidence, LostLaunch
from dataflow_async.bulk.reconcile.run_index import ListedRun

_COMPARED = ("numWorker", "timeout")
"""Settings stored with the job that a run shows as they are; paths may be completed."""


def differs(launch: LostLaunch, run: ListedRun, evidence: Evidence) -> str | None:
    """Return what a run shows that the launch did not send; None if nothing does."""
    execution = run.execution
    if run.is_odd:
        return "can't be read"
    if launch.workflow_id is None and execution.type not in (None, "JOB"):
        return f"is of type {execution.type}"
    if execution.trigger_id not in (None, launch.trigger_id):
        return f"belongs to trigger {execution.trigger_id}"
    if launch.workflow_id is not None and execution.raw.get("workflowId") not in (None, launch.workflow_id):
        return f"belongs to workflow {execution.raw['workflowId']}"
    shown = execution.job_condition.raw if execution.job_condition is not None else NOTHING
    stored = {name: evidence.stored[name] for name in _COMPARED if name in evidence.stored}
    for name, value in {**stored, **launch.condition}.items():
        if None not in (value, shown.get(name)) and str(shown[name]) != str(value):
            return f"has {name} {shown[name]!r}"
    return None


def untimely(launch: LostLaunch, run: ListedRun, reader: DateReader) -> str | None:
    """Return why the dates of a run keep it from being adopted; None if they don't."""
    span = reader.read(run.created)
    if span is None:
        return "does not show when it was created, or in which zone"
    if span.latest <= launch.intended_from:
        return "is dated before it was sent"
    if (ended := reader.read(run.ended)) is not None and ended.latest <= launch.intended_from:
        return "had ended before it was sent"
    grain = run.created.grain if run.created is not None else 0.0
    width = launch.intended_until - launch.intended_from + span.latest - span.earliest - grain
    if width > defaults.DATE_PRECISION and span.earliest <= launch.intended_until:
        return f"is dated to the time it was sent, which is known to {width:.0f} s only"
    return None


def ended_before(launch: LostLaunch, run: ListedRun, reader: DateReader) -> bool:
    """Return whether a run had ended before the launch was intended, by dates as printed where nothing calibrates them."""
    if run.ended is None:
        return False
    span = reader.read(run.ended)
    if span is None and run.ended.zoned in reader.calibrated:  # runs of ours show that dates prove nothing
        return False
    latest = run.ended.at + run.ended.grain if span is None else span.latest
    return latest <= launch.intended_from
