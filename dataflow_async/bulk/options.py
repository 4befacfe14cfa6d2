"""What the caller says of a bulk run that keeps a journal; see ``DataFlow.run_all``."""

from __future__ import annotations

import os
from collections.abc import Collection
from typing import Literal, NamedTuple, TypeAlias, cast

from dataflow_async import defaults
from dataflow_async.bulk.progress import OnProgress
from dataflow_async.errors import InvalidRequest
from dataflow_async.models import checks

OnUncertain: TypeAlias = Literal["report", "relaunch"]
"""What becomes of a launch that stays uncertain."""


class PoolOptions(NamedTuple):
    """How a bulk run behaves; see ``DataFlow.run_all``."""

    max_in_flight: int
    max_failures: int | None
    on_progress: OnProgress | None
    total: int | None
    max_outage: float = defaults.MAX_OUTAGE
    """Seconds."""
    journal: str | os.PathLike[str] | None = None


class JournalOptions(NamedTuple):
    """Where the journal is, and how lost launches may be found again."""

    journal: str | os.PathLike[str]
    correlation_parameter: str | None
    assume_exclusive: bool
    visibility_delay: float
    """Seconds."""
    rerun: frozenset[str]
    relaunch: bool
    """Whether a launch that stays uncertain is launched again all the same."""


def journal_options(
    journal: str | os.PathLike[str] | None,
    *,
    correlation_parameter: str | None,
    assume_exclusive: bool,
    visibility_delay: float,
    rerun: Collection[str],
    on_uncertain: OnUncertain,
) -> JournalOptions | None:
    """Check what the caller says; None without a journal.

    Raises:
        InvalidRequest: An argument is malformed, or means nothing without a journal.
    """
    if correlation_parameter is not None:
        checks.text(correlation_parameter, "correlation_parameter")
    checks.flag(assume_exclusive, "assume_exclusive")
    checks.at_least_zero(visibility_delay, "visibility_delay")
    statuses = frozenset(checks.text(status, "rerun") for status in checks.sequence(rerun, "rerun"))
    relaunch = checks.one_of(on_uncertain, ("report", "relaunch"), "on_uncertain") == "relaunch"
    if journal is not None:
        if not isinstance(cast("object", journal), str | os.PathLike):
            raise checks.refuse("journal", journal, "the path of a file")
        return JournalOptions(
            journal, correlation_parameter, assume_exclusive, visibility_delay, statuses, relaunch
        )
    needless = {
        "correlation_parameter": correlation_parameter is not None,
        "assume_exclusive": assume_exclusive,
        "visibility_delay": visibility_delay != defaults.VISIBILITY_DELAY,
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
