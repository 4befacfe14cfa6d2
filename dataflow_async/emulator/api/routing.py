"""How a request finds its call: by method and by path, cut into segments while it is still encoded."""

from collections.abc import Iterable

import attrs

from dataflow_async.emulator.api.endpoints import OPERATIONS, Operation
from dataflow_async.emulator.api.parsing import decoded
from dataflow_async.emulator.api.responses import by_gateway


@attrs.frozen
class _Template:
    """A path as segments; a segment in braces takes any text but none."""

    operation: Operation
    segments: tuple[tuple[str, bool], ...]
    """Text, or name of the parameter and true."""

    @classmethod
    def of(cls, operation: Operation) -> "_Template":
        parts = operation.path.split("/")
        return cls(operation, tuple((part.strip("{}"), part.startswith("{")) for part in parts))

    def ids(self, segments: list[str]) -> dict[str, str] | None:
        """The path parameters if this is the path, else nothing."""
        ids = {}
        for (name, is_parameter), segment in zip(self.segments, segments, strict=True):
            if is_parameter and segment:
                ids[name] = segment
            elif is_parameter or name != segment:
                return None
        return ids


def by_shape(operations: Iterable[Operation]) -> dict[tuple[str, int], list[_Template]]:
    """Templates by method and number of segments; those with fewer parameters first, so that fixed text wins."""
    shapes: dict[tuple[str, int], list[_Template]] = {}
    for template in sorted(map(_Template.of, operations), key=lambda it: it.operation.path.count("{")):
        shapes.setdefault((template.operation.method, len(template.segments)), []).append(template)
    return shapes


_SHAPES = by_shape(OPERATIONS)


def route(method: str, path: str) -> tuple[Operation, dict[str, str]]:
    """Find the call a request means.

    Args:
        method: The verb.
        path: The raw path; it is cut into segments before these are decoded, so that an id may hold an encoded slash.
    """
    segments = [decoded(segment) for segment in path.split("/")] if "%" in path else path.split("/")
    for template in _SHAPES.get((method, len(segments)), ()):
        ids = template.ids(segments)
        if ids is not None:
            return template.operation, ids
    raise by_gateway("300", "No API is published at this method and path.")
