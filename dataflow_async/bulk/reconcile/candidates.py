"""Which of the listed runs may be a lost launch's own: those that nothing shows to be another launch's. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from dataflow_async import defaults
from dataflow_async.bulk.reconcile.dating import DateReader
from dataflow_async.bulk.reconcile.evidence import Evidence, LostLaunch
from dataflow_async.bulk.reconcile.run_index import ListedRun, folded, is_since
from dataflow_async.bulk.reconcile.steps import Steps


def candidates(launch: LostLaunch, evidence: Evidence, reader: DateReader) -> Iterable[ListedRun]:
    """Return the runs that nothing shows to be another launch's; those with equal parameters come first.

    Always true: a run that is the launch's own is among them, whatever the service changes on the way back. A run that
    is left out wrongly makes the launch look absent, and it is started a second time.
    """
    since = launch.intended_from - defaults.CLOCK_MARGIN
    if not is_distinct(launch, evidence):
        return evidence.runs.since(since, reader, directly=_directly(launch, evidence))
    distinct = evidence.runs.echoing(launch.sent) if evidence.echoes else None
    if distinct is None:
        distinct = evidence.runs.with_key_or_without_one(launch.key)
    return (
        run for run in distinct if is_since(run, since, reader) and not _is_anothers(launch, run, evidence)
    )


def is_distinct(launch: LostLaunch, evidence: Evidence) -> bool:
    """Return whether what runs echo tells those that may be a launch's own from others."""
    return (evidence.echoes and bool(launch.sent)) or (launch.correlated and not evidence.garbles)


def prepared(launches: Iterable[LostLaunch], evidence: Evidence) -> Steps[None]:
    """Prepare the evidence for these launches, so that it takes none of them long to find its candidates."""
    for directly in {_directly(it, evidence) for it in launches if not is_distinct(it, evidence)}:
        yield from evidence.runs.arrange(directly=directly)


def _directly(launch: LostLaunch, evidence: Evidence) -> bool:
    return evidence.ours_started_directly and launch.started_directly


def equal_by_unread_dates(launch: LostLaunch, evidence: Evidence, reader: DateReader) -> list[ListedRun]:
    """Return the runs with the parameters of a launch that nothing but their dates excludes, as printed.

    Such a date may be hours off, and the first launch of a journal has no run of ours beside it that shows by how much.
    """
    if launch.correlated or not launch.parameters:
        return []
    echoing = evidence.runs.echoing(launch.sent) or ()
    return [
        run
        for run in echoing
        if run.parameters == launch.parameters
        and run.created is not None
        and run.created.zoned not in reader.calibrated
    ]


def _is_anothers(launch: LostLaunch, run: ListedRun, evidence: Evidence) -> bool:
    """Return whether a run shows that another launch started it."""
    if launch.correlated and run.name is not None and folded(run.name) != folded(launch.key):
        return not evidence.garbles
    if run.parameters is not None and run.parameters == launch.parameters:
        return False
    if _directly(launch, evidence) and not run.started_directly:
        return True
    return evidence.echoes and _contradicts(launch, run)


def _contradicts(launch: LostLaunch, run: ListedRun) -> bool:
    """Return whether a run echoes parameters, and not all those that were sent, even folded.

    More of them may be the job's own settings. A run that echoes none at all may do so later, and a value that
    came back as something else than text may have been text.
    """
    echoed = run.echoed
    return echoed is not None and any(
        name not in echoed or (isinstance(echoed[name], str) and folded(echoed[name]) != folded(value))
        for name, value in launch.sent.items()
    )
