"""Which runs of a workflow's list belong to one start of it."""

import pytest

from dataflow_async import (
    JobExecution,
    LaunchUncertain,
)
from tests.support.client import client
from tests.support.clocks import LeapClock
from tests.support.scripted import answer, scripted
from tests.support.workflow_scripts import (
    CHAIN,
    DEEP,
    LATER,
    NOW,
    ONCE,
    ONE,
    TRIGGER,
    WORKFLOW,
    Service,
    at,
    follow,
    follow_dated,
    ids,
    ids_of,
    paged,
    refused_to_guess,
    run,
)

# --- which rows are ours ----------


OLD = [run("o1"), run("o2", "b"), run("o3", status="FAILED"), run("o4", "b", "CANCELED")]


async def test_rows_from_before_are_not_ours_whatever_becomes_of_them():
    before = [run("o1"), run("o2", status="RUNNING")]
    service = Service(ONE, [before, [run("o2"), run("x1", status="RUNNING"), *before]], before=before)
    assert ids(await follow(service)) == ["x1"]


async def test_rows_of_other_triggers_and_of_jobs_that_are_no_nodes_are_not_ours():
    others = [run("y1", triggerId="Tg0other0000"), run("y2", "c")]
    assert ids(await follow(Service(ONE, [others, [*others, run("x1")]]))) == ["x1"]


@pytest.mark.parametrize("receipt", [{"workflowId": WORKFLOW, "triggerId": TRIGGER}, {}])
async def test_a_row_without_a_trigger_counts(receipt):
    service = Service(ONE, [[run("x1", triggerId=None)]], accepted=answer(202, receipt))
    assert ids(await follow(service)) == ["x1"]


async def test_any_new_row_of_a_node_counts_without_a_trigger_in_the_receipt():
    service = Service(ONE, [[run("x1"), run("y2", "c")]], accepted=answer(202, {}))
    assert ids(await follow(service)) == ["x1"]


async def test_rows_come_late_in_any_order_and_may_be_missing_on_a_listing():
    """Not seen means unknown: `x1` is away on the look that shows `x2`."""
    polls = [
        OLD,
        [*OLD, run("x1", status="READY")],
        [],
        OLD[:1],
        [run("x2", "b", "READY"), *OLD[::-1]],
        [run("x2", "b"), run("x1")],
    ]
    service = Service(CHAIN, polls, before=OLD)
    runs = await follow(service)
    assert ids(runs) == ["x1", "x2"]
    assert {one.status for one in runs} == {"COMPLETED"}
    assert service.walks == len(polls)


@pytest.mark.parametrize("shift", [0, 1])
async def test_every_page_is_read_however_pages_are_capped_and_shift(shift):
    many = [run(f"o{number}") for number in range(9)]
    polls = [paged([*many, run("x1")], 2, shift=shift)]
    service = Service(ONE, polls)
    service.before = paged(many, 2, shift=shift)
    assert ids(await follow(service)) == ["x1"]


async def test_a_row_that_one_walk_before_the_start_misses_is_not_taken_for_ours():
    service = Service(ONE, [[run("o1"), run("o2"), run("x1")]])
    walks = iter([[run("o1")], [], [run("o1"), run("o2")], []])
    service.before = lambda _: next(walks)
    assert ids(await follow(service)) == ["x1"]


async def test_a_known_run_is_awaited_by_its_id():
    looking = [run("x1", status="RUNNING")] * 50 + [run("x1")]
    service = Service(ONE, [[run("x1", status="RUNNING")]], runs={"x1": looking})
    assert ids(await follow(service)) == ["x1"]
    assert service.asked.count("x1") == 51
    assert service.walks == 2


async def test_a_row_without_a_status_is_polled_by_id():
    assert ids(await follow(Service(ONE, [[run("x1", status=None)]]))) == ["x1"]


# --- other starts ----------


async def test_two_new_rows_of_a_job_are_ambiguous():
    error = await refused_to_guess(Service(ONE, [[run("x1", status="RUNNING"), run("y1")]]))
    assert ids(error.candidates) == ["x1", "y1"]
    assert all(isinstance(one, JobExecution) for one in error.candidates)
    assert "job a has 2 new runs (x1, y1)" in str(error)


async def test_a_row_of_another_start_that_shows_late_is_noticed_at_the_end():
    service = Service(ONE, [[run("x1", status="RUNNING")], [run("x1"), run("y1", status="READY")]])
    assert ids((await refused_to_guess(service)).candidates) == ["x1", "y1"]


