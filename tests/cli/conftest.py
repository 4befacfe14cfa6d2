"""What tests of the command line share."""

import pytest

from dataflow_async import PollPolicy, defaults


@pytest.fixture(autouse=True)
def commands_wait_shortly(monkeypatch):
    """Commands in this process poll at once, and sign again at once after a refused signature."""
    monkeypatch.setitem(PollPolicy.__init__.__kwdefaults__, "min_interval", 0.02)
    monkeypatch.setattr(defaults, "AUTH_RECOVERY_PAUSE", 0.0)
