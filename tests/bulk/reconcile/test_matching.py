"""Each sentence of promise 6 about what listings prove, and what must hold whatever they show."""

from collections import Counter

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow_async import defaults
from dataflow_async.bulk.digests import parameters_digest
from dataflow_async.bulk.launch_records import KnownRun, Unresolved
from dataflow_async.bulk.reconcile.dating import DateReader, Dating
from dataflow_async.bulk.reconcile.evidence import Evidence, LostLaunch
from dataflow_async.bulk.reconcile.matching import match_by_key, match_launches
from dataflow_async.bulk.reconcile.result import Absent, Adopt, Uncertain
from dataflow_async.bulk.reconcile.run_index import ListedRun, RunIndex, listed_run
from dataflow_async.bulk.reconcile.steps import at_once
from dataflow_async.models.execution import JobExecution
from dataflow_async.wire.decoding import decode
from tests.bulk.reconcile.test_dating import text

T = 1_793_458_800.0
EDGE = T - defaults.CLOCK_MARGIN
NAME = "key"


def lost(key="a", parameters=None, *, correlated=False, settings=None, at=T, until=None, **more):
    """A launch whose answer was lost."""
    sent = {**(parameters or {}), **({NAME: key} if correlated else {})}
    made = settings or repr(sorted((parameters or {}).items()))
    digest = parameters_digest(sent)
    return LostLaunch(key, made.encode(), digest, sent, correlated, at, until or at + 1, at + 30, **more)


def run(echoed=None, *, at=T + 1, name="r1", status=None, ended=None, **members):
    """A run in a listing that the journal does not know."""
    row = {"jobExecutionId": name, "jobId": "job", "status": status, "parsedParameters": echoed, **members}
    row |= {"createdDate": at if at is None or isinstance(at, str) else text(at)}
    if ended is not None:
        row["endDate"] = text(ended)
    return listed_run(decode(JobExecution, row, {}), NAME)


class Proven:
    """Lists to which nothing is missing."""

    consistent = True

    def gap(self, launch, reader):
        return None


def evidence(launches, runs, *, assume_exclusive=False, others=(), own=(), **more):
    """What the journal knows: the launches asked about, others in doubt, and others that are done."""
    doubtful = [launch for launch in [*launches, *others] if isinstance(launch, LostLaunch)]
    carried = Counter(launch.parameters for launch in [*launches, *others] if launch.parameters)
    index = RunIndex(launches, runs)
    told = {
        "dating": Dating(own),
        "absence": Proven(),
        "unresolved": [Unresolved(it.key, 1, it.settings, it.parameters) for it in doubtful],
        "echoes": any(digest in carried for digest in at_once(index.digests())),
    }
    return Evidence(runs=index, assume_exclusive=assume_exclusive, carried=carried, **{**told, **more})


def matched(launches, known):
    return dict(match_launches(launches, known))


@attrs.frozen
class Done:
    """A launch of the journal of which everything is known."""

    parameters: bytes | None


DAY1, DAY2 = {"day": "1"}, {"day": "2"}
DONE2 = Done(parameters_digest(DAY2))
ECHOES = {"others": [DONE2], "echoes": True}
"""A run of ours echoes what was sent: it shows that the service does so."""

OWN, OFF, ZONELESS = (
    KnownRun(f"own{n}", f"own{n}", T - 1, T, T + 1, date, adopted=False, ended=False)
    for n, date in enumerate((text(T), text(T - 32_400), "2026-11-01T00:00:00.000"))
)
"""Runs of ours, with dates that are right, nine hours off, without a zone."""

ABSENT, DOUBT = "did not happen", "can't be told"

