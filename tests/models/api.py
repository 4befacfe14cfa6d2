"""Resources over a recorder of calls, and what requests of tests are made of."""

import pytest
from hypothesis import strategies as st

from dataflow_async import (
    InvalidRequest,
)
from dataflow_async.resources.dashboard import Dashboard
from dataflow_async.resources.jobs import Jobs
from dataflow_async.resources.triggers import Triggers
from dataflow_async.resources.workflows import Workflows
from tests.support.recorder import Recorder

CONDITION = {"nrn": "nrn:PUB:IAM::1:Role/1", "scriptPath": "lake/scripts/", "logPath": "lake/logs/"}
TRIGGER_NODE = {"id": "t", "name": "start", "type": "TRIGGER", "parentNodeIds": []}
JOB_NODE = {"id": "j", "name": "step", "type": "JOB", "parentNodeIds": ["t"], "jobCondition": CONDITION}


class Api:
    def __init__(self):
        self.calls = Recorder()
        self.jobs = Jobs(self.calls)
        self.workflows = Workflows(self.calls)
        self.triggers = Triggers(self.calls)
        self.dashboard = Dashboard(self.calls)

    @property
    def sent(self):
        return self.calls.sent

    @property
    def body(self):
        return self.calls.body


async def refused(api, call, field, *words):
    """The call raises `InvalidRequest` that names ``field`` and holds ``words``, and sends nothing."""
    with pytest.raises(InvalidRequest) as caught:
        await call
    error = caught.value
    assert error.field == field
    for word in (field, *words):
        assert word in str(error)
    assert error.may_have_run is False
    assert error.__cause__ is None
    assert api.sent == []


JUNK = st.sampled_from([None, True, 0, 1.5, "", "x", [], {}, ["x"]])


def job_node(id_=1, parents=(), **members):
    return {
        "type": "TRANSFORM_UNION",
        "id": id_,
        "name": "Sum",
        "parentNodeIds": list(parents),
        "unionType": "ALL",
    } | (members)
