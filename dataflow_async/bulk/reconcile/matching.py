"""What the listed runs of a job prove about launches whose answer was lost (promise 6). Pure: values in, values out.

A launch is started again only where no run can be its own, and its absence is proven (`Absence`). A run is taken for its
own only by proof: it echoes the launch's key, or parameters that no other launch of the journal has, or nobody else
launches this job at all; and nothing that it shows is another launch's (ruling 87).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from math import inf
from typing import Any

import attrs
from attrs import frozen

from dataflow_async import defaults
from dataflow_async.bulk.launch_records import Unresolved
from dataflow_async.bulk.reconcile.absence import Absence
from dataflow_async.bulk.reconcile.dating import Dating, Reader
from dataflow_async.bulk.reconcile.run_index import ListedRun, RunIndex, echo, folded, is_since, stored_id
from dataflow_async.models.execution import JobExecution

_NOTHING: Mapping[str, Any] = {}
_COMPARED = ("numWorker", "timeout")
"""Settings stored with the job that a run shows as they are; paths may be completed."""


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
    """Whether they carry the key under the name that ``correlation_parameter`` gives now."""
    intended_from: float
    """Server time; nothing of it was sent before."""
    intended_until: float
    """The same moment, by the later end of what is known of server time."""
    sent_by: float = inf
    """Server time; nothing of it was sent after."""
    condition: Mapping[str, Any] = _NOTHING
    """Settings as sent, by the wire's names, without parameters."""
    trigger_id: str | None = None
    workflow_id: str | None = None

    @property
    def is_plain(self) -> bool:
        """Whether it was booked under no trigger and no workflow."""
        return self.trigger_id is None and self.workflow_id is None


@frozen
class Evidence:
    """What the listings of a job show, and what the journal knows beside them."""

    runs: RunIndex
    """Runs that a listing shows and the journal does not know; those that are adopted leave it."""
    dating: Dating
    absence: Absence
    assume_exclusive: bool
    """Whether nobody else launches this job, says the caller."""
    carried: Mapping[bytes, int]
    """How many keys of the journal carry parameters of this digest, for those that a run or a launch here has."""
    unresolved: Collection[Unresolved]
    """All launches of this job whose answer was lost, also those that nobody has asked about yet."""
    echoes: bool
    """Whether the service is seen to give parameters back as they were sent: a run shows those of a launch of ours."""
    garbles: bool = False
    """Whether the service is seen to change keys on their way back, so that an echoed one excludes nothing."""
    plain: bool = False
    """Whether runs of ours are listed, and all show that they were started directly."""
    stored: Mapping[str, Any] = _NOTHING
    """Settings stored with the job, by the wire's names."""


@frozen
class Adopt:
    """This run is the launch's own."""

    execution: JobExecution


@frozen
class Absent:
    """It did not start."""


@frozen
class Uncertain:
    """It can't be told."""

    why: str
    candidates: tuple[JobExecution, ...] = ()
    silent: tuple[str, ...] = ()
    """Ids of candidates that will tell more once they leave state READY (ruling 91)."""
    later: bool = False
    """Whether the next launch of the job may tell (ruling 89)."""


ReconciliationResult = Adopt | Absent | Uncertain


class _Rivals:
    """Launches of a job whose answer was lost, as far as they compete for runs."""

    def __init__(self, unresolved: Collection[Unresolved]) -> None:
        self.alike: Counter[bytes] = Counter()
        """How many there are, by their settings."""
        self.adopted: Counter[bytes] = Counter()
        """How many of them were given a run by now."""
        self._settings: defaultdict[bytes | None, set[bytes]] = defaultdict(set)
        for lost in unresolved:
            self.alike[lost.settings] += 1
            self._settings[lost.parameters].add(lost.settings)

    @property
    def bare(self) -> bool:
        """Whether one of them was sent without parameters."""
        return None in self._settings

    def has_rivals(self, launch: LostLaunch, *, told_apart: bool) -> bool:
        """Whether a launch with other settings may have started the same runs, which parameters may tell apart."""
        rivals = self._settings.get(launch.parameters, set()) if told_apart else self.alike.keys()
        return not rivals <= {launch.settings}


def match_launches(
    lost: Sequence[LostLaunch], evidence: Evidence
) -> Iterator[tuple[str, ReconciliationResult]]:
    """Tell launch by launch, by key, what became of it; adopted runs leave the evidence.

    Those that a run names come first, the others in the order of their intents.
    """
    rivals = _Rivals(evidence.unresolved)
    ordered = sorted(lost, key=lambda it: (not evidence.runs.named(it.key), it.intended_from))
    for launch in ordered:
        reader = evidence.dating.reader_near(launch.intended_until)
        named = match_by_key(launch, evidence.runs, reader, settled=True)
        result: ReconciliationResult = named or _match_unnamed(launch, evidence, reader, rivals)
        if isinstance(result, Adopt):
            evidence.runs.forget([stored_id(result.execution)])
            rivals.adopted[launch.settings] += 1
        yield launch.key, result


