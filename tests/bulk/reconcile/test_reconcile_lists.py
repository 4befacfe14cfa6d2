"""Lists that are windows, late, short, in no order, or dated wrongly, from the launch to its outcome (rulings 87 to 91):
nothing starts twice, nothing is lost, and nothing is uncertain where the evidence is there.
"""

import pytest

from dataflow_async import Launch
from tests.support.world import JOB, VISIBILITY_DELAY, Echo, Lists, Send, World

LOST, NEVER_SENT = Send(heard=False), Send(effect=False, heard=False)
ZONE = -32_400.0


def day(number):
    return Launch(JOB, key=str(number), parameters={"day": str(number)})


def world(lists=None, echo=None, **more):
    return World(echo or Echo(), lists=lists or Lists(), **more)


def lived(service, launches, sends=(), **more):
    """One outcome for each launch, all of which are launched at once."""
    return {outcome.key: outcome for outcome in service.live(launches, sends, **more)}


def starts(service, key):
    return sum(run.owner == key for run in service.runs)


@pytest.mark.parametrize("send", [LOST, NEVER_SENT], ids=["started", "not started"])
@pytest.mark.parametrize(
    "lists",
    [
        Lists(),
        Lists(lag=2.0),
        Lists(order="oldest"),
        Lists(order="random"),
        Lists(short=(1,)),
        Lists(window=4),
        Lists(counts=False),
    ],
    ids=str,
)
@pytest.mark.parametrize("off", [0.0, ZONE, 900.0])
@pytest.mark.parametrize("page", [2, 1000])
def test_a_lost_launch_between_runs_of_ours_is_resolved(send, lists, off, page):
    """The next life of the program asks; a launch that it makes itself is the witness, or dates that fall."""
    if lists.order == "random":
        page = 1000  # a list that is shuffled for each page shows no two listings alike
    service = world(lists, page=page)
    lived(service, [day(1), day(2)], send_off=off)
    service.clock.advance(10.0)
    assert service.live([day(3)], [send], steps=3 if send.effect else 2, send_off=off) is None
    service.clock.advance(700.0)
    outcomes = lived(service, [day(3), day(4)], send_off=off)
    settled = outcomes["3"].status == "COMPLETED"
    assert starts(service, "3") == (settled or send.effect)
    assert settled or lists.short or lists.order != "newest"


def test_a_launch_that_is_lost_again_after_it_was_proven_absent_is_resolved():
    """Its run is looked for since its last send: the hour in between does not make its time any less certain."""
    service = world()
    lived(service, [day(1), day(2)])
    service.clock.advance(10.0)
    assert service.live([day(3)], [NEVER_SENT], steps=2) is None
    service.clock.advance(3600.0)
    outcomes = lived(service, [day(3), day(4)], [Send(), LOST])
    assert {outcome.status for outcome in outcomes.values()} == {"COMPLETED"}
    assert starts(service, "3") == 1


@pytest.mark.parametrize("lag", [0.0, 2.0])
def test_a_list_that_lags_makes_nothing_uncertain(lag):
    service = world(Lists(lag=lag))
    lived(service, [day(99)])
    service.clock.advance(10.0)
    launches = [day(n) for n in range(30)]
    outcomes = lived(service, launches, [Send(), LOST, NEVER_SENT] * 10)
    assert {outcome.status for outcome in outcomes.values()} == {"COMPLETED"}
    assert {starts(service, launch.key) for launch in launches} == {1}


def test_a_service_that_changes_keys_has_nothing_started_twice():
    """An echoed key that is none of ours may be one of ours, where a run of ours shows that they come back changed."""
    service = world(echo=Echo(cut=5))
    launches = [Launch(JOB, key=f"day-{n}") for n in range(10, 20)]
    lived(service, launches[:5], correlation_parameter="key")
    service.clock.advance(10.0)
    outcomes = lived(service, launches, [Send(), LOST] * 3, correlation_parameter="key")
    assert {starts(service, launch.key) for launch in launches} == {1}
    assert sum(it.status == "UNCERTAIN" for it in outcomes.values()) == 2


