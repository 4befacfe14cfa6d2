"""Where a test of the journal writes."""

import pytest


@pytest.fixture
def path(tmp_path):
    return tmp_path / "backfill.db"
