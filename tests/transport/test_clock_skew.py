"""The gateway clock: bounds on the server time, and what moves them."""

import math
import random
import time
from email.utils import formatdate

import attrs
import pytest

from dataflow_async.clock import SystemClock
from dataflow_async.transport.clock_skew import Exchange, GatewayClock
from tests.support.clocks import LeapClock

NOW = 1_800_000_000.0


@attrs.define
class Suspendable(LeapClock):
    """A machine whose monotonic clock stands still while it sleeps; ``boot`` goes on."""

    boot: float = 50.0
    has_boottime: bool = True

    @property
    def boottime(self):
        return (lambda: self.boot) if self.has_boottime else None

    def pass_by(self, seconds, *, suspended=False):
        self.now += seconds
        self.boot += seconds
        self.ticks += 0.0 if suspended else seconds


def heard(clock, ours, *, ahead=0.0, cached=False):
    """Let the clock hear an answer of a service whose time is ``ahead`` of ours."""
    steady = clock.steady()
    clock.observe(Exchange(ours.now, steady, steady, formatdate(ours.now + ahead, usegmt=True), cached))


def test_before_any_answer_there_is_no_lower_end():
    clock = GatewayClock(LeapClock(now=NOW))
    assert clock.interval() == (-math.inf, NOW)
    assert not clock.has_observed


def test_suspected_offset_raises_the_later_end_before_any_answer():
    clock = GatewayClock(LeapClock(now=NOW))
    clock.suspected = 7200.0
    assert clock.interval() == (-math.inf, NOW + 7200)


def test_cached_answer_is_not_observed():
    ours = LeapClock(now=NOW)
    clock = GatewayClock(ours)
    heard(clock, ours, cached=True)
    assert clock.interval().earlier == -math.inf


def test_a_date_that_cant_be_read_leaves_the_timestamp():
    ours = LeapClock(now=NOW)
    clock = GatewayClock(ours)
    clock.observe(Exchange(NOW, 0.0, 0.0, "yesterday, or so", cached=False))
    assert clock.interval() == pytest.approx((NOW - 300, NOW + 300))


@pytest.mark.parametrize("step", [-10_800.0, 10_800.0])
@pytest.mark.parametrize("with_boottime", [True, False])
def test_a_wall_clock_that_steps_never_moves_the_interval_away_from_the_truth(step, with_boottime):
    ours = Suspendable(now=NOW) if with_boottime else LeapClock(now=NOW)
    clock = GatewayClock(ours)
    heard(clock, ours)
    ours.now += step
    interval = clock.interval()
    assert interval.earlier <= NOW <= interval.later
    assert (interval.later - interval.earlier < 2) == with_boottime


@pytest.mark.parametrize("with_boottime", [True, False])
def test_a_suspended_machine_keeps_the_truth_within(with_boottime):
    ours = Suspendable(now=NOW, has_boottime=with_boottime)
    clock = GatewayClock(ours)
    heard(clock, ours)
    ours.pass_by(36_000.0, suspended=True)
    interval = clock.interval()
    assert interval.earlier <= NOW + 36_000 <= interval.later
    assert (interval.later - interval.earlier < 10) == with_boottime
    heard(clock, ours)
    interval = clock.interval()
    assert interval.earlier <= NOW + 36_000 <= interval.later
    assert interval.later - interval.earlier < 2


def test_the_machines_boottime_goes_forward():
    clock = SystemClock()
    if clock.boottime is None:
        pytest.skip("there is none here")
    first = clock.boottime()
    assert first <= clock.boottime()
    assert first == pytest.approx(time.clock_gettime(time.CLOCK_BOOTTIME), abs=5)
    assert GatewayClock(clock).steady is clock.boottime


def test_the_skew_of_a_refusal_is_against_the_clock_it_was_signed_by():
    ours = LeapClock(now=NOW)
    clock = GatewayClock(ours)
    refusal = Exchange(NOW - 600, 0.0, 0.0, formatdate(NOW, usegmt=True), cached=False)
    clock.offset = 600.0  # corrected while it was in flight
    ours.now -= 600.0
    assert clock.skew(refusal) == 600
    assert clock.needed_offset(refusal) == 600
    right = Exchange(NOW, 0.0, 0.0, formatdate(NOW + 59, usegmt=True), cached=False)
    assert clock.skew(right) is None
    for date in (NOW, NOW + 90):
        slow = Exchange(NOW, 0.0, 90.0, formatdate(date, usegmt=True), cached=False)
        assert clock.skew(slow) is None
    slow_and_behind = Exchange(NOW, 0.0, 90.0, formatdate(NOW - 70, usegmt=True), cached=False)
    assert clock.skew(slow_and_behind) == -70


@pytest.mark.parametrize("lax", [True, False])
@pytest.mark.parametrize("with_boottime", [True, False])
@pytest.mark.parametrize("seed", range(25))
def test_the_truth_lies_within_whatever_happens(seed, with_boottime, lax):
    """A strict gateway may send any ``Date`` (a lie of minutes is none), a lax one takes any timestamp.

    Meanwhile the machine sleeps, its wall clock steps, its quartz is fast, and answers are slow.
    """
    chance = random.Random(seed)
    ours = Suspendable(now=NOW, has_boottime=with_boottime)
    clock = GatewayClock(ours)
    truth = NOW + (chance.uniform(-90_000, 90_000) if lax else chance.uniform(-290, 290))

    def pass_by(seconds, **how):
        nonlocal truth
        truth += seconds
        ours.pass_by(seconds * chance.uniform(0.99995, 1.00005), **how)

    for _ in range(40):
        pass_by(chance.expovariate(0.05))
        if chance.random() < 0.2:
            pass_by(chance.uniform(0, 50_000), suspended=True)
            clock.interval()  # without a clock that counts suspend, a step at the same moment would hide it
        if chance.random() < 0.2:
            ours.now = (truth if not lax else ours.now) + chance.uniform(-200, 200)
        if chance.random() < 0.7:
            stamp, sent = ours.now, clock.steady()
            pass_by(chance.expovariate(1))
            date = truth
            pass_by(chance.expovariate(1))
            if not lax and chance.random() < 0.3:
                date += chance.choice([-1, 1]) * chance.uniform(900, 90_000)
            accepted = lax or abs(stamp - truth) < 280
            exchange = Exchange(stamp, sent, clock.steady(), formatdate(date, usegmt=True), cached=False)
            if accepted:
                clock.observe(exchange)
        interval = clock.interval()
        assert interval.earlier <= truth
        if clock.has_observed:
            assert truth <= interval.later
