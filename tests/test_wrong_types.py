"""Every argument of every public call, given what it can't be: refused by name, and nothing is sent."""

import inspect
import math
import re

import pytest

from dataflow_async import Credentials, DataFlow, DataFlowError, ExecutionRef, InvalidRequest, Launch
from dataflow_async.resources.dashboard import Dashboard
from dataflow_async.resources.jobs import Jobs
from dataflow_async.resources.triggers import Triggers
from dataflow_async.resources.workflows import Workflows
from dataflow_async.wire import jsontext
from dataflow_async.wire.server_time import ServerTime
from dataflow_async.workflows.start import WorkflowStart
from tests.support.internals import session_of


class Unshowable:
    """Its repr fails, as those of half-made objects do."""

    def __repr__(self):
        raise RuntimeError("no repr")


async def gives_nothing(_):
    yield


HUGE, HALF = 10**5000, "\ud800"
NEVER = [Unshowable(), object(), HUGE, -HUGE, 1j, b"text", {1}, Credentials("ACCESS", "SECRET"), Credentials]
"""What no argument can be, each in a way of its own."""
TEXT = [*NEVER, 5, 1.5, True, [], {}]
ID = [*TEXT, None, "", "..", "a\nb", HALF]
NAME = [*TEXT, "", "x", "a\nb", HALF]
WHOLE = [*NEVER, math.nan, math.inf, 1.5, True, "5", [], {}]
SECONDS = [*NEVER, math.nan, -1, True, "5", [], {}]
FLAG = [*NEVER, None, 0, 1, "no", [], {}]
MAPPING = [*NEVER, 5, "text", [], [("a", 1)], {1: 2}]
VALUES = [*MAPPING, {"a": object()}, {"a": math.nan}, {"a": [HALF]}]
PARAMETERS = [*MAPPING, {"a": 1}, {"a": None}, {"a": HALF}]
CONDITION = [*MAPPING, {"numWorker": 99}, {"numworker": 2}, {"nrn": HALF}]
NODES = [*NEVER, 5, "text", {}, [None], [object()], ["text"], [{}], [{"id": HUGE}]]
RUNS = [*NEVER, None, 5, "text", {}, [None], ["text"], [Unshowable()]]
CALLBACK = [5, "text", [], Credentials, gives_nothing, lambda: None, lambda one, two: None]
MOMENT = [*NEVER, None, 5, "today", HALF, [], {}]

