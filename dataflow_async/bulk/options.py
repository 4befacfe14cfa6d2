"""What the caller says of a bulk run that keeps a journal; see ``DataFlow.run_all``."""

from __future__ import annotations

import os
from collections.abc import Collection
from typing import NamedTuple, cast

from dataflow_async import defaults
from dataflow_async.errors import InvalidRequest
from dataflow_async.models import checks


class Terms(NamedTuple):
    """Where the journal is, and how lost launches may be found again."""

    journal: str | os.PathLike[str]
    correlate: str | None
    exclusive: bool
    settle: float
    """Seconds."""
    rerun: frozenset[str]
    relaunch: bool
    """Whether a launch that stays uncertain is launched again all the same."""


def terms(
    journal: str | os.PathLike[str] | None,
    *,
    correlate: str | None,
    exclusive: bool,
    settle: float,
    rerun: Collection[str],
    on_uncertain: str,
) -> Terms | None:
    """Check what the caller says; None without a journal.

    Raises:
        InvalidRequest: An argument is malformed, or means nothing without a journal.
    """
    if correlate is not None:
        checks.text(correlate, "correlate")
    checks.flag(exclusive, "exclusive")
    checks.at_least_zero(settle, "settle")
    statuses = frozenset(checks.text(status, "rerun") for status in checks.sequence(rerun, "rerun"))
    relaunch = checks.one_of(on_uncertain, ("report", "relaunch"), "on_uncertain") == "relaunch"
    if journal is not None:
        if not isinstance(cast("object", journal), str | os.PathLike):
            raise checks.refuse("journal", journal, "the path of a file is needed")
        return Terms(journal, correlate, exclusive, settle, statuses, relaunch)
    needless = {
        "correlate": correlate is not None,
        "exclusive": exclusive,
        "settle": settle != defaults.SETTLE,
        "rerun": bool(statuses),
        "on_uncertain": relaunch,
    }
    for name, given in needless.items():
        if given:
            raise InvalidRequest(
                f"{name}: it says how lost launches are found again, for which a journal is needed",
                field=name,
            )
    return None
