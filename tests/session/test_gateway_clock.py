"""The gateway's time, as the last answer that told it did (ruling 87)."""

from email.utils import formatdate

from dataflow_async.gateway_clock import GatewayClock
from tests.support.clocks import LeapClock


def test_a_date_that_cant_be_read_does_not_make_us_forget_the_last_one():
    ours = LeapClock(now=1_793_458_800.0)
    clock = GatewayClock(ours)
    clock.heard(formatdate(ours.now + 240, usegmt=True))
    assert clock.measured_offset() == 240
    clock.heard("yesterday, or so")
    assert clock.measured_offset() == 240
    assert clock.server_time() == ours.now + 240