TABLE = {
    # name: (launch, runs, further arguments of evidence, result: a run's id is its adoption)
    "no run at all": (lost(), [], {}, ABSENT),
    "only runs from before, two clocks apart": (lost(), [run(at=EDGE - 0.001)], {}, ABSENT),
    "a run from within the margin": (lost(), [run(at=EDGE)], {}, DOUBT),
    "a run without a usable time": (lost(), [run(at=None)], {}, DOUBT),
    "such a run, even if nobody else launches": (lost(), [run(at=None)], {"assume_exclusive": True}, DOUBT),
    "such a run, even with unique parameters": (lost("a", DAY1), [run(DAY1, at=None)], {}, DOUBT),
    # correlation_parameter
    "the one run that echoes the key": (lost(correlated=True), [run({NAME: "a"})], {}, "r1"),
    "the same among strangers": (
        lost(correlated=True),
        [run(name="r2"), run({NAME: "a"}), run({NAME: "z"}, name="r3")],
        {},
        "r1",
    ),
    "the same without a usable time": (lost(correlated=True), [run({NAME: "a"}, at=None)], {}, "r1"),
    "two runs that echo the key": (
        lost(correlated=True),
        [run({NAME: "a"}), run({NAME: "a"}, name="r2")],
        {},
        DOUBT,
    ),
    "a run that goes on echoes the key, dated last week": (
        lost(correlated=True),
        [run({NAME: "a"}, at=T - 604_800, status="RUNNING")],
        {},
        "r1",
    ),
    "a run that had ended last week echoes the key": (
        lost(correlated=True),
        [run({NAME: "a"}, at=T - 604_800, status="COMPLETED")],
        {},
        DOUBT,
    ),
    "a run that had ended a minute before echoes the key": (
        lost(correlated=True),
        [run({NAME: "a"}, at=T - 90, ended=T - 60, status="COMPLETED")],
        {},
        DOUBT,
    ),
    "the same, and its dates have no zone": (
        lost(correlated=True),
        [run({NAME: "a"}, at="2026-10-31T23:50:00", status="COMPLETED")],
        {},
        DOUBT,
    ),
    "the same, and runs of ours show that such dates say nothing": (
        lost(correlated=True),
        [run({NAME: "a"}, at=T - 90, ended=T - 60, status="COMPLETED")],
        {"own": [OWN, OFF]},
        "r1",
    ),
    "the same beside its own": (
        lost(correlated=True),
        [
            run({NAME: "a"}, at=T - 90, ended=T - 60, status="COMPLETED", name="r0"),
            run({NAME: "a"}, at=T + 2, ended=T + 9, status="COMPLETED"),
        ],
        {},
        "r1",
    ),
    "one that had ended last week, and runs of ours show that dates are right": (
        lost(correlated=True),
        [run({NAME: "a"}, at=T - 604_800, status="COMPLETED")],
        {"own": [OWN]},
        ABSENT,
    ),
    "the same beside one that goes on": (
        lost(correlated=True),
        [
            run({NAME: "a"}, at=T - 604_800, status="COMPLETED", name="r0"),
            run({NAME: "a"}, status="RUNNING"),
        ],
        {},
        "r1",
    ),
    "a run echoes another key": (lost(correlated=True), [run({NAME: "b"})], {}, ABSENT),
    "a run echoes the key in another form": (
        lost("\ud55c Day-1 ", correlated=True),
        [run({NAME: "\u1112\u1161\u11ab day-1"})],
        {"others": [DONE2], "echoes": True},
        DOUBT,
    ),
    "a run echoes another key, and runs of ours show that keys come back changed": (
        lost(correlated=True),
        [run({NAME: "b"})],
        {"garbles": True},
        DOUBT,
    ),
    "a run echoes the parameters in another form": (
        lost("a", {"day": "Mon "}),
        [run({"day": "mon"})],
        {"others": [DONE2], "echoes": True},
        DOUBT,
    ),
    "a run echoes another key, and its date says nothing": (
        lost(correlated=True),
        [run({NAME: "b"}, at=None)],
        {"assume_exclusive": True},
        ABSENT,
    ),
    "a run is READY, and shows no parameters": (
        lost(correlated=True),
        [run({}, status="READY")],
        ECHOES,
        DOUBT,
    ),
    "a run shows no parameters yet": (
        lost(correlated=True),
        [run()],
        ECHOES,
        DOUBT,
    ),
    "a run has no parameters": (lost(correlated=True), [run({})], ECHOES, ABSENT),
    "a key that came back as a number": (
        lost("7", correlated=True),
        [run({NAME: 7})],
        ECHOES,
        DOUBT,
    ),
    "a key sent under an earlier name": (lost("a", {"old": "a"}), [run({"old": "a"})], {}, "r1"),
    # unique parameters
    "exactly one equal run": (lost("a", DAY1), [run(DAY1)], {}, "r1"),
    "two equal runs": (lost("a", DAY1), [run(DAY1), run(DAY1, name="r2")], {}, DOUBT),
    "an equal run, and another launch with these parameters": (
        lost("a", DAY1),
        [run(DAY1)],
        {"others": [Done(parameters_digest(DAY1))]},
        DOUBT,
    ),
    "no equal run, and parameters are echoed": (
        lost("a", DAY1),
        [run({"day": "9"})],
        ECHOES,
        ABSENT,
    ),
    "no equal run, and nothing shows that they are echoed": (lost("a", DAY1), [run({"day": "9"})], {}, DOUBT),
    "a run with ours and more": (
        lost("a", DAY1),
        [run({**DAY1, "tenant": "acme"})],
        ECHOES,
        DOUBT,
    ),
    "ours as numbers": (lost("a", DAY1), [run({"day": 1})], ECHOES, DOUBT),
    "no parameters are no parameters to compare": (lost("a", {}), [run({})], {}, DOUBT),
    # assume_exclusive
    "one run, and nobody else launches": (lost(), [run()], {"assume_exclusive": True}, "r1"),
    "one run, two that look alike": (
        lost(),
        [run()],
        {"assume_exclusive": True, "others": [lost("b")]},
        "r1",
    ),
    "two runs, one that looks alike": (lost(), [run(), run(name="r2")], {"assume_exclusive": True}, DOUBT),
    "one run, and one lost that looks otherwise": (
        lost(),
        [run()],
        {"assume_exclusive": True, "others": [lost("b", settings="wider")]},
        DOUBT,
    ),
    "the same, told apart by parameters": (
        lost("a", DAY1),
        [run(DAY1)],
        {"assume_exclusive": True, "others": [lost("b", DAY2), Done(parameters_digest(DAY1))]},
        "r1",
    ),
    "the same parameters, other settings": (
        lost("a", DAY1, settings="small"),
        [run(DAY1)],
        {"assume_exclusive": True, "others": [lost("b", DAY1, settings="large")]},
        DOUBT,
    ),
    "one run, and somebody else may launch": (lost(), [run()], {}, DOUBT),
    # whatever speaks against adopting it
    "a run dated before the launch": (lost(), [run(at=T - 2)], {"assume_exclusive": True}, DOUBT),
    "the same second, by a date in whole seconds": (
        lost(at=T + 0.9),
        [run(at="2026-11-01T00:00:00+09:00")],
        {"assume_exclusive": True},
        "r1",
    ),
    "the second before, by such a date": (
        lost(at=T + 1.1),
        [run(at="2026-11-01T00:00:00+09:00")],
        {"assume_exclusive": True},
        DOUBT,
    ),
    "a date within the bounds of server time, which are wide": (
        lost(until=T + 5.1),
        [run(at=T + 2)],
        {"assume_exclusive": True},
        DOUBT,
    ),
    "a date behind them": (lost(until=T + 5.1), [run(at=T + 6)], {"assume_exclusive": True}, "r1"),
    "a run that had ended before the launch, by its last date": (
        lost(),
        [run(status="COMPLETED", ended=T - 1)],
        {"assume_exclusive": True},
        DOUBT,
    ),
    "a run of a workflow": (lost(), [run(type="WORKFLOW")], {"assume_exclusive": True}, DOUBT),
    "a run of a trigger": (lost(), [run(type="JOB", triggerId="t")], {"assume_exclusive": True}, DOUBT),
    "a run of a workflow, and ours show that they are not": (
        lost(),
        [run(type="WORKFLOW", triggerId="t")],
        {"assume_exclusive": True, "ours_started_directly": True},
        ABSENT,
    ),
    "a run of the launch's trigger": (
        lost(trigger_id="t", workflow_id="w"),
        [run(type="WORKFLOW", triggerId="t", workflowId="w")],
        {"assume_exclusive": True},
        "r1",
    ),
    "a run of another workflow": (
        lost(workflow_id="w"),
        [run(type="WORKFLOW", workflowId="v")],
        {"assume_exclusive": True},
        DOUBT,
    ),
    "a run with other settings than were sent": (
        lost(condition={"numWorker": 8}),
        [run(jobCondition={"numWorker": 2})],
        {"assume_exclusive": True},
        DOUBT,
    ),
    "a run with other settings than the job's own": (
        lost(),
        [run(jobCondition={"numWorker": 2})],
        {"assume_exclusive": True, "stored": {"numWorker": 4}},
        DOUBT,
    ),
    "a run with the settings that were sent": (
        lost(condition={"numWorker": 8}),
        [run(jobCondition={"numWorker": 8, "timeout": 360})],
        {"assume_exclusive": True, "stored": {"numWorker": 4, "timeout": 360}},
        "r1",
    ),
    "an equal run of a workflow": (lost("a", DAY1), [run(DAY1, type="WORKFLOW")], {}, DOUBT),
    "an equal run beside one of a workflow": (
        lost(),
        [run(), run(type="WORKFLOW", name="r2")],
        {"assume_exclusive": True},
        "r1",
    ),
    # dates read through runs of ours
    "dates that are nine hours off, as ours are": (
        lost(),
        [run(at=T + 1 - 32_400)],
        {"assume_exclusive": True, "own": [OFF]},
        "r1",
    ),
    "a run from before, by such dates": (lost(), [run(at=T - 603 - 32_400)], {"own": [OFF]}, ABSENT),
    "dates without a zone, as ours have": (
        lost(),
        [run(at="2026-11-01T00:00:01.000")],
        {"assume_exclusive": True, "own": [ZONELESS]},
        "r1",
    ),
    "dates of ours say nothing": (lost(), [run(at=T - 604_800)], {"own": [OWN, OFF]}, DOUBT),
    "the same, but a run echoes the key": (
        lost(correlated=True),
        [run({NAME: "a"})],
        {"own": [OWN, OFF]},
        "r1",
    ),
    "the same, but no run echoes it": (
        lost(correlated=True),
        [run({NAME: "b"})],
        {"own": [OWN, OFF]},
        ABSENT,
    ),
}


