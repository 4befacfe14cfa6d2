"""Dates as text, against the standard library."""

from datetime import datetime, timedelta, timezone

import pytest

from dataflow_async.emulator.service import dates

KST = timezone(timedelta(hours=9))


@pytest.mark.parametrize(
    "seconds",
    [0, 59.999, 60, 1.001, 0.1 + 0.2, 86_399.9999, 1_793_458_800, 1_793_458_800.057, 4_102_444_799.5],
)
def test_a_date_with_zone_is_that_of_the_standard_library(seconds):
    written = dates.with_zone(seconds)

    assert written == datetime.fromtimestamp(seconds, KST).isoformat(timespec="milliseconds")
    assert dates.without_zone(seconds) == written.removesuffix("+09:00")
    assert dates.parsed(written) == pytest.approx(seconds, abs=0.001)


def test_the_last_microsecond_of_a_minute_is_no_sixtieth_second():
    assert dates.with_zone(59.9999999) == "1970-01-01T09:01:00.000+09:00"
