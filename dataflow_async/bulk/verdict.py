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
    """Whether the journal has it already, for whichever launch."""


@frozen
class Evidence:
    """Two complete listings that agree, and what the journal knows beside them."""

    runs: Sequence[Found]
    correlate: bool
    """Whether launches carry their key in their parameters."""
    exclusive: bool
    """Whether nobody else launches this job, says the caller."""
    carried: Mapping[bytes, int]
    """How many keys of the journal carry parameters of this digest, for those that a run or a launch here has."""
    unresolved: Collection[bytes]
    """Digests of the settings of all launches of this job whose answer was lost, once for each."""

    @property
    def echoes(self) -> bool:
        """Whether the service gives parameters back as they were sent: a run shows those of a launch of ours."""
        if self.correlate:
            return any(run.name is not None for run in self.runs)
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
    named = [run.execution for run in runs if run.name == wanted.key]
    if len(named) == 1:
        return Adopt(named[0])
    return Doubt(f"{len(named)} runs echo its key", tuple(named)) if named else None


def judge(wanted: Sequence[Wanted], evidence: Evidence) -> dict[str, Verdict]:
    """Tell for each launch, by key, what became of it."""
    verdicts: dict[str, Verdict] = {}
    taken: dict[str, bytes] = {}
    for launch in wanted:
        verdict = _judge_one(launch, evidence, taken)
        if isinstance(verdict, Adopt):
            taken[verdict.execution.job_execution_id] = launch.settings
        verdicts[launch.key] = verdict
    return verdicts


def _judge_one(launch: Wanted, evidence: Evidence, taken: Mapping[str, bytes]) -> Verdict:
    if evidence.correlate and (known := recognized(launch, evidence.runs)) is not None:
        return known
    possible = [
        run
        for run in evidence.runs
        if run.execution.job_execution_id not in taken and _could_be(launch, run, evidence)
    ]
    candidates = tuple(run.execution for run in possible)
    if not possible:
        return Absent()
    if hazy := sum(run.created_at is None for run in possible):
        return Doubt(f"{hazy} runs do not say when they were created, or in which zone", candidates)
    if not evidence.correlate and launch.parameters and evidence.carried.get(launch.parameters) == 1:
        equal = [run.execution for run in possible if run.parameters == launch.parameters]
        if len(equal) == 1:
            return Adopt(equal[0])
        if equal:
            return Doubt(f"{len(equal)} runs have its parameters", tuple(equal))
    if evidence.exclusive:
        return _by_count(launch, possible, evidence, taken)
    return Doubt(f"{len(candidates)} runs could be it", candidates)


def _by_count(
    launch: Wanted, possible: Sequence[Found], evidence: Evidence, taken: Mapping[str, bytes]
) -> Verdict:
    """Nobody else launches this job: runs and lost launches that look alike are matched by their number."""
    candidates = tuple(run.execution for run in possible)
    alike = sum(settings == launch.settings for settings in evidence.unresolved)
    told_apart = launch.parameters is not None and all(
        run.parameters == launch.parameters for run in possible
    )
    if alike < len(evidence.unresolved) and not told_apart:
        return Doubt("runs could be of launches with other settings as well", candidates)
    if len(possible) + sum(settings == launch.settings for settings in taken.values()) > alike:
        return Doubt(
            f"more runs than launches that look like it ({alike}): somebody else started some", candidates
        )
    return Adopt(min(possible, key=lambda run: run.created_at or 0.0).execution)


def _could_be(launch: Wanted, run: Found, evidence: Evidence) -> bool:
    """Whether nothing shows that this run is another launch's."""
    if run.ours:
        return False
    if run.created_at is not None and run.created_at < launch.intended_at - defaults.CLOCK_MARGIN:
        return False
    if evidence.correlate:
        # A run of ours would echo its key: another one's, or parameters without any, are somebody else's.
        return run.name is None and run.parameters is None and not evidence.echoes
    if launch.parameters is None or run.parameters == launch.parameters:
        return True
    if run.parameters is not None and evidence.carried.get(run.parameters):
        return False
    return not evidence.echoes