NODE = {"id": 1, "type": "X", "name": "one", "parentNodeIds": []}
REF = ExecutionRef("job", "run")
START = {"condition": CONDITION, "parameters": PARAMETERS, "trigger_id": ID[:-1], "workflow_id": ID[:-1]}
START = {name: [value for value in wrong if value is not None] for name, wrong in START.items()}
WAIT = {"timeout": SECONDS, "on_change": CALLBACK}
WAIT |= dict.fromkeys(("cancel_on_timeout", "cancel_on_cancel", "check"), FLAG)
JOB = {"nodes": NODES, "condition": CONDITION, "max_concurrent_runs": WHOLE, "extra": VALUES}
OF_JOBS = {
    "trigger": [*TEXT, "", HALF],
    "jobs": [*NEVER, None, 5, "text", {}, [None], [5], [""], [HALF], [object()], [{}], [Unshowable()]],
}
WINDOW = {"page": [*WHOLE, -1], "limit": [*WHOLE, 0]}
BULK = {
    "launches": [*[value for value in NEVER if not isinstance(value, set)], None, 5, "text", {}],
    "max_in_flight": [*WHOLE, 0],
    "correlation_parameter": [*TEXT, "", HALF],
    "assume_exclusive": FLAG,
    "max_failures": [*WHOLE, 0],
    "max_outage": SECONDS,
    "on_progress": CALLBACK,
    "total": [*WHOLE, -1],
}
GOOD = {
    **dict.fromkeys(("job_id", "workflow_id", "trigger_id", "execution_id", "name"), "abc"),
    "execution": REF,
    "executions": [REF],
    "workflow_start": WorkflowStart("abc", {"job": ()}, ServerTime(1.0, 2.0), frozenset()),
    "nodes": [NODE],
    "trigger": "abc",
    "condition": {"numWorker": 2},
    "rule": {"type": "NONE"},
    "start": "2026-01-01T00:00:00",
    "end": "2026-01-02T00:00:00",
    "method": "GET",
    "path": "/api/v1/jobs",
    "launches": [Launch("job")],
    "journal": "journal",
}
"""Fit values for arguments that are needed."""
TABLE = {
    (Jobs, "create"): {"name": [*NAME, None], "type": [*TEXT, None, "DATAFLOW"], **JOB},
    (Jobs, "get"): {"job_id": ID},
    (Jobs, "page"): {**WINDOW, "name": TEXT},
    (Jobs, "list"): {"limit": WINDOW["limit"], "name": TEXT},
    (Jobs, "find"): {"name": [*TEXT, None, ""]},
    (Jobs, "update"): {"job_id": ID, "name": NAME, "type": [*TEXT, "DATAFLOW"], **JOB},
    (Jobs, "verify"): {"name": [*NAME, None], "nodes": [*NODES, None]},
    (Jobs, "execute"): {"job_id": ID, **START, "extra": VALUES},
    (Jobs, "execution"): {"job_id": ID, "execution_id": ID},
    (Jobs, "executions_page"): {"job_id": ID, **WINDOW},
    (Jobs, "executions"): {"job_id": ID, "limit": WINDOW["limit"]},
    (Jobs, "update_execution_config"): {"job_id": ID, "condition": [*CONDITION, None], "extra": VALUES},
    (Jobs, "cancel_execution"): {"job_id": ID, "execution_id": ID},
    (Jobs, "delete"): {"job_id": ID},
    (Workflows, "create"): {"name": [*NAME, None], "nodes": [*NODES, None], **OF_JOBS},
    (Workflows, "get"): {"workflow_id": ID},
    (Workflows, "page"): WINDOW,
    (Workflows, "list"): {"limit": WINDOW["limit"]},
    (Workflows, "update"): {"name": [*NAME, None], "nodes": [*NODES, None], **OF_JOBS},
    (Workflows, "execute"): {"workflow_id": ID, "payload": VALUES},
    (Workflows, "executions_page"): {"workflow_id": ID, **WINDOW, "filter": TEXT},
    (Workflows, "executions"): {"workflow_id": ID, "limit": WINDOW["limit"]},
    (Workflows, "delete"): {"workflow_id": ID},
    (Triggers, "create"): {"name": [*NAME, None], "rule": [*MAPPING, None, {}], "extra": VALUES},
    (Triggers, "get"): {"trigger_id": ID},
    (Triggers, "page"): {**WINDOW, "name": TEXT},
    (Triggers, "list"): {"limit": WINDOW["limit"], "name": TEXT},
    (Triggers, "find"): {"name": [*TEXT, None, ""]},
    (Triggers, "delete"): {"trigger_id": ID},
    (Dashboard, "execution_result"): {"start": MOMENT, "end": MOMENT},
    (Dashboard, "execution_interval"): {"start": MOMENT, "end": MOMENT},
    (Dashboard, "execution_times"): {"start": MOMENT, "end": MOMENT},
    (DataFlow, "wait"): {"execution": RUNS, **WAIT},
    (DataFlow, "wait_all"): {"executions": RUNS, "timeout": SECONDS, "check": FLAG},
    (DataFlow, "as_finished"): {"executions": RUNS, "timeout": SECONDS},
    (DataFlow, "watch"): {"execution": RUNS},
    (DataFlow, "run"): {"job_id": ID, **START, "extra": VALUES, **WAIT},
    (DataFlow, "run_workflow"): {"workflow_id": ID, "timeout": SECONDS, "payload": VALUES},
    (DataFlow, "begin_workflow"): {"workflow_id": ID, "payload": VALUES, "before_start": CALLBACK},
    (DataFlow, "follow_workflow"): {"workflow_start": [*NEVER, None, 5, "text", {}], "timeout": SECONDS},
    (DataFlow, "run_all"): {**BULK, "cancel_runs_on_exit": FLAG},
    (DataFlow, "launch_all"): BULK,
    (DataFlow, "request"): {"method": [*TEXT, None, "GO"], "path": [*TEXT, None, "x"], "query": MAPPING},
}
OWNERS = {Jobs: "jobs", Workflows: "workflows", Triggers: "triggers", Dashboard: "dashboard"}
SPARED = {"aclose", "tracker_stats"}
CASES = [
    pytest.param(owner, call, argument, id=f"{owner.__name__}.{call}({argument})")
    for (owner, call), arguments in TABLE.items()
    for argument in arguments
]


