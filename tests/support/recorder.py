"""A call pipeline that builds every call as the real one does, keeps it, and sends nothing."""

import json
from typing import Any

from dataflow_async.transport.pipeline import CallPipeline


class Recorder(CallPipeline):
    def __init__(self) -> None:
        self._prefix = ""
        self.sent: list[Any] = []

    async def _send_until_done(self, call: Any, state: Any) -> None:
        self.sent.append(call)

    @property
    def body(self) -> Any:
        """What the last call would carry."""
        return json.loads(self.sent[-1].body)

    @property
    def target(self) -> str:
        """Where the last call would go."""
        return self.sent[-1].target
