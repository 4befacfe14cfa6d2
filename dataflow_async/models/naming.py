"""Wire names are camelCase; ours are snake_case of the same words."""

from __future__ import annotations

from typing import Any

import attrs


def camel(name: str) -> str:
    """``num_worker`` -> ``numWorker``."""
    head, *rest = name.split("_")
    return head + "".join(word.title() for word in rest)


def to_wire(request: Any) -> dict[str, Any]:
    """Give the members of an attrs object that are not None, under the wire's names."""
    members = {camel(field.name): getattr(request, field.name) for field in attrs.fields(type(request))}
    return {
        name: to_wire(value) if attrs.has(type(value)) else value
        for name, value in members.items()
        if value is not None
    }
