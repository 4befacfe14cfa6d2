"""Each sentence of promise 6 about what listings prove, and what must hold whatever they show."""

from collections import Counter

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow_async import defaults
from dataflow_async.bulk.keys import parameters_digest
from dataflow_async.bulk.verdict import (
    Absent,
    Adopt,
    Doubt,
    Evidence,
    Found,
    Unresolved,
    Wanted,
    echoed_name,
    judge,
    recognized,
)
from dataflow_async.models.execution import JobExecution

T = 1_793_458_800.0
EDGE = T - defaults.CLOCK_MARGIN
NAME = "key"


def lost(key="a", parameters=None, *, correlated=False, settings=None, at=T):
    """A launch whose answer was lost."""
    sent = {**(parameters or {}), **({NAME: key} if correlated else {})}
    made = settings or repr(sorted((parameters or {}).items()))
    return Wanted(key, made.encode(), parameters_digest(sent), sent, correlated, at)


def run(echoed=None, *, at=T + 1, ours=False, name="r1"):
    """A run in a listing."""
    execution = JobExecution(name, "job", parsed_parameters=echoed)
    return Found(execution, at, parameters_digest(echoed), echoed_name(execution, NAME), ours)


def evidence(wanted, runs, *, exclusive=False, others=()):
    """What the journal knows: the launches asked about, others in doubt, and others that are done."""
    doubtful = Counter(
        (launch.settings, launch.parameters) for launch in [*wanted, *others] if isinstance(launch, Wanted)
    )
    carried = Counter(launch.parameters for launch in [*wanted, *others] if launch.parameters)
    return Evidence(
        runs,
        exclusive,
        carried,
        [Unresolved(*alike, count) for alike, count in doubtful.items()],
    )


@attrs.frozen
class Done:
    """A launch of the journal of which everything is known."""

    parameters: bytes | None


DAY1, DAY2 = {"day": "1"}, {"day": "2"}
DONE2 = Done(parameters_digest(DAY2))
ECHO = run(DAY2, ours=True, name="known")
"""A run of ours that echoes what was sent: it shows that the service does so."""

ABSENT, DOUBT = "did not happen", "can't be told"

