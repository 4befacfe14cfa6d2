"""Names of members: camelCase on the wire, snake_case of the same words in Python."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import attrs

from dataflow_async.errors import InvalidRequest


def camel(name: str) -> str:
    """Return ``num_worker`` as ``numWorker``."""
    head, *rest = name.split("_")
    return head + "".join(word.title() for word in rest)


def to_wire(request: Any) -> dict[str, Any]:
    """Return the members of a request object that are not None, under the wire's names.

    What they hold is not read: an object given by mistake might hold keys.
    """
    members = {camel(field.name): getattr(request, field.name) for field in attrs.fields(type(request))}
    return {name: value for name, value in members.items() if value is not None}


def known_members(
    members: Mapping[str, Any], wire_names: Iterable[str], field: str, *, is_open: bool = False
) -> dict[str, Any]:
    """Return the members of a plain mapping under the wire's names; names in snake_case are accepted as well.

    Raises:
        InvalidRequest: A member has no known name, unless ``is_open``; or it stands there under both.
    """
    names = tuple(wire_names)
    known = {snake(name): name for name in names} | {name: name for name in names}
    given: dict[str, Any] = {}
    for name, value in members.items():
        if name not in known and not is_open:
            from difflib import get_close_matches

            near = get_close_matches(name.lower(), [each.lower() for each in known], 1, 0.5)
            similar = next((f", such as {each!r}" for each in known if [each.lower()] == near), "")
            raise InvalidRequest(
                f"{field}.{name} must be a known member{similar}; members of newer docs go into extra",
                field=f"{field}.{name}",
            )
        wire_name = known.get(name, name)
        if wire_name in given:
            raise InvalidRequest(
                f"{field}.{name} must be given once, got it twice: as {wire_name!r} too",
                field=f"{field}.{name}",
            )
        given[wire_name] = value
    return given


def snake(name: str) -> str:
    """Return ``numWorker`` as ``num_worker``."""
    return re.sub(r"[A-Z]", lambda match: "_" + match[0].lower(), name)
