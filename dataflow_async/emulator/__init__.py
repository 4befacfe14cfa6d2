"""A real HTTP Data Flow on loopback, with its own idea of the contract: it shares no code with the client it tests."""

from dataflow_async.emulator.emulator import Emulator
from dataflow_async.emulator.service.clock import Clock, ManualClock, SystemClock
from dataflow_async.emulator.service.scripts import ScriptedRun

__all__ = ["Clock", "Emulator", "ManualClock", "ScriptedRun", "SystemClock"]