@pytest.mark.parametrize(("launch", "runs", "more", "expected"), TABLE.values(), ids=TABLE)
def test_a_listing_proves_a_launch_started_absent_or_neither(launch, runs, more, expected):
    result = matched([launch], evidence([launch], runs, **more))[launch.key]
    if expected is ABSENT:
        assert result == Absent()
    elif expected is DOUBT:
        assert isinstance(result, Uncertain)
        assert result.why
        assert result.candidates
    else:
        assert isinstance(result, Adopt)
        assert result.execution.job_execution_id == expected


def test_candidates_are_the_runs_that_could_be_it():
    runs = [run(name="r1"), run(at=EDGE - 1, name="r3"), run(name="r4")]
    result = matched([lost()], evidence([lost()], runs))["a"]
    assert [one.job_execution_id for one in result.candidates] == ["r1", "r4"]


def test_identical_launches_share_the_runs_and_the_rest_did_not_start():
    launches = [lost(key) for key in "abc"]
    runs = [run(at=T + 2, name="r2"), run(at=T + 1, name="r1")]
    results = matched(launches, evidence(launches, runs, assume_exclusive=True))
    assert [getattr(results[key], "execution", None) and results[key].execution.job_execution_id for key in "abc"] == [
        "r1",
        "r2",
        None,
    ]  # fmt: skip
    assert results["c"] == Absent()


