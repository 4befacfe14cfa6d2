"""Ages and dates as a person writes them."""

from datetime import UTC, datetime

import pytest

from dataflow_async.cli.exit_codes import CommandFailed
from dataflow_async.cli.period import since

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("90m", "2026-11-29T10:30+00:00"),
        ("24h", "2026-11-28T12:00+00:00"),
        ("7d", "2026-11-22T12:00+00:00"),
        ("2w", "2026-11-15T12:00+00:00"),
        ("2026-11-29", "2026-11-29T00:00+09:00"),
        ("2026-11-29T06:00", "2026-11-29T06:00+09:00"),
        ("2026-11-29T06:00Z", "2026-11-29T06:00+00:00"),
    ],
)
def test_an_age_or_a_date(text, moment):
    assert since(text, NOW) == datetime.fromisoformat(moment)


@pytest.mark.parametrize("text", ["", "24", "h", "1y", "-1h", "yesterday", "2026-02-30", "999999w"])
def test_what_is_neither_is_refused(text):
    with pytest.raises(CommandFailed, match="--since must be an age like 24h"):
        since(text, NOW)
