"""What tests of the probe share."""

import pytest

from dataflow_async.probe.probing import probe


@pytest.fixture(autouse=True)
def connections_are_held_shortly(monkeypatch):
    """No test waits for a connection to be idle."""
    monkeypatch.setitem(probe.__kwdefaults__, "hold_idle", 0.0)
