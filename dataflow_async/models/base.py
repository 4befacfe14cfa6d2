"""What every response has in common."""

from typing import Any

from attrs import field, frozen


@frozen
class Response:
    """An object the service answered with.

    Members that are absent and members that are null look alike: None (ruling 68).
    """

    raw: dict[str, Any] = field(init=False, factory=dict, eq=False, repr=False)
    """The JSON object as received, unknown members included."""
