"""Attributes the listed runs of a job to launches whose answer was lost. Pure: values in, values out.

Always true: a launch is Absent only where no run can be its own, and its absence is proven (`Absence`); a run is adopted
only by proof: it echoes the launch's key, or parameters that no other recorded launch has, or nobody else launches this
job at all; and nothing that it shows is another launch's. No run is adopted twice. Weaken the first, and a launch starts
twice; weaken the others, and the outcome of somebody else's run is reported for it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Sequence
from itertools import islice

import attrs

from dataflow_async import defaults
from dataflow_async.bulk.launch_records import Unresolved
from dataflow_async.bulk.reconcile.candidates import candidates, equal_by_unread_dates
from dataflow_async.bulk.reconcile.dating import DateReader
from dataflow_async.bulk.reconcile.evidence import Evidence, LostLaunch
from dataflow_async.bulk.reconcile.objections import differs, ended_before, untimely
from dataflow_async.bulk.reconcile.result import Absent, Adopt, ReconciliationResult, Uncertain
from dataflow_async.bulk.reconcile.run_index import ListedRun, RunIndex, stored_id


class _Rivals:
    """Launches of a job whose answer was lost, as far as they compete for runs."""

    def __init__(self, unresolved: Collection[Unresolved]) -> None:
        self.alike: Counter[bytes] = Counter()
        """How many there are, by their settings."""
        self.adopted: Counter[bytes] = Counter()
        """For how many of them a run was adopted by now."""
        self._settings: defaultdict[bytes | None, set[bytes]] = defaultdict(set)
        for lost in unresolved:
            self.alike[lost.settings] += 1
            self._settings[lost.parameters].add(lost.settings)

    @property
    def bare(self) -> bool:
        """Whether one of them was sent without parameters."""
        return None in self._settings

    def has_rivals(self, launch: LostLaunch, *, by_parameters: bool) -> bool:
        """Return whether a launch with other settings, but the same parameters if those count, may have started the runs."""
        rivals = self._settings.get(launch.parameters, set()) if by_parameters else self.alike.keys()
        return not rivals <= {launch.settings}


def match_launches(
    lost: Sequence[LostLaunch], evidence: Evidence
) -> Iterator[tuple[str, ReconciliationResult]]:
    """Return launch by launch, by key, what became of it; adopted runs leave the evidence.

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


def match_by_key(
    launch: LostLaunch, runs: RunIndex, reader: DateReader, *, settled: bool = False
) -> Adopt | Uncertain | None:
    """Return the run that echoes the launch's key; true at any time, for only one launch of ours has this key.

    The key outweighs dates, but a run that had ended before is an earlier one with the same key.
    """
    if not launch.correlated:
        return None
    named = runs.named(launch.key)
    later = [run for run in named if not ended_before(launch, run, reader)]
    if len(later) == 1:
        return Adopt(later[0].execution)
    if later:
        return _uncertain(f"{len(later)} runs echo its key", launch, later)
    if settled and any(run.ended and run.ended.zoned not in reader.calibrated for run in named):
        why = "a run that echoes its key had ended before, if dates can be believed"
        return attrs.evolve(_uncertain(why, launch, named), next_launch_may_decide=True)
    return None


def _match_unnamed(
    launch: LostLaunch, evidence: Evidence, reader: DateReader, rivals: _Rivals
) -> ReconciliationResult:
    """Return what became of a launch that no run names."""
    most = max(defaults.CANDIDATES, rivals.alike[launch.settings])
    possible = list(islice(candidates(launch, evidence, reader), most + 1))
    if not possible:
        return _without_candidates(launch, evidence, reader)
    if not evidence.absence.consistent:
        return _uncertain("the list of runs kept changing", launch, possible)
    if not launch.correlated and launch.parameters and evidence.carried.get(launch.parameters) == 1:
        equal = [run for run in possible if run.parameters == launch.parameters]
        if equal:
            return _by_parameters(launch, equal, evidence, reader, rivals)
    if evidence.assume_exclusive:
        return _by_count(launch, possible, evidence, reader, rivals)
    count = f"more than {most}" if len(possible) > most else len(possible)
    return _uncertain(f"{count} runs could be it", launch, possible)


def _without_candidates(launch: LostLaunch, evidence: Evidence, reader: DateReader) -> Absent | Uncertain:
    """Return whether a launch that no listed run can be did not start."""
    if equal := equal_by_unread_dates(launch, evidence, reader):
        why = "a run with its parameters is dated before it was sent, and no run of ours shows how dates are read"
        return attrs.evolve(_uncertain(why, launch, equal), next_launch_may_decide=True)
    gap = evidence.absence.gap(launch, reader)
    return Absent() if gap is None else Uncertain(gap.why, next_launch_may_decide=gap.next_launch_may_decide)


def _by_parameters(
    launch: LostLaunch, equal: Sequence[ListedRun], evidence: Evidence, reader: DateReader, rivals: _Rivals
) -> ReconciliationResult:
    """Match a launch whose parameters no other recorded launch has."""
    # A lost launch without parameters runs with those stored with the job, which may be just these.
    if len(equal) > 1 or rivals.bare:
        return _uncertain(f"{len(equal)} with its parameters could be another launch's", launch, equal)
    (run,) = equal
    against = differs(launch, run, evidence) or untimely(launch, run, reader)
    if against is not None:
        unread = run.created is not None and run.created.zoned not in reader.calibrated
        return attrs.evolve(
            _uncertain(f"a run with its parameters {against}", launch, equal), next_launch_may_decide=unread
        )
    return Adopt(run.execution)


def _by_count(
    launch: LostLaunch, possible: Sequence[ListedRun], evidence: Evidence, reader: DateReader, rivals: _Rivals
) -> ReconciliationResult:
    """Match runs and lost launches that look alike by their number, where nobody else launches this job.

    An example: three lost launches look alike, and two runs look like them. Each run is one of the three; which one makes
    no difference. So the first two launches adopt the runs, oldest first, and the third has no candidate any more.
    """
    like = [run for run in possible if differs(launch, run, evidence) is None]
    if not like:
        against = differs(launch, possible[0], evidence)
        return _uncertain(f"a run that could be it {against}", launch, possible)
    alike = rivals.alike[launch.settings]
    if len(like) + rivals.adopted[launch.settings] > alike:
        why = f"more runs than launches that look like it ({alike}): somebody else started some"
        return _uncertain(why, launch, possible)
    by_parameters = all(run.parameters == launch.parameters is not None for run in like)
    if rivals.has_rivals(launch, by_parameters=by_parameters):
        return _uncertain("runs could be of launches with other settings as well", launch, possible)
    timely = [run for run in like if untimely(launch, run, reader) is None]
    if not timely:
        return _uncertain(f"a run that could be it {untimely(launch, like[0], reader)}", launch, possible)
    return Adopt(min(timely, key=_created).execution)


def _created(run: ListedRun) -> float:
    assert run.created is not None  # noqa: S101  # a timely run has a date
    return run.created.at


def _uncertain(why: str, launch: LostLaunch, possible: Sequence[ListedRun]) -> Uncertain:
    """Return the result with these candidates; those that are READY and echo nothing yet will show more later."""
    shown = possible[: defaults.CANDIDATES]
    ready = [run for run in shown if launch.parameters is not None and run.is_ready and run.may_still_echo]
    return Uncertain(
        why,
        tuple(run.execution for run in shown),
        tuple(run.execution.job_execution_id for run in ready),
    )
