"""What the four resources share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dataflow_async.caller import Caller
from dataflow_async.errors import InvalidRequest
from dataflow_async.models import checks


class Resource:
    """Knows how to send calls, and nothing else."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller


def body_of(extra: Mapping[str, Any] | None, **members: Any) -> dict[str, Any]:
    """Give the members that are not None, joined by the caller's own (ruling 33).

    Raises:
        InvalidRequest: ``extra`` repeats a member that has an argument of its own.
    """
    body = {name: value for name, value in members.items() if value is not None}
    for name, value in (checks.mapping(extra, "extra") if extra is not None else {}).items():
        if name in members:
            raise InvalidRequest(f"extra: {name!r} has an argument of its own", field="extra")
        body[name] = value
    return body