def test_every_public_call_is_in_the_table():
    public = {
        (owner, name)
        for owner in (*OWNERS, DataFlow)
        for name, member in vars(owner).items()
        if not name.startswith("_") and callable(member)
    }
    assert {(owner, name) for owner, name in public if name not in SPARED} == set(TABLE)


def named(error):
    """The name of what was refused, as Python and the wire spell it alike."""
    return re.split(r" must |: ", str(error), maxsplit=1)[0].replace("_", "").lower()


async def used(value):
    if inspect.isawaitable(value):
        await value
    elif hasattr(value, "__aiter__"):
        async for _ in value:
            pass


@pytest.fixture
async def flow(monkeypatch):
    made = DataFlow(Credentials("ACCESS", "SECRET"), base_url="http://127.0.0.1:9")

    async def sent(call, *_):
        raise AssertionError(f"{call.operation.name} was sent")

    monkeypatch.setattr(session_of(made), "send", sent)
    yield made
    await made.aclose()


@pytest.mark.parametrize(("owner", "call", "argument"), CASES)
async def test_it_is_refused_by_name_before_anything_is_sent(flow, owner, call, argument):
    function = getattr(getattr(flow, OWNERS[owner]) if owner in OWNERS else flow, call)
    needed = {
        name: GOOD[name]
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.default is parameter.empty or (owner, call, name) == (DataFlow, "run_all", "journal")
    }
    if argument in {"correlation_parameter", "assume_exclusive"}:
        needed["journal"] = GOOD["journal"]
    if argument == "jobs":
        needed["trigger"] = GOOD["trigger"]
    for wrong in TABLE[owner, call][argument]:
        with pytest.raises(DataFlowError) as caught:
            await used(function(**{**needed, argument: wrong}))
        error = caught.value
        assert isinstance(error, InvalidRequest), error
        expected = ("a", argument) if argument == "extra" and isinstance(wrong, dict) else (argument,)
        expected = {"executions": ("execution",), "condition": ("condition", "jobCondition")}.get(
            argument, expected
        )
        expected = ("jobCondition.parameters", *expected) if argument == "parameters" else expected
        assert named(error).startswith(tuple(one.replace("_", "").lower() for one in expected)), error
        assert "SECRET" not in str(error)
        assert not error.may_have_run


@pytest.mark.parametrize(
    "wrong", [Unshowable(), HUGE, b"http://user:password@host", ["user:password@host"]], ids=range(4)
)
@pytest.mark.parametrize(
    "argument", ["base_url", "session", "user_agent_suffix", "proxy", "clock", "timeout"]
)
def test_the_constructor_names_what_it_can_not_show(argument, wrong):
    good = {"credentials": Credentials("ACCESS", "SECRET"), "base_url": "http://127.0.0.1:9"}
    with pytest.raises(InvalidRequest, match=f"^{argument} must be ") as caught:
        DataFlow(**{**good, argument: wrong})
    if argument in {"base_url", "proxy"}:
        assert "password@host" not in str(caught.value)


@pytest.mark.parametrize(
    ("value", "where"),
    [
        ({"a": [1, {"b": object()}]}, "json.a[1].b"),
        ({"a": (1, math.inf)}, "json.a[1]"),
        ({"a": HALF}, "json.a"),
        ({HALF: 1}, "json"),
        (object(), "json"),
        ({"a": {(1, 2): 3}}, "json.a"),
    ],
)
def test_what_has_no_form_in_json_is_named_by_its_path(value, where):
    with pytest.raises(InvalidRequest) as caught:
        jsontext.write(value, "json")
    assert caught.value.field == where
    assert str(caught.value).isprintable() or HALF not in str(caught.value)


def test_what_holds_itself_is_named_at_the_top():
    value = {}
    value["a"] = {"b": value}
    with pytest.raises(InvalidRequest, match=r"^json must have a form in JSON.*Circular"):
        jsontext.write(value, "json")