# --- by its key --------------------------------------------------------------------------------------------


def match_by_key(
    launch: LostLaunch, runs: RunIndex, reader: Reader, *, settled: bool = False
) -> Adopt | Uncertain | None:
    """Tell which run echoes the launch's key; true at any time, for only one launch of ours has this key.

    It outweighs dates (ruling 87), but a run that had ended before is an earlier one with the same key.
    """
    if not launch.correlated:
        return None
    named = runs.named(launch.key)
    later = [run for run in named if not _ended_before(launch, run, reader)]
    if len(later) == 1:
        return Adopt(later[0].execution)
    if later:
        return _uncertain(f"{len(later)} runs echo its key", launch, later)
    if settled and any(run.ended and run.ended.zoned not in reader.calibrated for run in named):
        why = "a run that echoes its key had ended before, if dates can be believed"
        return attrs.evolve(_uncertain(why, launch, named), later=True)
    return None


def _ended_before(launch: LostLaunch, run: ListedRun, reader: Reader) -> bool:
    """Whether a run had ended before the launch was intended, by dates as printed where nothing calibrates them."""
    if run.ended is None:
        return False
    span = reader.read(run.ended)
    if span is None and run.ended.zoned in reader.calibrated:  # runs of ours show that dates say nothing
        return False
    latest = run.ended.at + run.ended.grain if span is None else span.latest
    return latest <= launch.intended_from


# --- by all else -------------------------------------------------------------------------------------------


def _match_unnamed(
    launch: LostLaunch, evidence: Evidence, reader: Reader, rivals: _Rivals
) -> ReconciliationResult:
    most = max(defaults.CANDIDATES, rivals.alike[launch.settings])
    possible = list(islice(_possible(launch, evidence, reader), most + 1))
    if not possible:
        if equal := _equal_by_unread_dates(launch, evidence, reader):
            why = "a run with its parameters is dated before it was sent, and no run of ours shows how dates are read"
            return attrs.evolve(_uncertain(why, launch, equal), later=True)
        missing = evidence.absence.missing(launch, reader)
        return Absent() if missing is None else Uncertain(missing.why, later=missing.later)
    if not evidence.absence.agreed:
        return _uncertain("the list of runs kept changing", launch, possible)
    if not launch.correlated and launch.parameters and evidence.carried.get(launch.parameters) == 1:
        equal = [run for run in possible if run.parameters == launch.parameters]
        if equal:
            return _by_parameters(launch, equal, evidence, reader, rivals)
    if evidence.assume_exclusive:
        return _by_count(launch, possible, evidence, reader, rivals)
    count = f"more than {most}" if len(possible) > most else len(possible)
    return _uncertain(f"{count} runs could be it", launch, possible)


def _equal_by_unread_dates(launch: LostLaunch, evidence: Evidence, reader: Reader) -> list[ListedRun]:
    """Return the runs with the parameters of a launch that nothing but their dates excludes, as printed.

    Such a date may be hours off, and the first launch of a journal has no run of ours beside it that tells (ruling 90).
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


def _possible(launch: LostLaunch, evidence: Evidence, reader: Reader) -> Iterable[ListedRun]:
    """Give the runs of which nothing shows that they are another launch's; those with equal parameters come first."""
    since = launch.intended_from - defaults.CLOCK_MARGIN
    runs = evidence.runs
    told_apart = runs.echoing(launch.sent) if evidence.echoes else None
    if told_apart is None and launch.correlated and not evidence.garbles:
        told_apart = runs.nameless_or(launch.key)
    if told_apart is None:
        return runs.since(since, reader, plain=evidence.plain and launch.is_plain)
    return (
        run for run in told_apart if is_since(run, since, reader) and not _is_anothers(launch, run, evidence)
    )


def _is_anothers(launch: LostLaunch, run: ListedRun, evidence: Evidence) -> bool:
    if launch.correlated and run.name is not None and folded(run.name) != folded(launch.key):
        return not evidence.garbles
    if run.parameters is not None and run.parameters == launch.parameters:
        return False
    if evidence.plain and launch.is_plain and not run.is_plain:
        return True
    return evidence.echoes and _contradicts(launch, run)


