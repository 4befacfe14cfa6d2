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
    segments: tuple[tuple[str, bool], ...]
    """Pairs of fixed text and false, or name of a parameter and true."""

    @classmethod
    def of(cls, endpoint: Endpoint) -> "_Template":
        parts = endpoint.path.split("/")
        return cls(endpoint, tuple((part.strip("{}"), part.startswith("{")) for part in parts))

    def ids(self, segments: list[str]) -> dict[str, str] | None:
        """Return the path parameters, or None if the path does not match."""
        ids = {}
        for (name, is_parameter), segment in zip(self.segments, segments, strict=True):
            if is_parameter and segment:
                ids[name] = segment
            elif is_parameter or name != segment:
                return None
        return ids


def by_shape(endpoints: Iterable[Endpoint]) -> dict[tuple[str, int], list[_Template]]:
    """Return templates by method and number of segments; those with fewer parameters first, so that fixed text wins."""
    shapes: dict[tuple[str, int], list[_Template]] = {}
    for template in sorted(map(_Template.of, endpoints), key=lambda it: it.endpoint.path.count("{")):
        shapes.setdefault((template.endpoint.method, len(template.segments)), []).append(template)
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
