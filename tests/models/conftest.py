"""Resources whose calls are recorded instead of sent."""

import pytest

from tests.models.api import Api


@pytest.fixture
def api():
    return Api()
