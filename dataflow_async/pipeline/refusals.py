"""Errors of pipelines: each says where, what was written, and what exists."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from difflib import get_close_matches
from functools import wraps
from typing import ParamSpec, TypeVar

from dataflow_async import defaults
from dataflow_async.errors import InvalidRequest
from dataflow_async.models import checks
from dataflow_async.pipeline.places import Place, users_place

P = ParamSpec("P")
R = TypeVar("R")


class PipelineError(InvalidRequest):
    """A step is wrong. The message starts with the line that wrote it.

    Attributes:
        place: The line of the user's code.
        step: Label of the step, or None where none was made.
        problem: The message without the place.
    """

    def __init__(
        self, problem: str, place: Place, *, step: str | None = None, field: str | None = None
    ) -> None:
        about = "" if step is None else f"step {step!r}: "
        super().__init__(f"{place}: {about}{problem}", field=field)
        self.problem = problem
        self.place = place
        self.step = step

    def __reduce__(self) -> tuple[Callable[..., PipelineError], tuple[object, ...], dict[str, object]]:
        """Return how to make it again from a pickle."""
        return type(self), (self.problem, self.place), self.__dict__ | {"args": self.args}


def at_users_line(method: Callable[P, R]) -> Callable[P, R]:
    """Let what a method refuses name the line that called it."""

    @wraps(method)
    def located(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return method(*args, **kwargs)
        except PipelineError:
            raise
        except InvalidRequest as refusal:
            reason, field = str(refusal), refusal.field
        raise PipelineError(reason, users_place(), field=field)

    return located


def unknown(what: str, given: object, known: Iterable[str], *, likely: str | None = None) -> InvalidRequest:
    """Return the error for a name that does not exist: what exists, and what is likely meant, or the nearest spelling."""
    names = list(known)
    if likely is None and isinstance(given, str):
        folded = {name.casefold(): name for name in reversed(names)}  # where two differ in case, the first
        near = get_close_matches(given.strip().casefold(), folded, 1)
        likely = folded[near[0]] if near else None
    meant = f" (did you mean {likely!r}?)" if likely else ""
    more = len(names) - defaults.COLUMNS_SHOWN
    listed = ", ".join(printable(name) for name in names[: defaults.COLUMNS_SHOWN]) + (
        f" and {more} more" if more > 0 else ""
    )
    return InvalidRequest(
        f"{what} must be one of {listed or 'none'}, got {checks.shown(given)}{meant}", field=what
    )


def printable(text: str) -> str:
    """Return a text of one line, with escapes for what a terminal would obey."""
    return "".join(it if it.isprintable() else it.encode("unicode_escape").decode("ascii") for it in text)
