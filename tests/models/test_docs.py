"""``help()`` shows what a model holds, and errors say what to look at next."""

import pydoc

import attrs
import pytest

import dataflow_async
from dataflow_async import ExecutionCanceled, ExecutionFailed, JobExecution, JobSettings
from dataflow_async.models.base import Value

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
