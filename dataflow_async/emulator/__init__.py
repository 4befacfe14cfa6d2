"""A real HTTP Data Flow on loopback, with its own idea of the contract: it shares no code with the client it tests."""

from dataflow_async.emulator.clock import Clock, ManualClock, SystemClock
from dataflow_async.emulator.front import Emulator

__all__ = ["Clock", "Emulator", "ManualClock", "SystemClock"]
