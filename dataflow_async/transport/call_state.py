"""The state of one call between its attempts."""

from __future__ import annotations

from dataflow_async.errors import APIError, DecodeError, TransportError
from dataflow_async.transport.call_control import CallControl
from dataflow_async.transport.clock_skew import Exchange
from dataflow_async.wire.message import Answer
from dataflow_async.wire.signature import Keys

CallError = APIError | TransportError | DecodeError
AttemptResult = Answer | CallError
"""How an attempt ends: a 2xx, or an error that is not raised yet."""


class CallState:
    """What one call carries from attempt to attempt: counters, deadline, clock offset, keys and retry budget.

    Always true: ``unclear`` stays set once an attempt may have taken effect, and each ``*_tried`` flag once its
    recovery of a 401 was used, so a call ends after a bounded number of attempts. Resetting one of them would repeat a
    call that may have run, or repeat it without end. Most calls need one attempt, and change few of these.
    """

    deadline: float = 0.0
    """Monotonic time; set when the first slot is acquired."""
    attempts: int = 0
    """Attempts that were sent."""
    retries: int = 0
    """Attempts after the first that the retry policy granted; those of an auth recovery do not count."""
    tokens_spent: int = 0
    """Tokens of the retry budget that the last retry took."""
    unclear: bool = False
    """Whether an attempt may have taken effect although its answer did not say so."""
    candidate_offset: float | None = None
    """Clock offset that is not proven yet; None to sign by the adopted one."""
    signed_offset: float | None = None
    """Clock offset that the last attempt was signed with."""
    signed_keys: Keys | None = None
    """Keys that the last attempt was signed with."""
    exchange: Exchange | None = None
    """The times of the last attempt, if it was answered."""
    failed_candidates: int = 0
    """Candidate offsets of the client that had failed when the last attempt was signed."""
    clock_tried: bool = False
    keys_tried: bool = False
    pause_tried: bool = False

    def __init__(self, control: CallControl) -> None:
        self.control = control

    def acquired(self, queued: float, now: float, total_timeout: float) -> None:
        """Start the deadline when the first slot is acquired; extend it by the time in the queue for later ones.

        Args:
            queued: Monotonic time when the call was queued.
            now: Monotonic time when it acquired its slot.
            total_timeout: Seconds for all attempts and pauses.
        """
        self.deadline = self.deadline + now - queued if self.attempts else now + total_timeout
