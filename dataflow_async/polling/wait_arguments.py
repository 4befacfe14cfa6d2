"""Checks the arguments of waits before anything is sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dataflow_async.models import checks

if TYPE_CHECKING:
    from dataflow_async.polling.waiter import OnChange


def check_wait(
    timeout: float | None,
    on_change: OnChange | None,
    *,
    cancel_on_timeout: bool,
    cancel_on_cancel: bool,
    check: bool,
) -> None:
    """Check the arguments of one wait.

    Raises:
        InvalidRequest: One is malformed; the message names it.
    """
    checked_timeout(timeout)
    checks.callback(on_change, "on_change")
    checks.flag(cancel_on_timeout, "cancel_on_timeout")
    checks.flag(cancel_on_cancel, "cancel_on_cancel")
    checks.flag(check, "check")


def checked_timeout(timeout: float | None) -> float | None:
    """Return a time-out in seconds, checked; None for none.

    Raises:
        InvalidRequest: Field ``"timeout"``.
    """
    return None if timeout is None else checks.at_least_zero(timeout, "timeout")
