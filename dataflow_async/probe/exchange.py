"""One question of the probe, and the answer it got."""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import StrEnum
from functools import cached_property
from typing import Any

from attrs import define, field, frozen


class Signing(StrEnum):
    """How a question is signed."""

    RIGHT = "right"
    WRONG = "wrong"
    """With another secret than that of the access key."""
    NONE = "none"


@frozen
class Question:
    """A request that the probe sends, and the name by which its answer is found."""

    name: str
    method: str
    path: str
    query: Mapping[str, Any] | None = None
    signing: Signing = Signing.RIGHT
    clock_offset: float = 0.0
    """Seconds added to the time of the signature."""
    body: bytes | None = None


@define(slots=False, eq=False)
class Exchange:
    """A question and its answer.

    Always true: ``body`` is the whole body and ``headers`` has names in lower case; ``status`` is 0 where no answer came.
    """

    question: Question
    status: int = 0
    headers: Mapping[str, str] = field(factory=dict)
    body: bytes = field(default=b"", repr=False)
    signed_at: float = 0.0
    """Time in its signature, seconds since the epoch."""
    repeats: int = 0
    """Times that it was sent again because of a 429 or 5xx."""
    retry_after: str | None = None
    """The last ``Retry-After`` of its answers, those included after which it was sent again."""
    reason: str = ""
    """Why no answer came, in a word of ours; empty where one came."""

    @property
    def is_success(self) -> bool:
        """Whether it is a 2xx."""
        return 200 <= self.status < 300

    @cached_property
    def json(self) -> Any:
        """The body as a JSON value; None if it is none."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None

    @property
    def is_json(self) -> bool:
        """Whether the body is a JSON value."""
        return self.json is not None or self.body.strip() == b"null"

    @property
    def members(self) -> Mapping[str, Any]:
        """The body if it is an object, else an empty one."""
        return self.json if isinstance(self.json, dict) else {}

    @property
    def rows(self) -> list[Mapping[str, Any]]:
        """The rows of a list: those of its ``list``, or of its only array."""
        value = self.json
        if isinstance(value, dict):
            arrays = [member for member in value.values() if isinstance(member, list)]
            value = (
                value.get("list") if isinstance(value.get("list"), list) else arrays[0] if arrays else None
            )
        return [row for row in value if isinstance(row, dict)] if isinstance(value, list) else []
