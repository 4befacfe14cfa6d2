"""The dates of a request."""

from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from tests.models.api import refused

PERIODS = {
    "execution_result": lambda api, *dates: api.dashboard.execution_result(*dates),
    "execution_interval": lambda api, *dates: api.dashboard.execution_interval(*dates),
    "execution_times": lambda api, *dates: api.dashboard.execution_times(*dates),
}
LATE = "2026-12-31T00:00:00"


@pytest.mark.parametrize(
    ("start", "sent"),
    [
        (datetime(2026, 11, 1), "2026-11-01T00%3A00%3A00"),  # noqa: DTZ001
        (datetime(2026, 11, 1, tzinfo=UTC), "2026-11-01T09%3A00%3A00"),
        (datetime(2026, 10, 31, 20, 0, tzinfo=timezone(timedelta(hours=-5))), "2026-11-01T10%3A00%3A00"),
        (datetime(2026, 11, 1, 0, 0, 0, 999_999), "2026-11-01T00%3A00%3A00"),  # noqa: DTZ001
        ("2026-11-01T00:00:00", "2026-11-01T00%3A00%3A00"),
        ("2026-11-01T00:00:00Z", "2026-11-01T09%3A00%3A00"),
        ("2026-11-01T00:00:00.123456789+09:00", "2026-11-01T00%3A00%3A00"),
        (LATE, "2026-12-31T00%3A00%3A00"),
    ],
)
@pytest.mark.parametrize("call", PERIODS.values(), ids=PERIODS)
async def test_a_date_goes_out_in_utc_plus_nine_without_zone_or_fraction(api, call, start, sent):
    await call(api, start, LATE)
    assert api.calls.target.partition("?")[2] == f"startDate={sent}&endDate=2026-12-31T00%3A00%3A00"


@pytest.mark.parametrize(
    "bad",
    [
        "",
        "2026-11-01",
        "2026-11-01 00:00:00",
        "2026-02-30T00:00:00",
        "2026-11-01T00:00",
        "yesterday",
        None,
        1793458800,
        date(2026, 11, 1),
        "\uff19999-11-01T00:00:00",
        datetime.max.replace(tzinfo=UTC),
        datetime.min.replace(tzinfo=timezone(timedelta(hours=12))),
        "9999-12-31T23:59:59Z",
    ],
)
@pytest.mark.parametrize("call", PERIODS.values(), ids=PERIODS)
async def test_what_is_no_date_is_refused(api, call, bad):
    await refused(api, call(api, bad, LATE), "start")
    await refused(api, call(api, "2026-11-01T00:00:00", bad), "end")


@pytest.mark.parametrize("call", PERIODS.values(), ids=PERIODS)
async def test_a_period_that_ends_before_it_begins_is_refused(api, call):
    late = datetime(2026, 11, 1, 0, 0, 1, tzinfo=timezone(timedelta(hours=9)))
    await refused(api, call(api, late, "2026-10-31T15:00:00Z"), "end", "2026-11-01T00:00:00")