async def test_candidates_stand_in_node_order_with_those_of_undoubted_jobs():
    error = await refused_to_guess(Service(CHAIN, [[run("y2", "b"), run("x2", "b"), run("x1")]]))
    assert ids(error.candidates) == ["x1", "y2", "x2"]
    assert "job a" not in str(error)
    assert "job b has 2 new runs (y2, x2)" in str(error)


DAYS_AGO = "2026-01-01T00:00:00.000+09:00"


@pytest.mark.parametrize(
    ("before", "source"),
    [
        ([run("o1", status="RUNNING")], "o1"),
        ([run("o1", status="NEW_IN_2027")], "o1"),
        ([run("o1", endDate=LATER)], "o1"),
        ([run("o1", status=None)], "o1"),
        ([run("o1", endDate="2026-01-01T00:00:00.000")], "o1"),
        ([run("o1", endDate="some day")], "o1"),
        ([run("o1", status="ABORTED", endDate=LATER)], "o1"),
        ([run("o1", endDate=LATER), run("o2", endDate=LATER), run("o3", "b")], "o2"),
        ([run("o1", status="RUNNING", triggerId=None)], "o1"),
    ],
)
@pytest.mark.parametrize("job", ["b", "c"])
async def test_a_row_that_may_follow_an_earlier_run_is_ambiguous(before, source, job):
    """Ours or theirs: an earlier start may still bring a run of what follows job a."""
    nodes = DEEP if job == "c" else CHAIN
    ours = [run("x1"), *([run("x2", "b")] if job == "b" else [run("x3", "c")])]
    error = await refused_to_guess(Service(nodes, [[*before, *ours]], before=before))
    assert ids(error.candidates) == ids_of(ours)
    assert (
        f"job {job} has one new run ({ours[-1]['jobExecutionId']}), which may follow the earlier run {source}"
        in str(error)
    )


@pytest.mark.parametrize(
    "before",
    [
        [run("o1", status="FAILED"), run("o2", status="CANCELED")],
        [run("o1", endDate=LATER), run("o2", "b", endDate=LATER)],
        [run("o1", endDate=LATER), run("o2", "b", "FAILED", endDate=LATER)],
        [run("o1", endDate=LATER), run("o2", "b", "RUNNING")],
        [run("o1", endDate=DAYS_AGO)],
        [run("o1", status="ABORTED", endDate=DAYS_AGO)],
        [run("o1", status="RUNNING", triggerId="Tg0other0000")],
        [run("o1", "c", "RUNNING")],
    ],
)
async def test_an_earlier_start_that_can_bring_no_more_rows_does_no_harm(before):
    service = Service(CHAIN, [[*before, run("x1"), run("x2", "b")]], before=before)
    assert ids(await follow(service)) == ["x1", "x2"]


async def test_an_earlier_run_that_fails_meanwhile_brings_no_more_rows():
    late = [run("o1", status="FAILED")]
    polls = [[run("o1", status="RUNNING"), run("x1")], [*late, run("x1"), run("x2", "b")]]
    service = Service(CHAIN, polls, before=[run("o1", status="RUNNING")])
    assert ids(await follow(service)) == ["x1", "x2"]


# --- dates ----------


@pytest.mark.parametrize("ago", [0.5, 3.0, 400.0, 90_000.0])
@pytest.mark.parametrize("status", ["COMPLETED", "RUNNING"])
async def test_a_run_dated_before_the_start_is_never_ours_listed_late_or_not(ago, status):
    late = run("o1", status=status, createdDate=at(NOW - ago - 0.5))
    ours = run("x1", createdDate=at(NOW + 0.1))
    service = Service(ONE, [[], [late], [late, ours]])
    assert ids(await follow_dated(service)) == ["x1"]


async def test_a_late_run_of_an_earlier_start_may_still_bring_another():
    late = run("o1", status="RUNNING", createdDate=at(NOW - 30))
    ours = [run("x1", createdDate=at(NOW + 0.1)), run("x2", "b", createdDate=at(NOW + 0.2))]
    with pytest.raises(LaunchUncertain, match=r"job b has one new run \(x2\), which may follow .* o1"):
        await follow_dated(Service(CHAIN, [[late, *ours]]))