def _contradicts(launch: LostLaunch, run: ListedRun) -> bool:
    """Whether it echoes parameters, and not all those that were sent, even folded.

    More of them may be the job's own settings. A run that echoes none at all may do so later, and a value that
    came back as something else than text may have been text.
    """
    echoed = echo(run.execution)
    return echoed is not None and any(
        name not in echoed or (isinstance(echoed[name], str) and folded(echoed[name]) != folded(value))
        for name, value in launch.sent.items()
    )


def _by_parameters(
    launch: LostLaunch, equal: Sequence[ListedRun], evidence: Evidence, reader: Reader, rivals: _Rivals
) -> ReconciliationResult:
    """No other launch of the journal has these parameters."""
    # A lost launch without parameters runs with those stored with the job, which may be just these.
    if len(equal) > 1 or rivals.bare:
        return _uncertain(f"{len(equal)} with its parameters could be another launch's", launch, equal)
    (run,) = equal
    against = _otherwise(launch, run, evidence) or _untimely(launch, run, reader)
    if against is not None:
        unread = run.created is not None and run.created.zoned not in reader.calibrated
        return attrs.evolve(_uncertain(f"a run with its parameters {against}", launch, equal), later=unread)
    return Adopt(run.execution)


def _by_count(
    launch: LostLaunch, possible: Sequence[ListedRun], evidence: Evidence, reader: Reader, rivals: _Rivals
) -> ReconciliationResult:
    """Nobody else launches this job: runs and lost launches that look alike are matched by their number."""
    like = [run for run in possible if _otherwise(launch, run, evidence) is None]
    if not like:
        against = _otherwise(launch, possible[0], evidence)
        return _uncertain(f"a run that could be it {against}", launch, possible)
    alike = rivals.alike[launch.settings]
    if len(like) + rivals.adopted[launch.settings] > alike:
        why = f"more runs than launches that look like it ({alike}): somebody else started some"
        return _uncertain(why, launch, possible)
    told_apart = all(run.parameters == launch.parameters is not None for run in like)
    if rivals.has_rivals(launch, told_apart=told_apart):
        return _uncertain("runs could be of launches with other settings as well", launch, possible)
    timely = [run for run in like if _untimely(launch, run, reader) is None]
    if not timely:
        return _uncertain(f"a run that could be it {_untimely(launch, like[0], reader)}", launch, possible)
    return Adopt(min(timely, key=_created).execution)


def _created(run: ListedRun) -> float:
    assert run.created is not None  # noqa: S101  # a timely run has a date
    return run.created.at


# --- what speaks against adopting a run --------------------------------------------------------------------


def _otherwise(launch: LostLaunch, run: ListedRun, evidence: Evidence) -> str | None:
    """Say what a run shows that the launch did not ask for; None if nothing does."""
    execution = run.execution
    if launch.workflow_id is None and execution.type not in (None, "JOB"):
        return f"is of type {execution.type}"
    if execution.trigger_id not in (None, launch.trigger_id):
        return f"belongs to trigger {execution.trigger_id}"
    if launch.workflow_id is not None and execution.raw.get("workflowId") not in (None, launch.workflow_id):
        return f"belongs to workflow {execution.raw['workflowId']}"
    shown = execution.job_condition.raw if execution.job_condition is not None else _NOTHING
    stored = {name: evidence.stored[name] for name in _COMPARED if name in evidence.stored}
    for name, value in {**stored, **launch.condition}.items():
        if None not in (value, shown.get(name)) and str(shown[name]) != str(value):
            return f"has {name} {shown[name]!r}"
    return None


def _untimely(launch: LostLaunch, run: ListedRun, reader: Reader) -> str | None:
    """Say why the dates of a run keep it from being adopted; None if they don't."""
    span = reader.read(run.created)
    if span is None:
        return "does not say when it was created, or in which zone"
    if span.latest <= launch.intended_from:
        return "is dated before it was sent"
    if (ended := reader.read(run.ended)) is not None and ended.latest <= launch.intended_from:
        return "had ended before it was sent"
    grain = run.created.grain if run.created is not None else 0.0
    vague = launch.intended_until - launch.intended_from + span.latest - span.earliest - grain
    if vague > defaults.NARROW and span.earliest <= launch.intended_until:
        return f"is dated to the time it was sent, which is known to {vague:.0f} s only"
    return None


def _uncertain(why: str, launch: LostLaunch, possible: Sequence[ListedRun]) -> Uncertain:
    """Uncertain with these candidates; those that are READY and echo nothing yet will tell more (ruling 91)."""
    shown = possible[: defaults.CANDIDATES]
    silent = [run for run in shown if launch.parameters is not None and run.is_ready and run.is_silent]
    return Uncertain(
        why,
        tuple(run.execution for run in shown),
        tuple(run.execution.job_execution_id for run in silent),
    )
