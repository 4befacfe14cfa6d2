"""Dates are spans, read through runs of ours; whatever a service prints, a run is never read to be when it was not."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow_async.bulk.launch_records import KnownRun
from dataflow_async.bulk.reconcile.dating import DateReader, Dating
from dataflow_async.models.moment import Printed, printed

T = 1_793_458_800.0
KST = timezone(timedelta(hours=9))


def text(at, form="milliseconds", zone=KST):
    """A date as a service prints it."""
    if form == "no zone":
        return datetime.fromtimestamp(at, KST).replace(tzinfo=None).isoformat(timespec="milliseconds")
    return datetime.fromtimestamp(at, zone).isoformat(timespec=form)


@pytest.mark.parametrize(
    ("date", "expected"),
    [
        ("2026-11-01T00:00:00.125+09:00", Printed(T + 0.125, 0.001, True)),
        ("2026-11-01T00:00:00.000+09:00", Printed(T, 1.0, True)),
        ("2026-10-31T15:00:00.125000Z", Printed(T + 0.125, 0.001, True)),
        ("2026-11-01T00:00:00+09:00", Printed(T, 1.0, True)),
        ("2026-10-31T15:00:00Z", Printed(T, 1.0, True)),
        ("2026-10-31 15:00:00,25+00:00", Printed(T + 0.25, 0.01, True)),
        ("2026-11-01T00:00:00", Printed(T, 1.0, False)),
        ("2026-11-01T00:00+09:00", Printed(T, 60.0, True)),
        ("20261101T000000+0900", Printed(T, 1.0, True)),
        ("2026-11-01", Printed(T, 86_400.0, False)),
        ("yesterday", None),
        ("", None),
        (None, None),
        (1_793_458_800, None),
    ],
)
def test_a_date_is_as_wide_as_its_last_digit(date, expected):
    assert printed(date) == (expected and pytest.approx(expected))


def own(at, date, *, known_to=1.0, latency=0.5, adopted=False, name="run"):
    """A run of ours that was created at a moment, and its date."""
    return KnownRun(
        name, name, at - known_to, at + known_to, at + latency + known_to, date, adopted, ended=False
    )


def dating(shift, count=5, form="milliseconds", **more):
    return Dating([own(T + n, text(T + n + 0.2 + shift, form), **more) for n in range(count)])


@pytest.mark.parametrize("form", ["milliseconds", "seconds", "no zone"])
@pytest.mark.parametrize("shift", [0.0, -32_400.0, 700.0, -59.0])
def test_dates_are_read_through_runs_of_ours(shift, form):
    span = dating(shift, form=form).reader_near(T).read(printed(text(T + 100.5 + shift, form)))
    assert span.earliest <= T + 100.5 <= span.latest
    assert span.latest - span.earliest < 5


def test_dates_without_a_zone_are_not_read_without_runs_of_ours():
    assert DateReader().read(printed(text(T))).earliest == T
    assert DateReader().read(printed(text(T, "no zone"))) is None
    assert Dating([own(T, None), own(T, "soon")]).reader_near(T) == DateReader()


def test_dates_without_a_zone_are_read_through_such_dates_only():
    """A list may print the dates of our runs otherwise than the answers to our launches did."""
    ours, zoneless = own(T, text(T)), text(T + 50, "no zone")
    assert Dating([ours]).reader_near(T).read(printed(zoneless)) is None
    listed = {"run": printed(text(T, "no zone"))}
    assert Dating([ours], listed).reader_near(T).read(printed(zoneless)).earliest == pytest.approx(
        T + 50, abs=3
    )


def test_adopted_runs_show_nothing():
    assert dating(-32_400.0, adopted=True).reader_near(T) == DateReader()


def test_dates_of_ours_that_differ_by_more_than_ten_minutes_leave_all_dates_out():
    runs = [own(T, text(T)), own(T + 1, text(T + 602))]
    assert Dating(runs).reader_near(T).read(printed(text(T))) is None
    assert Dating(runs[:1]).reader_near(T).read(printed(text(T))) is not None


def test_dates_are_read_through_the_nearest_twenty_runs():
    early = [own(T + n, text(T + n - 32_400)) for n in range(20)]
    late = [own(T + 90_000 + n, text(T + 90_000 + n)) for n in range(20)]
    both = Dating(early + late)
    assert both.reader_near(T).read(printed(text(T - 32_400))).earliest == pytest.approx(T, abs=3)
    assert both.reader_near(T + 90_000).read(printed(text(T + 90_000))).earliest == pytest.approx(
        T + 90_000, abs=3
    )


def test_dates_that_wander_make_spans_wide():
    runs = [own(T + n, text(T + n + 30 * n)) for n in range(10)]
    span = Dating(runs).reader_near(T).read(printed(text(T)))
    assert span.latest - span.earliest > 250


@given(
    shift=st.floats(-90_000, 90_000),
    form=st.sampled_from(("milliseconds", "seconds", "minutes", "no zone")),
    known_to=st.sampled_from((0.5, 1.0, 300.0)),
    latencies=st.lists(st.floats(0, 40), min_size=1, max_size=30),
    at=st.floats(-5_000, 5_000),
    zone=st.sampled_from((KST, UTC)),
)
def test_a_span_always_holds_the_moment(shift, form, known_to, latencies, at, zone):
    """Whatever constant error dates have, however long runs took to be created, and however little is known of time."""
    runs = []
    for n, latency in enumerate(latencies):
        created = T + n + latency / 2
        runs.append(
            KnownRun(
                str(n),
                str(n),
                T + n - known_to,
                T + n + known_to,
                T + n + latency + known_to,
                text(created + shift, form, zone),
                False,
                False,
            )
        )
    span = Dating(runs).reader_near(T).read(printed(text(T + at + shift, form, zone)))
    assert span.earliest - 0.002 <= T + at <= span.latest + 0.002