TABLE = {
    # name: (launch, runs, further arguments of evidence, verdict: a run's id is its adoption)
    "no run at all": (lost(), [], {}, ABSENT),
    "only runs from before, two clocks apart": (lost(), [run(at=EDGE - 0.001)], {}, ABSENT),
    "a run from within the margin": (lost(), [run(at=EDGE)], {}, DOUBT),
    "only runs that the journal knows": (lost(), [run(ours=True)], {}, ABSENT),
    "a run without a usable time": (lost(), [run(at=None)], {}, DOUBT),
    "such a run, even if nobody else launches": (lost(), [run(at=None)], {"exclusive": True}, DOUBT),
    "such a run, even with unique parameters": (lost("a", DAY1), [run(DAY1, at=None)], {}, DOUBT),
    "such a run, known to the journal": (lost(), [run(at=None, ours=True)], {}, ABSENT),
    # correlate
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
    "the earlier attempt's run echoes the key": (
        lost(correlated=True),
        [run({NAME: "a"}, ours=True)],
        {},
        ABSENT,
    ),
    "both attempts' runs echo the key": (
        lost(correlated=True),
        [run({NAME: "a"}, ours=True, name="r0"), run({NAME: "a"})],
        {},
        "r1",
    ),
    "a run of last week echoes the key": (
        lost(correlated=True),
        [run({NAME: "a"}, at=T - 604_800)],
        {},
        ABSENT,
    ),
    "a run echoes another key, and keys are echoed": (
        lost(correlated=True),
        [run({NAME: "b"}), ECHO],
        {"others": [DONE2]},
        ABSENT,
    ),
    "a run echoes another key, and nothing shows that keys are echoed": (
        lost(correlated=True),
        [run({NAME: "b"})],
        {},
        DOUBT,
    ),
    "a run shows no parameters yet": (
        lost(correlated=True),
        [run(), ECHO],
        {"others": [DONE2]},
        DOUBT,
    ),
    "a run has no parameters": (lost(correlated=True), [run({}), ECHO], {"others": [DONE2]}, ABSENT),
    "a key that came back as a number": (
        lost("7", correlated=True),
        [run({NAME: 7}), ECHO],
        {"others": [DONE2]},
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
    "an equal run of the earlier attempt": (lost("a", DAY1), [run(DAY1, ours=True)], {}, ABSENT),
    "no equal run, and parameters are echoed": (
        lost("a", DAY1),
        [run({"day": "9"}), ECHO],
        {"others": [DONE2]},
        ABSENT,
    ),
    "no equal run, and nothing shows that they are echoed": (lost("a", DAY1), [run({"day": "9"})], {}, DOUBT),
    "a run with ours and more": (
        lost("a", DAY1),
        [run({**DAY1, "tenant": "acme"}), ECHO],
        {"others": [DONE2]},
        DOUBT,
    ),
    "ours as numbers": (lost("a", DAY1), [run({"day": 1}), ECHO], {"others": [DONE2]}, DOUBT),
    "no parameters are no parameters to compare": (lost("a", {}), [run({})], {}, DOUBT),
    # exclusive
    "one run, and nobody else launches": (lost(), [run()], {"exclusive": True}, "r1"),
    "one run, two that look alike": (
        lost(),
        [run()],
        {"exclusive": True, "others": [lost("b")]},
        "r1",
    ),
    "two runs, one that looks alike": (lost(), [run(), run(name="r2")], {"exclusive": True}, DOUBT),
    "one run, and one lost that looks otherwise": (
        lost(),
        [run()],
        {"exclusive": True, "others": [lost("b", settings="wider")]},
        DOUBT,
    ),
    "the same, told apart by parameters": (
        lost("a", DAY1),
        [run(DAY1)],
        {"exclusive": True, "others": [lost("b", DAY2), Done(parameters_digest(DAY1))]},
        "r1",
    ),
    "the same parameters, other settings": (
        lost("a", DAY1, settings="small"),
        [run(DAY1)],
        {"exclusive": True, "others": [lost("b", DAY1, settings="large")]},
        DOUBT,
    ),
    "one run, and somebody else may launch": (lost(), [run()], {}, DOUBT),
}


@pytest.mark.parametrize(("launch", "runs", "more", "expected"), TABLE.values(), ids=TABLE)
def test_what_a_listing_proves(launch, runs, more, expected):
    verdict = judge([launch], evidence([launch], runs, **more))[launch.key]
    if expected is ABSENT:
        assert verdict == Absent()
    elif expected is DOUBT:
        assert isinstance(verdict, Doubt)
        assert verdict.why
        assert verdict.candidates
    else:
        assert isinstance(verdict, Adopt)
        assert verdict.execution.job_execution_id == expected


def test_candidates_are_the_runs_that_could_be_it():
    runs = [run(name="r1"), run(ours=True, name="r2"), run(at=EDGE - 1, name="r3"), run(name="r4")]
    verdict = judge([lost()], evidence([lost()], runs))["a"]
    assert [one.job_execution_id for one in verdict.candidates] == ["r1", "r4"]


def test_identical_launches_share_the_runs_and_the_rest_did_not_start():
    wanted = [lost(key) for key in "abc"]
    runs = [run(at=T + 2, name="r2"), run(at=T + 1, name="r1")]
    verdicts = judge(wanted, evidence(wanted, runs, exclusive=True))
    assert [getattr(verdicts[key], "execution", None) and verdicts[key].execution.job_execution_id for key in "abc"] == [
        "r1",
        "r2",
        None,
    ]  # fmt: skip
    assert verdicts["c"] == Absent()


def test_a_run_that_names_its_launch_is_not_given_to_another_that_comes_first():
    wanted = [lost("first", {"key": "second"}), lost("second", correlated=True)]
    found = run({NAME: "second"})
    verdicts = judge(wanted, evidence(wanted, [found], exclusive=True))
    assert verdicts["second"] == Adopt(found.execution)
    assert not isinstance(verdicts["first"], Adopt)


def test_only_a_launch_that_carries_its_key_is_recognized_by_it():
    assert recognized(lost("a"), [run({NAME: "a"})]) is None


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
        ours=st.sampled_from((False, False, True)),
        name=st.sampled_from([f"r{n}" for n in range(6)]),
    ),
    max_size=5,
    unique_by=lambda found: found.execution.job_execution_id,
)
OTHERS = st.lists(
    st.builds(lost, st.just("other"), PARAMETERS) | st.just(DONE2),
    max_size=2,
)


