"""Requests that schemathesis generates from the contract, sent to a running emulator."""

import time
from collections.abc import Iterator

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from dataflow_async.emulator import Emulator
from tests.emulator.conftest import signed_headers
from tests.support import contract
from tests.support.threaded import running

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
CONDITION = {"nrn": "nrn", "scriptPath": "s/", "logPath": "l/"}


class Signing(requests.auth.AuthBase):
    """Signs what requests is about to send, as the last thing that happens to it."""

    def __init__(self, server: Emulator) -> None:
        self.server = server

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        stamp = int(time.time() * 1000)
        request.headers.update(signed_headers(self.server, request.method, request.path_url, stamp))
        return request


class Target:
    """A server with something in it, and generated cases sent to it."""

    def __init__(self, server: Emulator, session: requests.Session) -> None:
        self.server = server
        self.session = session
        self.schema = schemathesis.openapi.from_dict(contract.document())
        self.schema.config.generation.with_security_parameters = False

    def strategy(
        self, operation: contract.Operation, mode: GenerationMode
    ) -> st.SearchStrategy[schemathesis.Case]:
        return self.schema[operation.path][operation.method.lower()].as_strategy(generation_mode=mode)

    def known_ids(self) -> dict[str, str]:
        """The newest thing of each kind, made anew when the last one was deleted."""
        state = self.server.state
        jobs = state.jobs or {self.create("jobs", name="abc", type="SCRIPT")["jobId"]: None}
        job = next(reversed(jobs))
        rule = {"type": "NONE"}
        triggers = state.triggers or {
            self.create("triggers", name="abc", type="NONE", triggerRule=rule)["triggerId"]: None
        }
        trigger = next(reversed(triggers))
        nodes = [
            {"id": trigger, "name": "t", "type": "TRIGGER", "parentNodeIds": []},
            {"id": job, "name": "j", "type": "JOB", "parentNodeIds": [trigger], "jobCondition": CONDITION},
        ]
        workflows = state.workflows or {self.create("workflows", name="abc", nodes=nodes)["workflowId"]: None}
        runs = state.jobs[job].executions
        run = runs[-1].execution_id if runs else self.create(f"jobs/{job}/executions")["jobExecutionId"]
        return {
            "jobId": job,
            "triggerId": trigger,
            "workflowId": next(reversed(workflows)),
            "executionId": run,
        }

    def create(self, path: str, **body: object) -> dict[str, str]:
        answer = self.session.post(f"{self.server.url}/api/v1/{path}", json=body)
        assert answer.ok, answer.text
        return answer.json()

    def ground(self, case: schemathesis.Case) -> None:
        """Let a generated case speak of things that exist."""
        ids = self.known_ids()
        for parameters in (case.path_parameters, case.query):
            for name in (parameters or {}).keys() & ids.keys():
                parameters[name] = ids[name]
        nodes = case.body.get("nodes") if isinstance(case.body, dict) else None
        for node in nodes if isinstance(nodes, list) else []:
            if isinstance(node, dict) and node.get("type") in ("JOB", "TRIGGER"):
                node["id"] = ids["jobId" if node["type"] == "JOB" else "triggerId"]
                node["parentNodeIds"] = []

    def check(self, operation: contract.Operation, case: schemathesis.Case, *, grounded: bool) -> int:
        if grounded:
            self.ground(case)
        response = case.call(base_url=self.server.url, session=self.session)
        case.validate_response(response, checks=CHECKS)
        assert response.status_code != 401, "the generator's own spelling was not what was signed"
        # routed elsewhere by a generated path, a case is no longer one of this operation
        if response.status_code != 404:
            contract.validate_response(operation.operation_id, response.status_code, response.json())
        return response.status_code


@pytest.fixture(scope="module")
def target() -> Iterator[Target]:
    with running(Emulator(speed=1000)) as server, requests.Session() as session:
        session.trust_env = False
        session.auth = Signing(server)
        yield Target(server, session)


def fuzz(
    target: Target,
    operation: contract.Operation,
    mode: GenerationMode,
    examples: int,
) -> set[int]:
    statuses = set()

    @given(target.strategy(operation, mode), st.integers(0, 3))
    @settings(
        max_examples=examples,
        derandomize=True,  # a red run can be repeated; other examples come with other numbers of them
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    def run(case: schemathesis.Case, luck: int) -> None:
        statuses.add(target.check(operation, case, grounded=luck > 0))

    run()
    return statuses


OPERATIONS = list(contract.operations().values())
QUICK = 3
"""Examples of a call and a mode in the quick suite; the slow one has fifty times as many."""


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda it: it.operation_id)
def test_requests_that_the_contract_allows(target, operation):
    statuses = fuzz(target, operation, GenerationMode.POSITIVE, QUICK)

    # what is well-formed gets through, apart from dates that are no dates and workflows without a start trigger
    assert (
        min(statuses) < 300
        or operation.operation_id in {"executeWorkflow", "cancelJobExecution"}
        or "stats" in operation.path
    )


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda it: it.operation_id)
def test_requests_that_the_contract_forbids(target, operation):
    fuzz(target, operation, GenerationMode.NEGATIVE, QUICK)


@pytest.mark.slow
@pytest.mark.parametrize("mode", GenerationMode, ids=lambda it: it.value)
@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda it: it.operation_id)
def test_at_length(target, operation, mode):
    fuzz(target, operation, mode, 150)
