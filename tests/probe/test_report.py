"""Reports follow the schema that is shipped, and hold nothing of the account."""

import json
from datetime import UTC, datetime
from pathlib import Path

import attrs
import jsonschema
import pytest

import dataflow_async.probe
from dataflow_async.emulator import Emulator
from dataflow_async.probe.exchange import Exchange, Question
from dataflow_async.probe.facts import observe
from dataflow_async.probe.probing import probe
from dataflow_async.probe.questions import Interview, read_account
from dataflow_async.probe.report import Report

SCHEMA = json.loads((Path(dataflow_async.probe.__file__).parent / "probe.schema.json").read_text("utf-8"))
CANARY = "canary-7Fq2"


async def test_a_report_follows_the_schema():
    async with Emulator() as server:
        server.create_job("stock_import")
        report = await probe(server.credentials, server.url)
    jsonschema.validate(json.loads(report.text()), SCHEMA)
    assert len(report.text()) < 30_000


@pytest.mark.parametrize("change", [{"version": 2}, {"format": "x"}, {"more": 1}, {"facts": {"a": {"b": 1}}}])
def test_the_schema_refuses_another_form(change):
    record = Report("1", with_runs=False).record() | change
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(record, SCHEMA)


# --- canaries ----------------------------------------------------------------------------------------------


def poisoned(value, canary):
    """A JSON value with a canary in every text, and in the names of open objects."""
    if isinstance(value, dict):
        return {
            **{name: poisoned(inner, canary) for name, inner in value.items()},
            f"{canary}member": f"{canary} in a member that nobody knows",
            "parsedParameters": {f"{canary} name": f"{canary} value"},
        }
    if isinstance(value, list):
        return [poisoned(inner, canary) for inner in value]
    return f"{canary} {value}" if isinstance(value, str) else value


async def exchanges_of(canary, form):
    """What a service answers whose every text, header and code is a canary."""

    async def send(question):
        status = 404 if question.name.startswith(("unknown", "no ")) else 200
        row = dict.fromkeys(
            ("name", "status", "type", "createdDate", "description", "scriptPath", "disabled"), "x"
        )
        ids = dict.fromkeys(("jobId", "jobExecutionId", "workflowId", "triggerId"), "x")
        thing = row | ids | {"jobCondition": dict(row), "nodes": [row | {"type": "JOB"}], "triggerRule": "x"}
        body = poisoned({"list": [thing, thing], "count": 2, **thing}, canary)
        if status == 404:
            body = poisoned({"error": {"errorCode": "x", "message": "m", "detail": "d"}}, canary)
        headers = {
            "content-type": canary,
            f"x-{form}-trace-id": canary,
            "connection": canary,
            "location": canary,
        }
        return Exchange(question, status, headers, json.dumps(body).encode())

    interview = Interview(send)
    await read_account(interview, datetime.now(UTC))
    return interview.exchanges


@pytest.mark.parametrize("canary", [CANARY, "Canary", "CANARY", "canary", "카나리아"])
async def test_nothing_of_the_account_is_in_a_report(canary):
    exchanges = await exchanges_of(canary, "ncp")
    assert len(exchanges) > 30
    report = Report.of(exchanges, "1", canary)
    assert canary not in report.text()
    assert canary.encode("unicode_escape").decode() not in report.text()
    jsonschema.validate(json.loads(report.text()), SCHEMA)


def exchange(name, body):
    return Exchange(Question(name, "GET", "/"), 200, {}, json.dumps(body).encode())


def test_a_status_that_equals_a_name_is_replaced_by_the_same_pseudonym_everywhere():
    row = {"jobId": "Jq3kT9vLmN2x", "name": "SECRET", "status": "SECRET", "type": "SECRET", "secretMember": 1}
    other = row | {"name": "secretMember", "status": "READY"}
    report = Report.of({"jobs": exchange("jobs", {"list": [row, other]})}, "1")
    assert report.facts["jobs: types"] == ["<name 2>"]
    assert report.facts["jobs: statuses"] == ["READY", "<name 2>"]
    assert "<name 1>" in report.facts["jobs: members"]
    assert "SECRET" not in report.text() and "secretMember" not in report.text()


def test_words_of_the_documentation_are_kept_whatever_an_account_calls_its_jobs():
    row = {"jobId": "digits", "name": "object", "status": "READY", "description": "jobId", "type": "rows"}
    report = Report.of({"jobs": exchange("jobs", {"list": [row]})}, "1")
    assert report.facts == observe({"jobs": exchange("jobs", {"list": [row]})})


def test_facts_of_no_answers_are_all_unknown():
    facts = observe({})
    assert {name for name, value in facts.items() if value is not None} == set()
    assert attrs.asdict(Report("1", with_runs=False))["facts"] == {}
