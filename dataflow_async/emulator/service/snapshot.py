"""The state of the service in a file: one JSON object with a version, written whole or not at all.

Times are stored as they are: a run that was in progress when the file was written has ended once the clock is past its end.
"""

import json
import os
import random
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import cattrs

from dataflow_async.emulator.service.scripts import Range
from dataflow_async.emulator.service.state import Execution, Job, State, Trigger, Workflow
from dataflow_async.emulator.service.timeline import Firing, Step, WorkflowRun

FORMAT = "dataflow_async emulator state"
VERSION = 1
"""Increased when an older reader would misread the file."""

_converter = cattrs.Converter()


@attrs.frozen
class Settings:
    """Settings that decide what happens next; see the members of `Core` with the same names."""

    seed: int
    speed: float
    fail_rate: float
    ready_seconds: Range
    run_seconds: Range
    cancel_seconds: Range
    enforce_timeout: bool
    fire_triggers: bool

    @classmethod
    def of(cls, state: State) -> "Settings":
        """Return the settings in force."""
        settings = state.lifecycle_settings
        return cls(
            state.seed,
            settings.speed,
            settings.fail_rate,
            settings.ready_seconds,
            settings.run_seconds,
            settings.cancel_seconds,
            settings.enforce_timeout,
            state.fire_triggers,
        )

    def changed(self, given: dict[str, Any]) -> dict[str, Any]:
        """Return the settings with some replaced, as arguments of a server.

        Raises:
            ValueError: ``seed`` or ``speed`` differs; the stored times and ids were made with those.
        """
        kept = attrs.asdict(self)
        for name in ("seed", "speed"):
            if given.get(name, kept[name]) != kept[name]:
                raise ValueError(
                    f"{name} must stay {kept[name]}, with which the state was made, got {given[name]}"
                )
        return kept | given


@attrs.frozen
class Planned:
    """An entry of the due queue: a trigger, or a job of one of the workflow runs."""

    due: float
    trigger_id: str | None = None
    run: int | None = None
    """Place in the list of workflow runs."""
    job_id: str | None = None


@attrs.frozen
class Saved:
    """Everything in the file but its format and version."""

    saved_at: float
    settings: Settings
    random_sources: dict[str, list[Any]]
    """The position of each, as `random.Random.getstate` returns it."""
    jobs: list[Job]
    triggers: list[Trigger]
    workflows: list[Workflow]
    executions: list[Execution]
    """In the order of creation; the lists of a job and of a workflow follow from it."""
    workflow_runs: list[WorkflowRun]
    """Those that have jobs in the due queue; the others are complete."""
    due_queue: list[Planned]

    @classmethod
    def of(cls, state: State) -> "Saved":
        """Return what a file keeps of a state, as it is now."""
        now = state.settle()
        runs: dict[WorkflowRun, int] = {}
        due_queue = [
            Planned(due, trigger_id=entry.trigger_id)
            if isinstance(entry, Firing)
            else Planned(due, run=runs.setdefault(entry.run, len(runs)), job_id=entry.job_id)
            for due, entry in state.due_queue
        ]
        return cls(
            now,
            Settings.of(state),
            {name: list(source.getstate()) for name, source in _sources(state)},
            list(state.jobs.values()),
            list(state.triggers.values()),
            list(state.workflows.values()),
            list(state.executions.values()),
            list(runs),
            due_queue,
        )

    def restore(self, state: State) -> None:
        """Add everything to an empty state; triggers that were not in the due queue are added to it if triggers fire now.

        Raises:
            ValueError: One part refers to another that is not in the file.
        """
        try:
            self._restore(state)
        except (LookupError, TypeError, ValueError) as error:
            raise ValueError(f"the saved state is damaged: {type(error).__name__}: {error}") from None

    def _restore(self, state: State) -> None:
        for name, source in _sources(state):
            version, internal, gauss = self.random_sources[name]
            source.setstate((version, tuple(internal), gauss))
        state.jobs.update((it.job_id, it) for it in self.jobs)
        state.triggers.update((it.trigger_id, it) for it in self.triggers)
        state.workflows.update((it.workflow_id, it) for it in self.workflows)
        for execution in self.executions:
            state.add_execution(execution)
        for planned in self.due_queue:
            if planned.trigger_id is not None:
                state.due_queue.add(planned.due, Firing(planned.trigger_id))
            elif planned.run is not None and planned.job_id is not None:
                state.due_queue.add(planned.due, Step(self.workflow_runs[planned.run], planned.job_id))
        scheduled = {planned.trigger_id for planned in self.due_queue}
        for trigger in self.triggers:
            if trigger.trigger_id not in scheduled:
                state.schedule(trigger, state.clock.time())


def _sources(state: State) -> Iterator[tuple[str, random.Random]]:
    yield "ids", state.ids
    yield "runs", state.lifecycle_settings.run_random
    yield "cancels", state.lifecycle_settings.cancel_random


def write(path: str | os.PathLike[str], state: State) -> None:
    """Write a state to a file that only its owner may read; an existing file is replaced whole, or not at all.

    Raises:
        OSError: The file can't be written.
    """
    target = Path(path)
    document = {"format": FORMAT, "version": VERSION, **_converter.unstructure(Saved.of(state))}
    text = json.dumps(document, separators=(",", ":"), allow_nan=False)
    with tempfile.NamedTemporaryFile(
        "w", encoding="ascii", prefix=f".{target.name}.", dir=target.parent, delete=False
    ) as draft:
        try:
            draft.write(text)
            draft.flush()
            os.fsync(draft.fileno())
            Path(draft.name).replace(target)
        except BaseException:
            Path(draft.name).unlink()
            raise


def read(path: str | os.PathLike[str]) -> Saved:
    """Read a file that `write` has written.

    Raises:
        OSError: The file can't be read.
        ValueError: It holds no state, or one of a newer version, or it is damaged; the message says which.
    """
    try:
        document = json.loads(Path(path).read_bytes())
    except (ValueError, RecursionError):
        raise ValueError(
            f"{path} must be a saved state of the emulator, got a file that is not JSON"
        ) from None
    if not isinstance(document, dict) or document.pop("format", None) != FORMAT:
        raise ValueError(f"{path} must be a saved state of the emulator, got other JSON")
    if (version := document.pop("version", None)) != VERSION:
        raise ValueError(f"{path} must be a saved state of version {VERSION}, got version {version!r}")
    try:
        return _converter.structure(document, Saved)
    except cattrs.BaseValidationError as error:
        raise ValueError(f"{path} is damaged: {cattrs.transform_error(error)[0]}") from None
