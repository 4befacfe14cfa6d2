"""Whatever the members of answers are, a probe ends with a report."""

import asyncio
import copy
import json
from datetime import UTC, datetime
from itertools import product

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow_async.emulator import Emulator
from dataflow_async.probe.exchange import Exchange
from dataflow_async.probe.probing import probe
from dataflow_async.probe.questions import Interview, read_account
from dataflow_async.probe.report import Report
from dataflow_async.probe.with_runs import RunWatch
from tests.probe.test_report import SCHEMA
from tests.support.clocks import LeapClock
from tests.support.services import filled

VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
DEEP = '{"a":' * 500 + "1" + "}" * 500
VALUES = [
    None,
    True,
    0,
    -(10**20),
    10**400,
    1e308,
    float("nan"),
    float("-inf"),
    "",
    "x",
    "\ud800",
    "9999-12-31T23:59:59",
]
VALUES += [[], {}, [None], [[]], [1, "a", {}], {"list": []}, {"list": {"a": 1}}, {"jobId": {}}, json.loads(DEEP)]  # fmt: skip
HEADERS = {
    "content-type": "\udcff",
    "keep-alive": "timeout=²",
    "date": "Thu, 99 Foo 0000",
    "retry-after": "٣",
    "connection": "\0",
}


@pytest.fixture(scope="module")
def answers():
    """Name of each question, and its answer by an account that has everything."""
    return asyncio.run(recorded())


async def recorded():
    found = {}
    clock = LeapClock()
    async with Emulator(clock=clock) as server:
        await filled(server, push=clock.sleep)
        job = next(iter(server.state.jobs))
        await probe(
            server.credentials,
            server.url,
            clock=clock,
            job_to_run=job,
            on_answer=lambda it: found.setdefault(it.question.name, (it.status, it.json)),
        )
    assert {"run", "run in progress", "workflow", "trigger", "launch", "cancelled run"} <= found.keys()
    return found


async def reported(answers, headers=None):
    """The report about these answers."""

    async def send(question):
        status, body = answers.get(question.name, (404, {"errorType": "not-found"}))
        return Exchange(question, status, headers or {}, json.dumps(body).encode(), signed_at=1e9)

    interview = Interview(send)
    await read_account(interview, datetime(2026, 11, 1, tzinfo=UTC))
    watch = RunWatch(interview, LeapClock(), "Jq3kT9vLmN2x", 5)
    await watch.observe()
    report = Report.of(interview.exchanges, "1", "key", "host", more=watch.facts())
    VALIDATOR.validate(json.loads(report.text()))
    assert report.notes()
    return report


def names_in(value):
    if isinstance(value, dict):
        return {*value, *(name for inner in value.values() for name in names_in(inner))}
    return {name for inner in value for name in names_in(inner)} if isinstance(value, list) else set()


def replaced(value, name, other):
    if isinstance(value, dict):
        return {it: other if it == name else replaced(inner, name, other) for it, inner in value.items()}
    return [replaced(inner, name, other) for inner in value] if isinstance(value, list) else value


def changes(answers):
    """Names of members and of answers, each with every value that may stand there instead, and what makes the change."""
    names = sorted(names_in([body for _, body in answers.values()]))
    return [*product(names, VALUES, [with_member]), *product(answers, VALUES, [with_answer])]


def with_member(answers, name, other):
    return {it: (status, replaced(body, name, other)) for it, (status, body) in answers.items()}


def with_answer(answers, name, other):
    return answers | {name: (answers[name][0], other)}


@pytest.mark.parametrize("other", VALUES, ids=range(len(VALUES)))
async def test_answers_of_any_type_end_in_a_report(answers, other):
    await reported({name: (status, other) for name, (status, _) in answers.items()})


async def test_members_of_any_type_end_in_a_report(answers):
    numbers = [("runningTime", other, with_member) for other in VALUES]
    for name, other, change in [*changes(answers)[::61], *numbers]:
        await reported(change(answers, name, other))


@pytest.mark.slow
async def test_each_member_of_each_type_ends_in_a_report(answers):
    for name, other, change in changes(answers):
        await reported(change(answers, name, other))


async def test_a_header_of_any_text_ends_in_a_report(answers):
    for name, value in HEADERS.items():
        await reported(answers, {name: value})


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(data=st.data())
async def test_any_part_of_any_answer_may_be_anything(answers, data):
    changed = copy.deepcopy(answers)
    for _ in range(data.draw(st.integers(1, 4))):
        name = data.draw(st.sampled_from(sorted(changed)))
        status, body = changed[name]
        parts = [body]
        while isinstance(parts[-1], dict | list) and parts[-1] and data.draw(st.booleans()):
            part = parts[-1]
            key = data.draw(st.sampled_from(sorted(part) if isinstance(part, dict) else range(len(part))))
            parts.append(part[key])
            parent = (part, key)
        value = copy.deepcopy(data.draw(json_values))  # a later change goes into it
        if len(parts) > 1:
            parent[0][parent[1]] = value
        else:
            changed[name] = (data.draw(st.sampled_from([status, 200, 202, 204, 400, 404, 500])), value)
    await reported(changed)
