"""``help()`` shows what a model holds, and errors say what to look at next."""

import inspect
import pydoc
import re

import attrs
import pytest

import dataflow_async
from dataflow_async import ExecutionCanceled, ExecutionFailed, JobExecution, JobSettings
from dataflow_async.models.base import Value
from dataflow_async.resources.dashboard import Dashboard
from dataflow_async.resources.jobs import Jobs
from dataflow_async.resources.triggers import Triggers
from dataflow_async.resources.workflows import Workflows
from tests.support import contract

MODELS = [
    thing
    for name in dataflow_async.__all__
    if isinstance(thing := getattr(dataflow_async, name), type)
    and attrs.has(thing)
    and thing.__module__.startswith("dataflow_async.models")
]


def test_there_are_models():
    assert {JobExecution, JobSettings} < set(MODELS)
    assert any(issubclass(model, Value) for model in MODELS)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_help_shows_every_member_with_its_meaning(model):
    shown = pydoc.plain(pydoc.render_doc(model))
    _, _, members = shown.partition("Attributes:")
    for field in attrs.fields(model):
        if field.name != "raw":
            assert f"     {field.name}: " in members


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (JobExecution, ["waiting_time: Minutes", "running_time: Minutes", "executor_num: Workers"]),
        (JobSettings, ["timeout: Minutes", "num_worker: Workers"]),
        (dataflow_async.JobCondition, ["minutes, 1 to 1440", "Workers, 2 to 10"]),
    ],
)
def test_help_tells_units(model, words):
    shown = pydoc.plain(pydoc.render_doc(model))
    for word in words:
        assert word in shown


RUN = {"job_execution_id": "e", "job_id": "j", "status": "FAILED"}


@pytest.mark.parametrize("kind", [ExecutionFailed, ExecutionCanceled])
@pytest.mark.parametrize(
    ("settings", "where"),
    [
        (None, None),
        (JobSettings(), None),
        (JobSettings(log_path="lake/logs/"), "lake/logs/"),
        (JobSettings(log_path="lake/logs/", console_log_path="lake/logs/e/console"), "lake/logs/e/console"),
    ],
)
def test_an_error_about_a_run_says_where_its_log_is(kind, settings, where):
    message = str(kind(JobExecution(**RUN, job_condition=settings)))
    assert message.startswith("execution e of job j ended FAILED")
    assert message.endswith(f"; its log: {where}" if where else "ended FAILED")


SOURCE = re.compile(r"Source: (\S+)")
PUBLIC = {
    f"{owner.__name__}.{name}": member
    for owner in (Jobs, Workflows, Triggers, Dashboard)
    for name, member in vars(owner).items()
    if not name.startswith("_") and callable(member)
}


def pages():
    """The page of the API guide for each call of the contract."""
    parts = [part for path in contract.document()["paths"].values() for part in path.values()]
    calls = [part for part in parts if isinstance(part, dict) and "operationId" in part]
    return {call["operationId"]: call["externalDocs"]["url"] for call in calls}


@pytest.mark.parametrize("name", PUBLIC)
def test_a_call_names_its_page_of_the_api_guide(name):
    text = inspect.getdoc(PUBLIC[name])
    call = re.search(r"\((\w+)\)[,.;: ]", text.partition("\n")[0] + " ")
    if call is None:  # `list`, `find` and `executions` read pages
        assert name.partition(".")[2] in {"list", "find", "executions"}
    else:
        assert SOURCE.findall(text) == [pages()[call[1]]]


def printed():
    """The pages of the API guide for the schemas of the contract."""
    schemas = contract.document()["components"]["schemas"].values()
    return {schema["externalDocs"]["url"] for schema in schemas if "externalDocs" in schema}


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_a_model_names_a_page_of_the_contract(model):
    assert set(SOURCE.findall(inspect.getdoc(model))) <= set(pages().values()) | printed()
