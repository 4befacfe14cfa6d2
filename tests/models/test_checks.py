"""Each refusal reads ``FIELD must be ALLOWED, got VALUE``, for every check and every argument of a public constructor."""

import inspect
import math
import re
from datetime import UTC, datetime

import pytest

from dataflow_async import (
    Credentials,
    CredentialsError,
    DataFlow,
    ExecutionRef,
    InvalidRequest,
    JobCondition,
    PollPolicy,
    RetryPolicy,
    TriggerRule,
)
from dataflow_async.models import checks
from dataflow_async.models.base import Value
from dataflow_async.models.graph import check_parents
from dataflow_async.models.job import job_type
from dataflow_async.models.job import nodes_to_wire as job_nodes
from dataflow_async.models.job_settings import condition_to_wire, run_settings
from dataflow_async.models.moment import write_moment
from dataflow_async.models.trigger import trigger_to_wire
from dataflow_async.models.workflow import nodes_to_wire as workflow_nodes
from dataflow_async.resources.base import body_of
from dataflow_async.resources.paging import named, only_one, window
from dataflow_async.transport import settings
from dataflow_async.wire import jsontext
from dataflow_async.wire.request import check_id, free_path, origin_and_prefix, query_text

NODE = {"id": 1, "type": "X", "name": "one", "parentNodeIds": []}
START = {"id": "t", "name": "t", "type": "TRIGGER", "parentNodeIds": []}
WEEKLY = {"type": "RECURRING", "interval": "WEEK", "time": "10:00", "dayOfWeek": []}
MONTHLY = {"type": "RECURRING", "interval": "MONTH", "time": "10:00", "dateOfMonth": 32}
FAR = datetime(1, 1, 1, tzinfo=UTC).replace(year=9999, month=12, day=31, hour=23)


def takes_two(one, two):
    """A callback with an argument too many."""


# check: what is refused, the field, what is allowed, the value as shown
CHECKS = {
    "name": (lambda: checks.name("a b"), "name", "3 to 100 ASCII letters", "'a b'"),
    "text": (lambda: checks.text("", "field"), "field", "text that is not empty", "''"),
    "one_of": (lambda: checks.one_of("c", ("a", "b"), "field"), "field", "one of a, b", "'c'"),
    "flag": (lambda: checks.flag("no", "field"), "field", "True or False", "'no'"),
    "callback": (lambda: checks.callback(5, "field"), "field", "a function", "5"),
    "callback, arguments": (
        lambda: checks.callback(takes_two, "field"),
        "field",
        "a function that can be called with one argument",
        "<function takes_two",
    ),
    "whole": (lambda: checks.whole(True, "field", 1, 3), "field", "a whole number from 1 to 3", "True"),
    "positive": (lambda: checks.positive(math.nan, "field"), "field", "a finite number above 0", "nan"),
    "at_least_zero": (lambda: checks.at_least_zero(-1, "field"), "field", "a number of 0 or more", "-1"),
    "readable": (
        lambda: checks.readable(["nrn"], ["nrn"], {"nrn": 5}, "condition"),
        "condition.nrn",
        "in a known form",
        "5",
    ),
    "mapping": (lambda: checks.mapping({1: 2}, "field"), "field", "a mapping with text keys", "{1: 2}"),
    "named_once": (
        lambda: checks.named_once("field", {"a": 1}, {"a": 2}),
        "field",
        "names that are given once each",
        "'a'",
    ),
    "members": (lambda: checks.members([1], "field"), "field", "a mapping with text keys", "[1]"),
    "string_map": (lambda: checks.string_map({"a": 1}, "field"), "field['a']", "text", "1"),
    "sequence": (lambda: checks.sequence("abc", "field"), "field", "a list", "'abc'"),
}
OTHERS = {
    "job type": (lambda: job_type("DATAFLOW"), "type", "one of VISUAL, SCRIPT", "'DATAFLOW'"),
    "condition": (
        lambda: condition_to_wire(JobCondition(num_worker=99)),
        "condition.num_worker",
        "a whole number from 2 to 10",
        "99",
    ),
    "condition, name": (
        lambda: condition_to_wire({"numWorkers": 2}),
        "condition.numWorkers",
        "a known member, such as 'numWorker'",
        None,
    ),
    "condition, twice": (
        lambda: condition_to_wire({"numWorker": 2, "num_worker": 2}),
        "condition.num_worker",
        "given once",
        "it twice",
    ),
    "parameters": (
        lambda: run_settings({"parameters": {}}, {}),
        "parameters",
        "given once",
        "them here and in condition",
    ),
    "node": (lambda: job_nodes([5]), "nodes[0]", "a mapping with text keys", "5"),
    "node, type": (
        lambda: job_nodes([NODE | {"type": "TRANSFORM_DROP_NULL"}]),
        "nodes[0].type",
        "a type that requests may name",
        "'TRANSFORM_DROP_NULL'",
    ),
    "node, id": (lambda: job_nodes([NODE, NODE]), "nodes[1].id", "an id that no other node has", "1"),
    "node, parent": (
        lambda: job_nodes([NODE | {"parentNodeIds": [7]}]),
        "nodes[0].parentNodeIds",
        "ids of nodes (1)",
        "7",
    ),
    "nodes, cycle": (
        lambda: check_parents([{"id": "a", "parentNodeIds": ["a"]}]),
        "nodes",
        "without a cycle of parents",
        "a -> a",
    ),
    "workflow node": (
        lambda: workflow_nodes([START | {"parentNodeIds": ["x"]}]),
        "nodes[0].parentNodeIds",
        "[] for a trigger",
        "['x']",
    ),
    "rule": (lambda: trigger_to_wire({"type": "DAILY"}, None), "rule.type", "one of RECURRING", "'DAILY'"),
    "rule, time": (
        lambda: trigger_to_wire(TriggerRule.daily("25:00"), None),
        "rule.time",
        "a time of day 'HH:MM'",
        "'25:00'",
    ),
    "rule, days": (lambda: trigger_to_wire(WEEKLY, None), "rule.dayOfWeek", "one day or more", "[]"),
    "rule, day": (lambda: trigger_to_wire(MONTHLY, None), "rule.dateOfMonth", "1 to 31, or -1", "32"),
    "rule, minute": (lambda: TriggerRule.hourly(60), "minute", "a whole number from 0 to 59", "60"),
    "moment": (lambda: write_moment("soon", "start"), "start", "a datetime or text like", "'soon'"),
    "moment, far": (lambda: write_moment(FAR, "start"), "start", "in the years 1 to 9999", "datetime"),
    "reference": (lambda: ExecutionRef.parse("j/e"), "ref", "text like dataflow-execution:1", "'j/e'"),
    "page": (lambda: window(-1, 10), "page", "a whole number from 0", "-1"),
    "limit": (lambda: window(0, 0), "limit", "a whole number from 1", "0"),
    "searched name": (lambda: named(5), "name", "text", "5"),
    "found name": (lambda: only_one("a", [("1", 1), ("2", 2)]), "name", "that of one thing", "'a'"),
    "extra": (lambda: body_of({"name": 1}, name=2), "extra", "without what has an argument", "'name'"),
    "id": (lambda: check_id("..", "job_id"), "job_id", "text without control characters", "'..'"),
    "path": (lambda: free_path("jobs"), "path", "a path like /api/v1/jobs", "'jobs'"),
    "query": (lambda: query_text(5), "query", "a mapping with text keys", "5"),
    "base_url": (lambda: origin_and_prefix("gopher://a"), "base_url", "https://host", "'gopher://a'"),
    "json": (lambda: jsontext.write({"a": b"x"}), "a", "have a form in JSON", "what has none"),
    "setting": (lambda: settings.instance(5, RetryPolicy, "retry"), "retry", "a RetryPolicy", "5"),
}


