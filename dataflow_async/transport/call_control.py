"""What the maker of a call may still say while the call is under way."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from attrs import frozen


def never() -> bool:
    """Return False: nobody abandons the call."""
    return False


def believe(_: object) -> None:
    """Take any answer for the one that was asked for."""


@frozen(eq=False)
class CallControl:
    """How the maker of one call takes part in its attempts.

    Always true: after ``is_abandoned`` has returned True no further attempt is sent, and an attempt that is signed by
    another clock offset than those before it is sent only once ``before_resend`` has returned. An attempt that is in
    flight is always completed.
    """

    is_abandoned: Callable[[], bool] = never
    """Whether no further attempt may be sent; checked before each attempt and each pause."""
    before_resend: Callable[[], Awaitable[None]] | None = None
    """Awaited before an attempt that is signed under another clock offset than the last one; what it raises ends the
    call, and the attempt is not sent."""
    repeats: bool = True
    """Whether a failed attempt may be repeated; False leaves the retry budget alone."""
    check: Callable[[Any], None] = believe
    """Called with what the answer holds; raises a `DecodeError` if it answers something else. The connection that it came
    by is closed then: the answers that follow on it would be off by one as well (ruling 98)."""


UNCONTROLLED = CallControl()
"""For calls that nobody abandons or watches."""
