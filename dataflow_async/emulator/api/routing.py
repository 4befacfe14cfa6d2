"""Routing: the endpoint of a request by method and path; the path is split into segments while it is still encoded."""

from collections.abc import Iterable

import attrs

from dataflow_async.emulator.api.endpoints import ENDPOINTS, Endpoint
from dataflow_async.emulator.api.parsing import decoded
from dataflow_async.emulator.api.responses import by_gateway


@attrs.frozen
class _Template:
    """A path as segments; a segment in braces matches any text that is not empty."""

    endpoint: Endpoint
    length: int
    """How many segments there are."""
    fixed: tuple[tuple[int, str], ...]
    """Places and texts of the segments that are what they say."""
    parameters: tuple[tuple[int, str], ...]
    """Places and names of the others."""

    @classmethod
    def of(cls, endpoint: Endpoint) -> "_Template":
        parts = list(enumerate(endpoint.path.split("/")))
        fixed = tuple((place, part) for place, part in parts if not part.startswith("{"))
        parameters = tuple((place, part.strip("{}")) for place, part in parts if part.startswith("{"))
        return cls(endpoint, len(parts), fixed, parameters)

    def ids(self, segments: list[str]) -> dict[str, str] | None:
        """Return the path parameters, or None if the path does not match."""
        for place, text in self.fixed:
            if segments[place] != text:
                return None
        ids = {name: segments[place] for place, name in self.parameters}
        return None if "" in ids.values() else ids


def by_shape(endpoints: Iterable[Endpoint]) -> dict[tuple[str, int], list[_Template]]:
    """Return templates by method and number of segments; those with fewer parameters first, so that fixed text wins."""
    shapes: dict[tuple[str, int], list[_Template]] = {}
    for template in sorted(map(_Template.of, endpoints), key=lambda it: it.endpoint.path.count("{")):
        shapes.setdefault((template.endpoint.method, template.length), []).append(template)
    return shapes


_SHAPES = by_shape(ENDPOINTS)


def route(method: str, path: str) -> tuple[Endpoint, dict[str, str]]:
    """Return the endpoint of a request, and its path parameters.

    Args:
        method: The verb.
        path: The raw path; it is split before its segments are decoded, so an id may contain an encoded slash.

    Raises:
        Refused: No endpoint matches, or the path can't be decoded.
    """
    segments = [decoded(segment) for segment in path.split("/")] if "%" in path else path.split("/")
    for template in _SHAPES.get((method, len(segments)), ()):
        ids = template.ids(segments)
        if ids is not None:
            return template.endpoint, ids
    raise by_gateway("300", "No API is published at this method and path.")