def message(call, field):
    with pytest.raises(InvalidRequest) as caught:
        call()
    assert caught.value.field == field
    assert isinstance(caught.value, ValueError)
    return str(caught.value)


@pytest.mark.parametrize(("call", "field", "allowed", "value"), [*CHECKS.values(), *OTHERS.values()], ids=[*CHECKS, *OTHERS])  # fmt: skip
def test_a_refusal_names_the_field_what_it_must_be_and_what_it_got(call, field, allowed, value):
    text = message(call, field)
    assert re.match(rf"{re.escape(field)} must (be )?{re.escape(allowed)}", text), text
    if value is not None:
        assert f", got {value}" in text
    assert "\n" not in text


def test_the_table_has_every_check():
    public = {
        name
        for name, member in vars(checks).items()
        if inspect.isfunction(member) and not name.startswith("_") and member.__module__ == checks.__name__
    }
    assert public - {"refuse", "shown", "has_control"} == {row.partition(",")[0] for row in CHECKS}


@pytest.mark.parametrize(
    "field", ["parameters['db_password']", "secret_key", "accessKey", "extra.apiToken", "credentials"]
)
def test_a_refusal_does_not_show_a_secret(field):
    text = str(checks.refuse(field, b"hunter2", "text"))
    assert text == f"{field} must be text, got a value of type bytes, which is not shown"


def test_the_value_of_a_secret_parameter_is_not_shown():
    text = message(lambda: checks.string_map({"password": 1234567}, "parameters"), "parameters['password']")
    assert "1234567" not in text


def test_a_long_value_is_cut():
    text = str(checks.refuse("field", "x" * 1000, "short"))
    assert len(text) < 120
    assert text.endswith("...")


# --- constructors ------------------------------------------------------------------------------------------

WRONG = object()


@pytest.mark.parametrize("argument", list(inspect.signature(DataFlow).parameters))
def test_a_client_names_the_argument_that_is_wrong(argument):
    good = {"credentials": Credentials("ACCESS", "SECRET"), "base_url": "http://127.0.0.1:9"}
    text = message(lambda: DataFlow(**{**good, argument: WRONG}), argument)
    assert re.match(rf"{argument} must (be|have) .*, got ", text), text


@pytest.mark.parametrize("policy", [RetryPolicy, PollPolicy])
def test_a_policy_names_the_setting_that_is_wrong(policy):
    assert issubclass(policy, Value)
    for setting in inspect.signature(policy).parameters:
        text = message(lambda setting=setting: policy(**{setting: WRONG}), setting)
        assert re.match(rf"{setting} must be .*, got ", text), text


@pytest.mark.parametrize(("access", "secret"), [(5, "SECRET"), ("ACCESS", 5), ("", "SECRET"), ("ACCESS", "")])
def test_credentials_name_the_key_that_is_wrong_and_never_its_value(access, secret):
    with pytest.raises(
        CredentialsError, match=r"^(access|secret)_key must be text .*, got (int|an empty text)$"
    ):
        Credentials(access, secret)