def test_a_run_that_names_its_launch_is_not_given_to_another_that_comes_first():
    launches = [lost("first", {"key": "second"}), lost("second", correlated=True)]
    found = run({NAME: "second"})
    results = matched(launches, evidence(launches, [found], assume_exclusive=True))
    assert results["second"] == Adopt(ListedRun(*found[0]).execution)
    assert not isinstance(results["first"], Adopt)


def test_a_run_is_known_by_its_id_as_the_journal_writes_it():
    index = RunIndex((), [run(name="e\ud800")])
    index.forget(["e\\ud800"])
    assert len(index) == 0


def test_a_launch_is_matched_by_its_key_only_where_it_carries_it():
    assert match_by_key(lost("a"), RunIndex((), [run({NAME: "a"})]), DateReader()) is None


@pytest.mark.parametrize(
    "text", [b'{"jobExecutionId": "r1", "waitingTime": 1e999}', b'{"jobExecutionId": "other"}']
)
def test_a_run_whose_row_is_odd_is_a_candidate_and_not_adopted(text):
    plain, echoed = run(DAY1)
    found = (text, *plain[1:]), echoed
    result = matched([lost(parameters=DAY1)], evidence([lost(parameters=DAY1)], [found]))["a"]
    assert "can't be read" in result.why
    assert [candidate.job_execution_id for candidate in result.candidates] == ["r1"]


# --- whatever lists show -----------------------------------------------------------------------------------

