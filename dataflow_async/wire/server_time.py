"""Server time as it is known: an interval, not a number (ruling 87). Pure."""

from __future__ import annotations

from typing import NamedTuple


class ServerTime(NamedTuple):
    """The service's time now lies in here; Unix seconds."""

    earlier: float
    """Lower end; minus infinity while nothing was heard from the service."""
    later: float
    """Upper end."""
