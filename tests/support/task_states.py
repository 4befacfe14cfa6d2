"""A task's state in memory, which a test may let fail at a write, as a worker's death or an outage of Airflow does."""

import json


class Outage(Exception):
    """Airflow does not answer."""


class MemoryTaskState:
    """What ``context["task_state_store"]`` does, for one task instance; values go through JSON as they do there."""

    def __init__(self):
        self.values = {}
        self.writes = []
        """The phases that each write has stored, of the latest launch."""
        self.fails_at = None
        """Phase whose write fails; the process counts as dead then: nothing is written any more."""
        self.reads = 0
        self.retentions = []
        """For how long each write is to be kept."""

    def get(self, key, default=None):
        self.reads += 1
        return json.loads(self.values[key]) if key in self.values else default

    def set(self, key, value, *, retention=None):
        phase = None
        if isinstance(value, dict):
            phase = value["launches"][-1][-1]["phase"] if "launches" in value else value.get("phase")
        if self.fails_at is not None and phase in self.fails_at:
            raise Outage("no answer from the API server")
        self.values[key] = json.dumps(value, allow_nan=False)
        self.writes.append(phase)
        self.retentions.append(retention)

    def delete(self, key):
        self.values.pop(key, None)
