"""What a request may hold is checked here; what is refused is named, and never sent."""

import re
from contextlib import suppress
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow_async import (
    InvalidRequest,
    TriggerRule,
)
from dataflow_async.emulator import Emulator
from tests.models.api import JOB_NODE, Api, refused
from tests.support import contract

NAMERS = {
    "jobs.create": lambda api, name: api.jobs.create(name),
    "jobs.update": lambda api, name: api.jobs.update("j", type="VISUAL", name=name),
    "jobs.verify": lambda api, name: api.jobs.verify(name, []),
    "workflows.create": lambda api, name: api.workflows.create(name, []),
    "workflows.update": lambda api, name: api.workflows.update("w", name, []),
    "triggers.create": lambda api, name: api.triggers.create(name, TriggerRule.manual()),
}


@pytest.mark.parametrize("name", ["abc", "_ab", "A-b_9", "a" * 100, "___", "orders_rollup"])
@pytest.mark.parametrize("namer", NAMERS.values(), ids=NAMERS)
async def test_a_name_that_is_allowed_goes_out(api, namer, name):
    await namer(api, name)
    assert api.body["name"] == name


BAD_NAMES = [
    "",
    "ab",
    "a" * 101,
    "-ab",
    "9ab",
    "a b",
    "abc\n",
    "주문집계",
    "\uff41bc",
    "a.b.c",
    "abć",
    5,
    b"abc",
    ["abc"],
]


@pytest.mark.parametrize("name", BAD_NAMES)
@pytest.mark.parametrize("namer", NAMERS.values(), ids=NAMERS)
async def test_a_name_that_is_not_allowed_is_refused(api, namer, name):
    await refused(api, namer(api, name), "name", repr(name)[:70], "3 to 100")


NAME = contract.document()["components"]["schemas"]["ResourceName"]["pattern"]


@given(st.text(st.characters(), max_size=101) | st.from_regex(r"[A-Za-z_-][A-Za-z0-9_-]{0,101}"))
async def test_names_are_checked_as_the_contract_checks_them(name):
    api = Api()
    with suppress(InvalidRequest):
        await api.jobs.create(name)
    assert bool(api.sent) is bool(re.fullmatch(NAME.strip("^$"), name))


@pytest.mark.parametrize("kind", ["DATAFLOW", "visual", "", "NONE", 5, None])
async def test_a_job_type_of_older_docs_is_refused(api, kind):
    await refused(api, api.jobs.create("abc", type=kind), "type", repr(kind), "VISUAL", "SCRIPT")


@pytest.mark.parametrize("runs", ["1", True, 1.0, [1]])
async def test_max_concurrent_runs_is_a_whole_number(api, runs):
    await refused(api, api.jobs.create("abc", max_concurrent_runs=runs), "max_concurrent_runs", repr(runs))


@pytest.mark.parametrize("runs", [-1, 0, 1, 1000])
async def test_the_range_of_max_concurrent_runs_is_left_to_the_service(api, runs):
    await api.jobs.create("abc", max_concurrent_runs=runs)
    assert api.body["maxConcurrentRuns"] == runs


PAGERS = {
    "jobs.page": lambda api, **window: api.jobs.page(**window),
    "jobs.executions_page": lambda api, **window: api.jobs.executions_page("j", **window),
    "workflows.page": lambda api, **window: api.workflows.page(**window),
    "workflows.executions_page": lambda api, **window: api.workflows.executions_page("w", **window),
    "triggers.page": lambda api, **window: api.triggers.page(**window),
}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("limit", value) for value in (0, -1, True, "10", 1.0, None, 2**31)),
        *(("page", value) for value in (-1, True, "0", 0.0, None, 2**31)),
    ],
)
@pytest.mark.parametrize("pager", PAGERS.values(), ids=PAGERS)
async def test_a_page_out_of_range_is_refused(api, pager, field, value):
    await refused(api, pager(api, **{field: value}), field, repr(value))


BAD_IDS = ["", ".", "..", "a\nb", None, 5, ["j"]]
ID_USERS = {
    "jobs.get": ("jobId", lambda api, bad: api.jobs.get(bad)),
    "jobs.execute": ("jobId", lambda api, bad: api.jobs.execute(bad)),
    "jobs.execution": ("executionId", lambda api, bad: api.jobs.execution("j", bad)),
    "jobs.cancel_execution": ("executionId", lambda api, bad: api.jobs.cancel_execution("j", bad)),
    "jobs.delete": ("jobId", lambda api, bad: api.jobs.delete(bad)),
    "workflows.execute": ("workflowId", lambda api, bad: api.workflows.execute(bad)),
    "workflows.delete": ("workflowId", lambda api, bad: api.workflows.delete(bad)),
    "triggers.delete": ("triggerId", lambda api, bad: api.triggers.delete(bad)),
}


@pytest.mark.parametrize("bad", BAD_IDS, ids=repr)
@pytest.mark.parametrize(("field", "use"), ID_USERS.values(), ids=ID_USERS)
async def test_an_id_that_can_not_be_one_is_refused(api, field, use, bad):
    await refused(api, use(api, bad), field, repr(bad))


@pytest.mark.parametrize("bad", ["", "a\nb", 5, True, ["a", "b"]], ids=repr)
@pytest.mark.parametrize("member", ["trigger_id", "workflow_id"])
async def test_an_id_in_the_query_of_a_launch_is_checked_like_one_in_the_path(api, member, bad):
    with pytest.raises(InvalidRequest):
        await api.jobs.execute("j", **{member: bad})
    assert api.sent == []


async def test_extra_members_join_and_never_replace(api):
    await api.jobs.create("abc", extra={"tomorrow": {"a": None}})
    assert api.body == {"name": "abc", "type": "VISUAL", "tomorrow": {"a": None}}
    api.sent.clear()
    for name in ("name", "type", "nodes", "jobCondition", "maxConcurrentRuns"):
        await refused(api, api.jobs.create("abc", extra={name: 1}), "extra", name)
    await refused(
        api, api.triggers.create("abc", TriggerRule.manual(), extra={"type": "NONE"}), "extra", "type"
    )


@pytest.mark.parametrize("extra", ["x", 5, [("a", 1)], {1: 2}])
async def test_extra_members_are_a_mapping(api, extra):
    await refused(api, api.jobs.create("abc", extra=extra), "extra")


@pytest.mark.parametrize(
    "value", [object(), {1, 2}, float("nan"), float("inf"), b"x", "\ud800", datetime.now(UTC)]
)
async def test_what_json_has_no_form_for_is_refused(api, value):
    with pytest.raises(InvalidRequest):
        await api.jobs.create("abc", extra={"tomorrow": value})
    assert api.sent == []


@pytest.mark.parametrize("payload", ["x", 5, [1], {"a": object()}, {1: 2}])
async def test_a_payload_is_a_json_object(api, payload):
    with pytest.raises(InvalidRequest, match="payload"):
        await api.workflows.execute("w", payload=payload)
    assert api.sent == []


async def test_what_is_refused_here_reaches_no_server():
    async with Emulator() as server, server.client() as flow:
        for call in (
            flow.jobs.create("x"),
            flow.jobs.get(".."),
            flow.triggers.create("abc", TriggerRule("RECURRING")),
            flow.workflows.create("abc", [JOB_NODE]),
            flow.request("GET", "https://example.com/api/v1/jobs"),
            flow.request("BREW", "/api/v1/jobs"),
        ):
            with pytest.raises(InvalidRequest):
                await call
        assert server.history.requests == 0
