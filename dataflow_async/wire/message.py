"""What goes out and what comes back: one call, and one answer to an attempt of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from dataflow_async.wire.operation import Operation


class Call(NamedTuple):
    """One call, encoded once for all its attempts."""

    operation: Operation[Any]
    target: str
    """Path and query exactly as they go out."""
    body: bytes | None = None
    headers: Mapping[str, str] | None = None
    """Further headers, beside those of every call."""


class Answer(NamedTuple):
    """A whole response, whatever its status."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    sends: int
    """How often the request was sent: a borrowed session may silently repeat it."""
    drop: Callable[[], None] = lambda: None
    """Closes the connection that it came by; for an answer to another call than this one."""
