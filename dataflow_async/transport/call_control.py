"""How the caller of one call takes part in its attempts: it may abandon it, delay a repeat, or check the answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple


def never() -> bool:
    """Return False: nobody abandons the call."""
    return False


def accept_any(_: object) -> None:
    """Accept any answer as the one that was asked for."""


class CallControl(NamedTuple):
    """How the caller of one call takes part in its attempts.

    Always true: after ``is_abandoned`` has returned True no further attempt is sent, and an attempt that is signed by
    another clock offset than those before it is sent only once ``before_new_offset`` has returned. An attempt that is in
    flight is always completed.
    """

    is_abandoned: Callable[[], bool] = never
    """Whether no further attempt may be sent; checked before each attempt and each pause."""
    before_new_offset: Callable[[], Awaitable[None]] | None = None
    """Awaited before an attempt that is signed under another clock offset than the last one; what it raises ends the
    call, and the attempt is not sent."""
    repeats: bool = True
    """Whether a failed attempt may be repeated; False does not touch the retry budget."""
    check: Callable[[Any], None] = accept_any
    """Called with the decoded answer; raises a `DecodeError` if it answers something else. Its connection is closed then:
    the answers that follow on it would be off by one as well, contract/notes.md#ruling-98."""


UNCONTROLLED = CallControl()
"""For calls that nobody abandons or checks."""
