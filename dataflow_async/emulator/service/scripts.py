"""Scripted runs: how long the next runs take, how they end, and which statuses they show."""

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from typing import Any

import attrs

Range = tuple[float, float]
"""Shortest and longest time, emulated seconds; the time is chosen at random between them."""

_GOING = ("READY", "RUNNING")
_ENDED = ("COMPLETED", "FAILED", "CANCELED")


def _range(value: float | Sequence[float] | None) -> Range | None:
    """Return a number of seconds, or two of them, as a range."""
    if value is None:
        return None
    bounds = tuple(value) if isinstance(value, list | tuple) else (value, value)
    if len(bounds) != 2 or not all(map(_is_duration, bounds)) or bounds[0] > bounds[1]:
        raise ValueError(
            f"a time must be a number of seconds, 0 or more, or two of them, the shorter first, got {value!r}"
        )
    return float(bounds[0]), float(bounds[1])


def _is_duration(value: Any) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and 0 <= value < math.inf


def _outcome(_run: object, _attribute: object, value: Any) -> None:
    if value is not None and (not isinstance(value, str) or not value or value in _GOING):
        raise ValueError(f"an outcome must be {', '.join(_ENDED)} or a text of your own, got {value!r}")


def _phases(value: Sequence[tuple[str, float]]) -> tuple[tuple[str, float], ...]:
    return tuple(map(_phase, value))


def _phase(value: object) -> tuple[str, float]:
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise ValueError(f"a phase must be a status and a number of seconds, got {value!r}")
    status, seconds = value
    if not isinstance(status, str) or not status or status in _ENDED:
        raise ValueError(f"a phase must have the status of a run that goes on, got {status!r}")
    if not _is_duration(seconds):
        raise ValueError(f"a phase must take a number of seconds, 0 or more, got {seconds!r}")
    return status, float(seconds)


@attrs.frozen
class ScriptedRun:
    """The lifecycle of one run. Parts that are left out are chosen at random, as for any other run.

    Raises:
        ValueError: A time, an outcome or a phase is not valid; the message names the value.
    """

    outcome: str | None = attrs.field(default=None, validator=_outcome)
    """How it ends: COMPLETED, FAILED, CANCELED, or a status of your own (contract/notes.md#ruling-63)."""
    run_seconds: Range | None = attrs.field(default=None, converter=_range, kw_only=True)
    """How long it works, emulated seconds: a number, or the shortest and the longest."""
    ready_seconds: Range | None = attrs.field(default=None, converter=_range, kw_only=True)
    """How long it waits before it starts, in the same form."""
    phases: tuple[tuple[str, float], ...] = attrs.field(default=(), converter=_phases, kw_only=True)
    """Its statuses while it works, instead of RUNNING: any statuses, also back to READY, each with its emulated seconds.
    Together they are its work, so ``run_seconds`` is not allowed beside them."""

    def __attrs_post_init__(self) -> None:
        if self.phases and self.run_seconds is not None:
            raise ValueError(
                f"run_seconds must be absent beside phases, whose seconds are the work, got {self.run_seconds!r}"
            )

    @property
    def work(self) -> Range | None:
        """Shortest and longest work, or None if the script leaves it open."""
        if not self.phases:
            return self.run_seconds
        total = sum(seconds for _, seconds in self.phases)
        return (total, total)

    def phase_starts(self) -> Iterator[tuple[float, str]]:
        """Yield each phase with the emulated seconds of work before it."""
        before = accumulate((seconds for _, seconds in self.phases), initial=0.0)
        return ((begins, status) for begins, (status, _) in zip(before, self.phases, strict=False))


UNSCRIPTED = ScriptedRun()
"""A run without a script."""

Scriptable = ScriptedRun | str | tuple[str, float]
"""A scripted run, or the short form of one: its outcome, or its outcome and its seconds of work."""


def _scripted_run(value: object) -> ScriptedRun:
    """Return a scripted run from its long or short form."""
    if isinstance(value, ScriptedRun):
        return value
    if isinstance(value, str):
        return ScriptedRun(value)
    if isinstance(value, tuple) and len(value) == 2:
        return ScriptedRun(value[0], run_seconds=value[1])
    raise ValueError(f"a run must be a ScriptedRun, an outcome, or an outcome and seconds, got {value!r}")


@attrs.define
class Script:
    """The scripted runs of a job, in the order of their launches."""

    runs: tuple[ScriptedRun, ...]
    repeat: bool = False
    """Begin again after the last one; otherwise later runs are not scripted."""
    played: int = 0
    """Launches so far."""

    @classmethod
    def of(cls, runs: Iterable[Scriptable] | ScriptedRun | str, *, repeat: bool = False) -> "Script":
        """Return a script from runs in long or short form, or from a single one.

        Raises:
            ValueError: One of them is not a run.
        """
        several = [runs] if isinstance(runs, ScriptedRun | str) else runs
        return cls(tuple(map(_scripted_run, several)), repeat)

    def next(self) -> ScriptedRun:
        """Return the script of the run that is launched now."""
        turn, self.played = self.played, self.played + 1
        if self.repeat and self.runs:
            turn %= len(self.runs)
        return self.runs[turn] if turn < len(self.runs) else UNSCRIPTED
