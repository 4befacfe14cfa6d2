"""What headers say, whatever they hold."""

from email.utils import formatdate

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dataflow_async.wire.headers import retry_after

NOW = 1_793_458_800.0


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("20", 20.0),
        ("0", 0.0),
        ("1.5", 1.5),
        (" 7 ", 7.0),
        ("86399", 86_399.0),
        (formatdate(NOW + 30, usegmt=True), 30.0),
        (formatdate(NOW + 3600), 3600.0),
        (formatdate(NOW, usegmt=True), 0.0),
        (formatdate(NOW - 30, usegmt=True), None),
        (formatdate(NOW + 10 * 86_400, usegmt=True), None),
        ("-10", None),
        ("-0.1", None),
        ("86400", None),
        ("99999999999999999999999999999999999", None),
        ("9" * 5000, None),
        ("1e3", None),
        ("nan", None),
        ("inf", None),
        ("-inf", None),
        ("0x10", None),
        ("1_0", None),
        ("\u0665", None),
        ("²", None),
        ("5 s", None),
        ("5,5", None),
        ("1.5.2", None),
        (".", None),
        ("Zun, 29 Sep 2026 12:00:00 GMT", None),
        ("Zun, 29 Sep", None),
        ("Mon, 32 Nov 2026 07:28:00 GMT", None),
        ("soon", None),
        ("", None),
        ("   ", None),
        (None, None),
    ],
    ids=lambda value: str(value)[:40],
)
def test_retry_after(text, seconds):
    assert retry_after(text, NOW) == seconds


@given(
    st.one_of(
        st.text(st.characters()),
        st.from_regex(r"[A-Z][a-z]{2}, \d{1,3} [A-Z][a-z]{2} \d{1,6} \d+:\d+(:\d+)? ([+-]\d+|[A-Z]+)"),
        st.floats().map(str),
        st.integers().map(str),
    ),
    st.floats(0, 1e11),
)
@example("Mon, 01 Jan 0000 00:00:00 GMT", NOW)
@example("Mon, 01 Jan 9999 23:59:59 -2359", NOW)
@example("1 Jan " + "9" * 5000 + " 00:00:00", NOW)
def test_any_retry_after_is_none_or_less_than_a_day(text, now):
    seconds = retry_after(text, now)
    assert seconds is None or 0 <= seconds < 86_400
