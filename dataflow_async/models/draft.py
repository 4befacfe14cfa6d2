"""A job that is written down and not sent yet, in the form that calls take it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING

from dataflow_async.errors import APIError

if TYPE_CHECKING:
    from dataflow_async.models.nodes.base import JobNode


class JobDraft(ABC):
    """What `Jobs.create`, `Jobs.update` and `Jobs.verify` take in place of nodes; a pipeline is one."""

    name: str
    """Name of the job."""

    @abstractmethod
    def to_nodes(self) -> Sequence[JobNode]:
        """Return its nodes after a check of the whole.

        Raises:
            InvalidRequest: They can't be sent.
        """

    @abstractmethod
    def explain_refusal(self, error: APIError) -> str:
        """Return the service's message about these nodes, with the steps and lines of the draft that it is about."""
