"""Crashes, losses and strangers in any order: no launch starts twice, and none is lost (promise 6)."""

from collections import Counter

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from dataflow_async import Launch
from dataflow_async.bulk.digests import parameters_digest, settings_digest
from dataflow_async.bulk.launch_records import JournalPhase
from tests.support.examples import example_count
from tests.support.world import JOB, VISIBILITY_DELAY, Echo, Send, World

SMALL, LARGE = {"numWorker": 2}, {"numWorker": 8}
LAUNCHES = {
    launch.key: launch
    for launch in (
        Launch(JOB, key="20261101", parameters={"day": "20261101"}),
        Launch(JOB, key="20261102", parameters={"day": "20261102"}),
        Launch(JOB, key="wider", parameters={"day": "20261102", "hour": "1"}),
        Launch(JOB, key="hourly", parameters={"hour": "5"}),
        Launch(JOB, key="small", parameters={"day": "x"}, condition=SMALL),
        Launch(JOB, key="large", parameters={"day": "x"}, condition=LARGE),
        Launch(JOB, key="twin a", parameters={"day": "t"}),
        Launch(JOB, key="twin b", parameters={"day": "t"}),
        Launch(JOB, key="bare a"),
        Launch(JOB, key="bare b"),
        Launch(JOB, key="bare large", condition=LARGE),
    )
}
ECHOES = (
    Echo(),
    Echo(silent=True),
    Echo(stored={"tenant": "acme"}),
    Echo(stored={"day": "stored"}),
    Echo(stored={"day": "x"}),  # as the launch "large" is given them
    Echo(numbers=True),
    Echo(after=60.0),
)
FOREIGN = ({}, {"day": "20261101"}, {"day": "x"}, {"day": "t"}, {"day": "z"}, {"key": "a stranger's"})

OFF = st.sampled_from((0.0, -299.0, 299.0))
SENDS = st.builds(
    Send,
    effect=st.booleans(),
    heard=st.booleans(),
    throttled=st.sampled_from((False, False, False, True)),
    unseen=st.sampled_from((0.0, 0.0, 1.0, 30.0, VISIBILITY_DELAY - 15)),
    zoneless=st.sampled_from((False, False, False, True)),
    status=st.sampled_from(("COMPLETED", "FAILED")),
)


class Reconciliation(RuleBasedStateMachine):
    """Lives of a program with one journal, of its service, and of others who use the same job."""

    @initialize(
        echo=st.sampled_from(ECHOES), page=st.sampled_from((1, 3, 1000)), assume_exclusive=st.booleans()
    )
    def begin(self, echo, page, assume_exclusive):
        self.world = World(echo, page=page)
        self.assume_exclusive = assume_exclusive

    @precondition(lambda self: not self.assume_exclusive)
    @rule(parameters=st.sampled_from(FOREIGN), send=SENDS, off=OFF)
    def somebody_else_starts_one(self, parameters, send, off):
        self.world.start(parameters, None, send, clock_off=off)

    @rule(seconds=st.sampled_from((1.0, 100.0, 700.0, 90_000.0)))
    def time_passes(self, seconds):
        self.world.clock.advance(seconds)

    @rule(
        keys=st.sets(st.sampled_from(sorted(LAUNCHES)), min_size=1),
        sends=st.lists(SENDS, max_size=12),
        correlation_parameter=st.sampled_from((None, "key", "other")),
        rerun=st.sampled_from(((), ("FAILED",))),
        steps=st.none() | st.integers(1, 60),
        clock_off=OFF,
        send_off=OFF,
    )
    def the_program_lives(self, keys, sends, correlation_parameter, rerun, steps, clock_off, send_off):
        outcomes = self.world.live(
            [LAUNCHES[key] for key in sorted(keys)],
            sends,
            correlation_parameter=correlation_parameter,
            assume_exclusive=self.assume_exclusive,
            rerun=rerun,
            steps=steps,
            clock_off=clock_off,
            send_off=send_off,
        )
        if outcomes is None:
            return
        assert sorted(outcome.key for outcome in outcomes) == sorted(keys)
        latest = {entry.key: entry for entry in self.world.entries()}
        for outcome in outcomes:
            phase = latest[outcome.key].phase
            assert (outcome.status == "UNCERTAIN") == (phase in (JournalPhase.INTENT, JournalPhase.UNKNOWN))
            assert (outcome.execution is not None) == (phase in (JournalPhase.ACCEPTED, JournalPhase.ENDED))

    @invariant()
    def nothing_started_twice_and_nothing_is_lost(self):
        if not hasattr(self, "world"):
            return
        entries = self.world.entries()
        in_journal = Counter(entry.execution_id for entry in entries if entry.execution_id)
        assert not [run for run, count in in_journal.items() if count > 1], "a run was taken twice"
        for alike in {entry.settings for entry in entries}:
            rows = [entry for entry in entries if entry.settings == alike]
            runs = self.world.ours(alike, LAUNCHES.values())
            assert len(runs) <= len(rows), f"{rows[0].key} was started {len(runs)} times for {len(rows)} rows"
            open_rows = sum(entry.phase in (JournalPhase.INTENT, JournalPhase.UNKNOWN) for entry in entries)
            lost = [run.id for run in runs if run.id not in in_journal]
            assert len(lost) <= open_rows, f"runs {lost} are in no row"

    @invariant()
    def a_run_belongs_to_who_started_it(self):
        if not hasattr(self, "world"):
            return
        runs = {run.id: run for run in self.world.runs}
        for entry in self.world.entries():
            if entry.execution_id is None:
                continue
            run = runs[entry.execution_id]
            if (
                run.owner is None
            ):  # equal work that somebody else started: allowed, if nothing else has its parameters
                assert entry.parameters is not None
                shown = run.shown(self.world.echo, self.world.clock.time()).parsed_parameters
                assert parameters_digest(shown) == entry.parameters
            else:
                assert settings_digest(LAUNCHES[run.owner]) == entry.settings

    def teardown(self):
        if hasattr(self, "world"):
            self.world.close()


class Deep(Reconciliation):
    """The same, for longer."""


Reconciliation.TestCase.settings = settings(max_examples=example_count(25, 80), stateful_step_count=12)
Deep.TestCase.settings = settings(max_examples=400, stateful_step_count=25)

TestReconciliation = Reconciliation.TestCase
TestReconciliationDeep = pytest.mark.slow(Deep.TestCase)