PARAMETERS = st.sampled_from((None, {}, DAY1, DAY2, {**DAY1, "hour": "3"}))
WANTED = st.lists(
    st.builds(
        lost,
        st.sampled_from("abcd"),
        PARAMETERS,
        correlated=st.booleans(),
        settings=st.sampled_from((None, None, "small")),
        at=st.sampled_from((T, T + 7200)),
    ),
    min_size=1,
    max_size=4,
    unique_by=lambda launch: launch.key,
)
ECHOED = st.none() | st.dictionaries(
    st.sampled_from(("day", "hour", NAME)), st.sampled_from(("1", "2", "a", "b", 1, None)), max_size=2
)
RUNS = st.lists(
    st.builds(
        run,
        ECHOED,
        at=st.sampled_from((None, EDGE - 1, EDGE, T, T + 7200)),
        status=st.sampled_from((None, "READY", "COMPLETED")),
        name=st.sampled_from([f"r{n}" for n in range(6)]),
    ),
    max_size=5,
    unique_by=lambda found: ListedRun(*found[0]).execution_id,
)
OTHERS = st.lists(
    st.builds(lost, st.just("other"), PARAMETERS) | st.just(DONE2),
    max_size=2,
)


@given(WANTED, RUNS, OTHERS, st.booleans())
def test_no_run_is_given_twice(launches, runs, others, assume_exclusive):
    results = matched(launches, evidence(launches, runs, others=others, assume_exclusive=assume_exclusive))
    assert results.keys() == {launch.key for launch in launches}
    adopted = [result.execution.job_execution_id for result in results.values() if isinstance(result, Adopt)]
    assert len(adopted) == len(set(adopted))


@given(WANTED, RUNS, OTHERS, st.booleans())
def test_a_run_is_taken_only_for_its_echo_of_the_key_or_unique_parameters_or_under_exclusive(
    launches, runs, others, assume_exclusive
):
    known = evidence(launches, runs, others=others, assume_exclusive=assume_exclusive)
    by_id = {found.execution_id: found for found in (ListedRun(*run) for run, _ in runs)}
    lost_by_key = {launch.key: launch for launch in launches}
    for key, result in matched(launches, known).items():
        if isinstance(result, Adopt):
            found, launch = by_id[result.execution.job_execution_id], lost_by_key[key]
            by_key = launch.correlated and found.name == key
            unique = (
                not launch.correlated
                and launch.parameters is not None
                and found.parameters == launch.parameters
                and known.carried[launch.parameters] == 1
            )
            dated = (
                found.created is not None and found.created.at + found.created.grain > launch.intended_from
            )
            assert by_key or (dated and (unique or assume_exclusive))


@given(WANTED, OTHERS, st.booleans(), st.integers(0, 3), st.booleans(), st.booleans(), RUNS)
def test_a_launch_whose_run_is_listed_is_never_taken_for_absent(
    launches, others, assume_exclusive, started, stored, numbers, strangers
):
    """The run shows what was sent, beside the job's own settings, or numbers for text, or nothing at all."""
    launch = launches[started % len(launches)]
    echoed = {**launch.sent, **({"tenant": "acme"} if stored else {})}
    if numbers:
        echoed = {name: int(text) if text.isdigit() else text for name, text in echoed.items()}
    for shown in (echoed, None):
        own = run(shown, at=launch.intended_from - defaults.CLOCK_MARGIN, name="own")
        alone = evidence([launch], [*strangers, own], others=others, assume_exclusive=assume_exclusive)
        result = matched([launch], alone)[launch.key]
        assert not isinstance(result, Absent)


@given(WANTED, OTHERS, st.booleans())
def test_a_launch_did_not_start_where_nothing_is_listed(launches, others, assume_exclusive):
    results = matched(launches, evidence(launches, [], others=others, assume_exclusive=assume_exclusive))
    assert set(results.values()) == {Absent()}


@pytest.mark.parametrize(("bare_is_lost", "kind"), [(False, Adopt), (True, Uncertain)])
def test_a_run_with_its_parameters_is_not_adopted_while_a_launch_without_any_is_lost_too(bare_is_lost, kind):
    launch = lost("a", DAY1)
    others = [lost("bare")] if bare_is_lost else []
    result = matched([launch], evidence([launch], [run(DAY1)], others=others))["a"]
    assert type(result) is kind
