"""A job to call, for tests of kinds of fault."""

import pytest


@pytest.fixture
async def job(api):
    return await api.job(jobCondition={"numWorker": 2})
