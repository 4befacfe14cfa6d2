"""A Data Flow server over real HTTP on loopback; it implements the contract separately and shares no code with the client."""

from dataflow_async.emulator.audit.event_log import History
from dataflow_async.emulator.audit.events import (
    AnswerLost,
    AnswerSent,
    Event,
    RequestReceived,
    ServerStarted,
    SignatureChecked,
    StateChanged,
    StatusReported,
    read_history,
)
from dataflow_async.emulator.audit.journal_invariants import JournalRow
from dataflow_async.emulator.audit.verify import Violation, read_journal, verify_history
from dataflow_async.emulator.emulator import Emulator
from dataflow_async.emulator.faults.plan import Fault, FaultPlan
from dataflow_async.emulator.service.clock import Clock, ManualClock, SystemClock
from dataflow_async.emulator.service.scripts import Scriptable, ScriptedRun

__all__ = [
    "AnswerLost",
    "AnswerSent",
    "Clock",
    "Emulator",
    "Event",
    "Fault",
    "FaultPlan",
    "History",
    "JournalRow",
    "ManualClock",
    "RequestReceived",
    "Scriptable",
    "ScriptedRun",
    "ServerStarted",
    "SignatureChecked",
    "StateChanged",
    "StatusReported",
    "SystemClock",
    "Violation",
    "read_history",
    "read_journal",
    "verify_history",
]