@given(WANTED, RUNS, OTHERS, st.booleans())
def test_no_run_is_given_twice_and_none_that_is_known(wanted, runs, others, exclusive):
    verdicts = judge(wanted, evidence(wanted, runs, others=others, exclusive=exclusive))
    assert verdicts.keys() == {launch.key for launch in wanted}
    adopted = [
        verdict.execution.job_execution_id for verdict in verdicts.values() if isinstance(verdict, Adopt)
    ]
    assert len(adopted) == len(set(adopted))
    assert not set(adopted) & {found.execution.job_execution_id for found in runs if found.ours}


@given(WANTED, RUNS, OTHERS, st.booleans())
def test_a_run_is_taken_only_for_its_echo_of_the_key_or_unique_parameters_or_under_exclusive(
    wanted, runs, others, exclusive
):
    known = evidence(wanted, runs, others=others, exclusive=exclusive)
    by_id = {found.execution.job_execution_id: found for found in runs}
    launches = {launch.key: launch for launch in wanted}
    for key, verdict in judge(wanted, known).items():
        if isinstance(verdict, Adopt):
            found, launch = by_id[verdict.execution.job_execution_id], launches[key]
            assert found.created_at is None or found.created_at >= launch.intended_at - defaults.CLOCK_MARGIN
            by_key = launch.correlated and found.name == key
            unique = (
                not launch.correlated
                and launch.parameters is not None
                and found.parameters == launch.parameters
                and known.carried[launch.parameters] == 1
            )
            assert by_key or (found.created_at is not None and (unique or exclusive))


@given(WANTED, OTHERS, st.booleans(), st.integers(0, 3), st.booleans(), st.booleans(), RUNS)
def test_a_launch_whose_run_is_listed_is_never_taken_for_absent(
    wanted, others, exclusive, started, stored, numbers, strangers
):
    """The run shows what was sent, beside the job's own settings, or numbers for text, or nothing at all."""
    launch = wanted[started % len(wanted)]
    echoed = {**launch.sent, **({"tenant": "acme"} if stored else {})}
    if numbers:
        echoed = {name: int(text) if text.isdigit() else text for name, text in echoed.items()}
    for shown in (echoed, None):
        own = run(shown, at=launch.intended_at - defaults.CLOCK_MARGIN, name="own")
        alone = evidence([launch], [*strangers, own], others=others, exclusive=exclusive)
        verdict = judge([launch], alone)[launch.key]
        assert not isinstance(verdict, Absent)


@given(WANTED, OTHERS, st.booleans())
def test_where_nothing_is_listed_nothing_started(wanted, others, exclusive):
    verdicts = judge(wanted, evidence(wanted, [], others=others, exclusive=exclusive))
    assert set(verdicts.values()) == {Absent()}


@pytest.mark.parametrize(("bare_is_lost", "kind"), [(False, Adopt), (True, Doubt)])
def test_a_run_with_its_parameters_is_doubted_while_a_launch_without_any_is_lost_too(bare_is_lost, kind):
    launch = lost("a", DAY1)
    others = [lost("bare")] if bare_is_lost else []
    verdict = judge([launch], evidence([launch], [run(DAY1)], others=others))["a"]
    assert type(verdict) is kind