@pytest.mark.parametrize("padding", ["", ".000"])
@pytest.mark.parametrize("fraction", [0.0, 0.3, 0.6, 0.999])
async def test_a_date_in_whole_seconds_keeps_nobody_from_their_run(fraction, padding):
    """A run created at ...05.7 is printed as ...05, which polls older than a start at ...05.4."""
    clock = LeapClock(now=1_800_000_000.0 + fraction)
    ours = run("x1", createdDate=at(clock.now + 0.01, shown=padding + "+09:00", digits=0))
    assert ids(await follow_dated(Service(ONE, [[ours]]), clock=clock)) == ["x1"]


@pytest.mark.parametrize("ago", [0.5, 3.0, 200.0])
async def test_our_own_clock_dates_the_start_without_any_date_header(ago):
    """The gateway has accepted our clock, and nothing contradicts it."""
    late = run("o1", status="RUNNING", createdDate=at(NOW - ago - 0.5))
    clock = LeapClock(now=NOW)
    for listed, found in (([run("x1", createdDate=at(NOW + 0.1))], ["x1"]), ([late], None)):
        async with (
            scripted(Service(ONE, [listed])) as server,
            client(server.url, clock=clock, retry=ONCE) as flow,
        ):
            if found:
                assert ids(await flow.run_workflow(WORKFLOW)) == found
            else:
                with pytest.raises(LaunchUncertain, match="may have begun before the start"):
                    await flow.run_workflow(WORKFLOW)


@pytest.mark.parametrize("off", [-7200.0, 660.0, 7200.0])
async def test_a_wrong_date_header_adopts_no_earlier_run(off):
    """All that was heard contradicts itself, so a date within tells nothing; one before it still does."""
    inside = run("x1", createdDate=at(NOW + 0.1))
    with pytest.raises(LaunchUncertain, match="may have begun before the start") as caught:
        await follow_dated(Service(ONE, [[inside]]), off=off)
    assert ids(caught.value.candidates) == ["x1"]
    earlier = run("o1", createdDate=at(NOW - 9000))
    assert ids(await follow_dated(Service(ONE, [[earlier, run("x1")]]), off=off)) == ["x1"]


@pytest.mark.parametrize("ended_ago", [10.0, 700.0])
async def test_a_wrong_date_header_settles_no_earlier_start(ended_ago):
    """By a Date two hours ahead a run that has just ended polls as if it could bring no more."""
    before = [run("o1", endDate=at(NOW - ended_ago))]
    service = Service(CHAIN, [[*before, run("x1"), run("x2", "b")]], before=before)
    with pytest.raises(LaunchUncertain, match="may follow the earlier run o1"):
        await follow_dated(service, off=7200.0)


async def test_dates_that_nothing_explains_adopt_nothing_and_hang_nowhere():
    """UTC printed as +09:00, and the run had ended before it was first listed."""
    ours = run("x1", createdDate=at(NOW + 0.1, zone=0), endDate=at(NOW + 1, zone=0))
    with pytest.raises(LaunchUncertain, match="dates are wrong") as caught:
        await follow_dated(Service(ONE, [[ours]]))
    assert caught.value.may_have_run
    assert ids(caught.value.candidates) == ["x1"]


@pytest.mark.parametrize("zone", [0, 5.75, 18])
@pytest.mark.parametrize("late", [True, False])
async def test_a_wrong_zone_is_learned_from_runs_that_were_polled_to_their_end(zone, late):
    """UTC or another zone printed as +09:00: our run polls hours old, or hours ahead; so do those of others."""
    clock = LeapClock(now=NOW)

    def listed(number):
        if number:
            return []
        over = clock.now > NOW + 400
        ours = run(
            "x1",
            status="COMPLETED" if over else "RUNNING",
            createdDate=at(NOW + 0.1, zone=zone),
            endDate=at(NOW + 400, zone=zone) if over else None,
        )
        others = run("o1", createdDate=at(NOW - 50, zone=zone), endDate=at(NOW - 10, zone=zone))
        return [others, ours] if late else [ours]

    service = Service(ONE, [listed])
    assert ids(await follow_dated(service, clock=clock)) == ["x1"]


async def test_a_service_whose_clock_is_ahead_of_its_gateways_loses_no_run():
    ours = run("x1", createdDate=at(NOW + 8))
    assert ids(await follow_dated(Service(ONE, [[ours]]))) == ["x1"]


async def test_a_list_that_lags_longer_than_another_start_waits_for_ours():
    late = run("o1", createdDate=at(NOW - 60))
    ours = run("x1", createdDate=at(NOW + 0.1))
    service = Service(ONE, [*[[late]] * 20, [late, ours]])
    assert ids(await follow_dated(service)) == ["x1"]
