"""Whose keys these are, as far as a client can see: their source, the service, its clock, and one call that reads."""

from __future__ import annotations

import asyncio
import os
import time
import urllib.error
import urllib.request
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from attrs import frozen

from dataflow_async import (
    AuthenticationFailed,
    CredentialsError,
    DataFlowError,
    PermissionDenied,
)
from dataflow_async.cli.exit_codes import CommandFailed, exit_code, is_clock_off
from dataflow_async.cli.output import Column, plain
from dataflow_async.cli.text import masked, one_line

if TYPE_CHECKING:
    from dataflow_async.cli.context import Context

_TIMEOUT = 5.0
"""Seconds for the answer whose date shows the service's clock."""
_ACCURACY = 1.5
"""Seconds below which two clocks count as equal: a date leaves out fractions, and an answer takes a while."""


def _skew(seconds: Any) -> str:
    if not isinstance(seconds, int | float):
        return plain(seconds)
    if abs(seconds) <= _ACCURACY:
        return "as the service's"
    return f"{abs(seconds):.0f} s {'behind' if seconds > 0 else 'ahead of'} the service's"


COLUMNS = [
    Column("service", "service"),
    Column("named by", "serviceSource"),
    Column("access key", "accessKey"),
    Column("keys from", "keySource"),
    Column("this clock", "clockSkew", _skew),
    Column("reading", "reading"),
    Column("missing", "missing"),
]


@frozen
class Identity:
    """What was found, and why it ends there."""

    record: dict[str, Any]
    error: Exception | None = None


async def examine(context: Context) -> Identity:
    """Find out what the keys are and whether they may read."""
    record: dict[str, Any] = {"service": context.service, "serviceSource": _service_source(context)}
    try:
        keys = await context.keys.get()
    except CredentialsError as error:
        line = f"{one_line(error)}; set both keys in the environment, or give --profile"
        return Identity(record | {"keySource": "none"}, CommandFailed(line, exit_code(error)))
    record |= {"accessKey": masked(keys.access_key), "keySource": context.keys.source}
    async with context.client() as flow:
        record["clockSkew"] = await asyncio.to_thread(_clock_skew, context.service)
        try:
            page = await flow.jobs.page(limit=1)
        except DataFlowError as error:
            return Identity(record | {"reading": "no"} | _missing(error), _failure(error))
    reading = "yes" if page.items else "yes, there is no job yet"
    return Identity(record | {"reading": reading})


def _failure(error: DataFlowError) -> Exception:
    """Return the failure of the command; where keys are refused `next_step` would name this very command."""
    if not isinstance(error, AuthenticationFailed) or is_clock_off(error):
        return error
    return CommandFailed(f"{one_line(error)}; check both keys", exit_code(error))


def _missing(error: DataFlowError) -> dict[str, Any]:
    """Return which policy the account lacks, or what else is the reason."""
    if isinstance(error, PermissionDenied):
        return {
            "missing": "a policy of the sub account: NCP_DATA_FLOW_VIEWER to read, NCP_DATA_FLOW_MANAGER to change and"
            " run; jobs themselves run under a role with NCP_DATA_FLOW_SERVICE_ROLE"
        }
    if isinstance(error, AuthenticationFailed) and is_clock_off(error):
        return {"missing": "the right time: set the clock of this machine", "clockSkew": error.clock_skew}
    if isinstance(error, AuthenticationFailed):
        return {"missing": "keys that the service accepts: check both, and that they belong to this service"}
    return {}


def _service_source(context: Context) -> str:
    if context.url:
        return "--url"
    return "NCLOUD_DATAFLOW_URL" if os.environ.get("NCLOUD_DATAFLOW_URL") else "default"


def _clock_skew(service: str) -> float | None:
    """Return the service's clock minus ours in seconds, by the date of an unsigned answer; None without one."""
    base = service.rstrip("/").removesuffix("/api/v1")
    request = urllib.request.Request(f"{base}/api/v1/jobs")  # noqa: S310  # https:, or http: where that is allowed
    before = time.time()
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT) as answer:  # noqa: S310  # as above
            date = answer.headers.get("Date")
    except urllib.error.HTTPError as error:
        date = error.headers.get("Date")
    except (OSError, ValueError):
        return None
    after = time.time()
    try:
        moment = parsedate_to_datetime(date).timestamp() + 0.5
    except (TypeError, ValueError):
        return None
    return round(moment - (before + after) / 2, 1)
