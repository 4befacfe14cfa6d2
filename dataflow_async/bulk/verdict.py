"""What a listing of a job's runs proves about launches whose answer was lost (promise 6). Pure: values in, values out.

A launch is started again only where no run can be its own. A run is taken for its own only by proof: it echoes the
launch's key, or parameters that no other launch of the journal has, or nobody else launches this job at all.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from attrs import frozen

from dataflow_async import defaults
from dataflow_async.models.execution import JobExecution


@frozen
class Wanted:
    """A launch whose answer was lost."""

    key: str
    settings: bytes
    """Digest of job and settings: launches that share it look alike to the service."""
    parameters: bytes | None
    """Digest of the parameters as sent; None where there are none."""
    sent: Mapping[str, str]
    """Of these parameters, those that are known."""
    correlated: bool
    """Whether they carry the key under the name that `correlate` gives now."""
    intended_at: float
    """Server time; nothing of it was sent before."""


@frozen
class Found:
    """A run that a listing shows."""

    execution: JobExecution
    created_at: float | None
    """Server time in seconds; None where it is missing, unreadable or without a zone (ruling 86)."""
    parameters: bytes | None
    """Digest of the parameters it echoes; None where it echoes none."""
    name: str | None
    """What it echoes under the name that `correlate` gave, if anything."""
    ours: bool
    """Whether the journal has it already, for whichever attempt at whichever launch."""


@frozen
class Unresolved:
    """What all attempts have in common of which nobody knows whether they started and that look like this."""

    settings: bytes
    parameters: bytes | None
    count: int


@frozen
class Evidence:
    """Two complete listings that agree, and what the journal knows beside them."""

    runs: Sequence[Found]
    exclusive: bool
    """Whether nobody else launches this job, says the caller."""
    carried: Mapping[bytes, int]
    """How many keys of the journal carry parameters of this digest, for those that a run or a launch here has."""
    unresolved: Collection[Unresolved]
    """All launches of this job whose answer was lost, also those that nobody has asked about yet."""

    @property
    def echoes(self) -> bool:
        """Whether the service is seen to give parameters back as they were sent: a run shows those of a launch of ours."""
        return any(run.parameters is not None and self.carried.get(run.parameters) for run in self.runs)


@frozen
class Adopt:
    """This run is the launch's own."""

    execution: JobExecution


@frozen
class Absent:
    """It did not start."""


@frozen
class Doubt:
    """It can't be told."""

    why: str
    candidates: tuple[JobExecution, ...]


Verdict = Adopt | Absent | Doubt


def echoed_name(execution: JobExecution, correlate: str | None) -> str | None:
    """Give what a run echoes under the name of `correlate`."""
    value: Any = (execution.parsed_parameters or {}).get(correlate) if correlate is not None else None
    return value if isinstance(value, str) else None


def recognized(wanted: Wanted, runs: Sequence[Found]) -> Adopt | Doubt | None:
    """Tell which run echoes the launch's key; true at any time, for only one launch of ours has this key."""
    if not wanted.correlated:
        return None
    named = [
        run.execution
        for run in runs
        if run.name == wanted.key and not run.ours and not _is_older(wanted, run)
    ]
    if len(named) == 1:
        return Adopt(named[0])
    return Doubt(f"{len(named)} runs echo its key", tuple(named)) if named else None


def judge(wanted: Sequence[Wanted], evidence: Evidence) -> dict[str, Verdict]:
    """Tell for each launch, by key, what became of it; those that a run names come first, the others share the rest."""
    verdicts: dict[str, Verdict] = {}
    taken: dict[str, bytes] = {}
    echoes = evidence.echoes
    named = {launch.key: recognized(launch, evidence.runs) for launch in wanted}
    for launch in sorted(wanted, key=lambda launch: named[launch.key] is None):
        verdict = named[launch.key] or _judge_unnamed(launch, evidence, taken, echoes=echoes)
        if isinstance(verdict, Adopt):
            taken[verdict.execution.job_execution_id] = launch.settings
        verdicts[launch.key] = verdict
    return verdicts


def _judge_unnamed(
    launch: Wanted, evidence: Evidence, taken: Mapping[str, bytes], *, echoes: bool
) -> Verdict:
    possible = [
        run
        for run in evidence.runs
        if run.execution.job_execution_id not in taken and _could_be(launch, run, echoes=echoes)
    ]
    candidates = tuple(run.execution for run in possible)
    if not possible:
        return Absent()
    if hazy := sum(run.created_at is None for run in possible):
        return Doubt(f"{hazy} runs do not say when they were created, or in which zone", candidates)
    if not launch.correlated and launch.parameters and evidence.carried.get(launch.parameters) == 1:
        equal = [run.execution for run in possible if run.parameters == launch.parameters]
        # A lost launch without parameters runs with those stored with the job, which may be just these.
        if len(equal) == 1 and not any(lost.parameters is None for lost in evidence.unresolved):
            return Adopt(equal[0])
        if equal:
            return Doubt(f"{len(equal)} with its parameters could be another launch's", tuple(equal))
    if evidence.exclusive:
        return _by_count(launch, possible, evidence, taken)
    return Doubt(f"{len(candidates)} runs could be it", candidates)


def _by_count(
    launch: Wanted, possible: Sequence[Found], evidence: Evidence, taken: Mapping[str, bytes]
) -> Verdict:
    """Nobody else launches this job: runs and lost launches that look alike are matched by their number."""
    candidates = tuple(run.execution for run in possible)
    alike = sum(lost.count for lost in evidence.unresolved if lost.settings == launch.settings)
    told_apart = all(run.parameters == launch.parameters is not None for run in possible)
    rivals = [
        lost
        for lost in evidence.unresolved
        if lost.settings != launch.settings and not (told_apart and lost.parameters != launch.parameters)
    ]
    if rivals:
        return Doubt("runs could be of launches with other settings as well", candidates)
    if len(possible) + sum(settings == launch.settings for settings in taken.values()) > alike:
        return Doubt(
            f"more runs than launches that look like it ({alike}): somebody else started some", candidates
        )
    return Adopt(min(possible, key=lambda run: run.created_at or 0.0).execution)


def _could_be(launch: Wanted, run: Found, *, echoes: bool) -> bool:
    """Whether nothing shows that this run is another launch's."""
    if run.ours or _is_older(launch, run):
        return False
    if run.parameters is not None and run.parameters == launch.parameters:
        return True
    return not (echoes and _contradicts(launch, run))


def _is_older(launch: Wanted, run: Found) -> bool:
    """Whether it was there before anything of the launch was sent, however far two clocks disagree (ruling 87)."""
    return run.created_at is not None and run.created_at < launch.intended_at - defaults.CLOCK_MARGIN


def _contradicts(launch: Wanted, run: Found) -> bool:
    """Whether it echoes parameters, and not all those that were sent.

    More of them may be the job's own settings. A run that echoes none at all may do so later, and a value that
    came back as something else than text may have been text.
    """
    echoed = run.execution.parsed_parameters
    return echoed is not None and any(
        name not in echoed or (isinstance(echoed[name], str) and echoed[name] != value)
        for name, value in launch.sent.items()
    )
