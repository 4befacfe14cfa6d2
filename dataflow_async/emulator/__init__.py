"""A real HTTP Data Flow on loopback, with its own idea of the contract: it shares no code with the client it tests."""

from dataflow_async.emulator.clock import Clock, ManualClock, SystemClock
from dataflow_async.emulator.front import Emulator
from dataflow_async.emulator.script import ScriptedRun

__all__ = ["Clock", "Emulator", "ManualClock", "ScriptedRun", "SystemClock"]