def test_a_window_that_the_run_has_left_proves_nothing():
    service = world(Lists(window=3))
    lived(service, [day(1)])
    service.clock.advance(10.0)
    service.live([day(2)], [LOST], steps=3)
    for _ in range(5):
        service.clock.advance(30.0)
        service.start({"day": "x"}, None, Send())
    service.clock.advance(VISIBILITY_DELAY)
    outcomes = lived(service, [day(2)])
    assert outcomes["2"].status == "UNCERTAIN"
    assert starts(service, "2") == 1


@pytest.mark.parametrize("gap", [2, 3, 5])
def test_a_list_that_hides_runs_of_ours_proves_nothing(gap):
    service = world(Lists(gap=gap))
    lived(service, [day(n) for n in range(40)])
    service.clock.advance(10.0)
    sends = [LOST] * 10
    lost = [day(n) for n in range(40, 50)]
    lived(service, lost, sends)
    assert {starts(service, launch.key) for launch in lost} == {1}


def test_one_row_short_in_the_middle_hides_no_later_page():
    """A short page in the middle is not the end of a list (ruling 71)."""
    service = world(Lists(order="oldest", short=(1,)), page=3)
    lived(service, [day(n) for n in range(9)])
    service.clock.advance(10.0)
    outcomes = lived(service, [day(9)], [LOST])
    assert outcomes["9"].status == "COMPLETED"
    assert starts(service, "9") == 1


@pytest.mark.parametrize("off", [ZONE, -700.0, 700.0, 32_400.0])
@pytest.mark.parametrize("assume_exclusive", [False, True])
def test_dates_that_are_off_are_read_through_our_own_runs(off, assume_exclusive):
    service = world()
    lived(service, [day(n) for n in range(5)], send_off=off)
    service.clock.advance(10.0)
    outcomes = lived(
        service, [day(5), day(6)], [LOST, NEVER_SENT], send_off=off, assume_exclusive=assume_exclusive
    )
    assert {outcome.status for outcome in outcomes.values()} == {"COMPLETED"}
    assert [starts(service, key) for key in "56"] == [1, 1]


@pytest.mark.parametrize("correlation_parameter", [None, "key"])
@pytest.mark.parametrize("send", [Send(heard=False, ready=400.0), NEVER_SENT], ids=["ours", "another's"])
def test_a_ready_run_is_polled_until_it_echoes(send, correlation_parameter):
    service = world()
    lived(service, [day(1)], correlation_parameter=correlation_parameter)
    service.clock.advance(10.0)
    service.start({"day": "another's", "key": "another's"}, None, Send(ready=500.0))
    outcomes = lived(service, [day(2)], [send], correlation_parameter=correlation_parameter)
    assert outcomes["2"].status == "COMPLETED"
    assert starts(service, "2") == 1


def test_exclusive_takes_no_run_of_a_workflow():
    service = world(echo=Echo(silent=True))
    bare = Launch(JOB, key="bare")
    service.clock.advance(10.0)
    run = service.start({}, None, Send())
    run.type, run.trigger_id = "WORKFLOW", "Tg5mK1"
    outcomes = lived(service, [bare], [NEVER_SENT], assume_exclusive=True)
    assert outcomes["bare"].status == "UNCERTAIN"
    assert service.entries()[0].execution_id is None


@pytest.mark.parametrize("assume_exclusive", [False, True])
def test_a_run_that_was_there_before_the_launch_is_not_adopted(assume_exclusive):
    service = world()
    service.start({"day": "1"}, None, Send())
    service.clock.advance(60.0)
    outcomes = lived(service, [day(1)], [NEVER_SENT], assume_exclusive=assume_exclusive)
    assert service.entries()[0].execution_id is None
    assert outcomes["1"].status == "UNCERTAIN"


def test_the_error_names_what_was_missing():
    service = world(Lists(order="random"), seed=3)
    for _ in range(5):
        service.start({"day": "x"}, None, Send())
        service.clock.advance(700.0)
    outcomes = lived(service, [day(1)], [NEVER_SENT])
    assert outcomes["1"].status == "UNCERTAIN"
    assert "may not reach up to it" in str(outcomes["1"].error)
