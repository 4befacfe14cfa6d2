"""Every row of contract/notes.md that says what the client does, seen from outside; one test or more a row."""

import ast
import asyncio
import functools
import hmac
import json
import re
import time
from base64 import b64decode, b64encode
from datetime import timedelta
from email.utils import formatdate
from pathlib import Path

import attrs
import pytest

from dataflow_async import (
    APIError,
    AuthenticationFailed,
    BadRequest,
    BadState,
    Credentials,
    DataFlow,
    DecodeError,
    InvalidRequest,
    JobCondition,
    JobSettings,
    NotFound,
    PermissionDenied,
    PollPolicy,
    QuotaExceeded,
    RateLimited,
    ResponseLost,
    RetryPolicy,
    ServerError,
    Trigger,
    TriggerRule,
    WaitTimeout,
    WorkflowJobNode,
    WorkflowTriggerNode,
)
from dataflow_async.models.execution import ExecutionRef, JobExecution
from dataflow_async.models.job import Job
from dataflow_async.resources.jobs import Jobs
from dataflow_async.resources.triggers import Triggers
from dataflow_async.resources.workflows import Workflows
from tests.support.scripted import answer, gateway_error, scripted

HERE = Path(__file__).parent
KEYS = Credentials("AK7Qm2Rt9Zc4", "q8Zk/wT+3vB=n0Lx")
JOB = {"jobId": "j", "type": "VISUAL"}
RUN = {"jobExecutionId": "e", "jobId": "j", "status": "RUNNING"}
EMPTY_PAGE = {"list": []}
CONDITION = {"nrn": "n", "scriptPath": "s", "logPath": "l"}

WIRE = "tests/wire/"
MODELS = "tests/models/"
REQUESTS = MODELS + "test_models_requests.py::"
CREDENTIALS = "tests/test_credentials.py::"
PINNED_ELSEWHERE = {
    1: WIRE + "test_decoding.py::test_every_success_of_the_contract_is_read",
    2: WIRE + "test_operation.py::test_there_are_25_calls_of_four_kinds",
    4: WIRE + "test_operation.py::test_row_equals_the_contract",
    92: WIRE + "test_retry.py::test_what_may_be_repeated_and_what_proves_nothing",
    93: "tests/transport/test_pipeline_retries.py::test_fault_matrix",
    86: "tests/bulk/reconcile/test_dating.py::test_dates_without_a_zone_are_not_read_without_runs_of_ours",
    88: "tests/bulk/reconcile/test_reconcile_runs.py::test_absence_counts_from_the_last_send",
    89: "tests/bulk/reconcile/test_absence.py::test_absence_needs_witnesses_on_either_side",
    90: "tests/bulk/reconcile/test_dating.py::test_dates_are_read_through_runs_of_ours",
    91: "tests/bulk/reconcile/test_reconcile_lists.py::test_a_ready_run_is_polled_until_it_echoes",
    95: "tests/bulk/journal/test_account.py::test_only_a_body_that_names_the_run_proves_the_account",
    96: WIRE + "test_failure.py::test_a_standardized_envelope_is_read_whole",
    99: WIRE
    + "test_retry.py::test_only_the_services_own_answer_says_that_a_lost_delete_or_cancel_had_worked",
    20: WIRE + "test_failure.py::test_service_envelope",
    21: WIRE + "test_failure.py::test_other_shapes_give_their_text_and_no_code",
    22: WIRE + "test_failure.py::test_gateway_code_as_text_or_number",
    25: WIRE + "test_failure.py::test_a_404_tells_who_answered",
    30: WIRE + "test_failure.py::test_bad_state_is_looked_for_in_both_places",
    33: REQUESTS + "test_extra_members_join_and_never_replace",
    34: REQUESTS + "test_names_are_checked_as_the_contract_checks_them",
    41: MODELS + "test_job_settings.py::test_a_setting_that_is_not_allowed_is_refused",
    42: MODELS + "test_job_settings.py::test_only_what_was_given_is_sent",
    47: REQUESTS + "test_the_range_of_max_concurrent_runs_is_left_to_the_service",
    50: MODELS + "test_workflow.py::test_how_many_triggers_jobs_and_parents_is_left_to_the_service",
    52: MODELS + "test_trigger.py::test_an_event_passes_its_rule_on_as_given",
    53: MODELS + "test_trigger.py::test_the_makers_of_rules_make_what_the_contract_requires",
    55: MODELS + "test_job_nodes.py::test_a_label_is_any_text",
    57: MODELS + "test_job_nodes.py::test_node_ids_go_out_exactly",
    59: REQUESTS + "test_a_page_out_of_range_is_refused",
    61: MODELS + "test_moment.py::test_a_date_goes_out_in_utc_plus_nine_without_zone_or_fraction",
    62: WIRE + "test_decoding.py::test_the_first_name_present_wins",
    63: WIRE + "test_decoding.py::test_a_status_equals_its_text_known_or_not",
    66: WIRE + "test_decoding.py::test_a_date_is_read_as_an_aware_time",
    67: WIRE + "test_decoding.py::test_unknown_values_stay_text",
    68: WIRE + "test_decoding.py::test_null_looks_like_absent",
    69: WIRE + "test_decoding.py::test_disabled_is_shown_as_it_came",
    80: CREDENTIALS + "test_what_is_given_in_code_beats_all",
    81: CREDENTIALS + "test_each_key_is_the_first_of_its_names_that_is_set",
    82: CREDENTIALS + "test_a_profile_is_read",
    83: CREDENTIALS + "test_a_renewal_that_fails_keeps_old_keys_while_they_are_good",
    84: CREDENTIALS + "test_the_main_gateway_is_not_data_flow",
    87: "tests/transport/test_clock_skew_server_time.py::test_a_wrong_date_widens_and_never_moves_the_interval",
    85: WIRE + "test_request.py::test_any_id_is_refused_or_comes_back_by_unquoting",
    56: "tests/pipeline/test_outputs.py::test_types_are_sent_in_lower_case",
    100: "tests/pipeline/test_stores.py::test_a_target_does_not_overwrite_what_is_read",
    98: "tests/transport/test_connections.py::test_what_arrives_on_an_idle_connection_answers_nothing",
}
NOT_CLIENT_BEHAVIOUR = {
    36: "how a script is handed over is unknown; the client only creates the job",
}


# --- the meta-tests ----------------------------------------------------------------------------------------


def rows():
    text = (HERE.parent / "dataflow_async" / "contract" / "notes.md").read_text("utf-8")
    found = re.findall(r'^\| <a id="ruling-(\d+)"></a>(\d+) \|', text, re.MULTILINE)
    assert all(anchor == number for anchor, number in found)
    return {int(number) for _, number in found}


@functools.cache
def functions(path):
    tree = ast.parse((HERE.parent / path).read_text("utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def pinned_here():
    return {
        int(match[1])
        for name in functions("tests/test_rulings.py")
        if (match := re.match(r"test_ruling_(\d+)_", name))
    }


def test_rows_are_counted_without_gaps():
    assert rows() == set(range(1, 101))


def test_every_row_is_pinned_or_listed_as_not_pinned():
    assert rows() - pinned_here() - set(PINNED_ELSEWHERE) - set(NOT_CLIENT_BEHAVIOUR) == set()


def test_no_row_is_both_pinned_and_listed_as_not_pinned():
    assert (pinned_here() | set(PINNED_ELSEWHERE)) & set(NOT_CLIENT_BEHAVIOUR) == set()
    assert set(PINNED_ELSEWHERE) | set(NOT_CLIENT_BEHAVIOUR) | pinned_here() <= rows()


@pytest.mark.parametrize("place", PINNED_ELSEWHERE.values())
def test_what_is_pinned_elsewhere_is_there(place):
    path, _, name = place.partition("::")
    assert name in functions(path)


# --- helpers -----------------------------------------------------------------------------------------------


@attrs.define
class Hands:
    """The time of day, with sleeps that cost nothing."""

    ahead: float = 0.0
    slept: list = attrs.field(factory=list)

    def time(self):
        return time.time() + self.ahead

    def monotonic(self):
        return time.monotonic() + self.ahead

    async def sleep(self, seconds):
        self.slept.append(seconds)
        self.ahead += seconds
        await asyncio.sleep(0)


def client(server, **more):
    return DataFlow(KEYS, **({"base_url": server.url, "clock": Hands()} | more))


async def sent_by(call, *answers):
    """What goes out for ``call(flow)``, and what it gives."""
    async with scripted(*answers) as server, client(server) as flow:
        result = await call(flow)
    return server.received, result


async def raised_by(kind, call, *answers, **settings):
    """How many requests ``call(flow)`` makes, and the error it raises."""
    async with scripted(*answers) as server, client(server, **settings) as flow:
        with pytest.raises(kind) as caught:
            await call(flow)
    assert type(caught.value) is kind
    return len(server.received), caught.value


def signature_of(request, message=None):
    stamp = request.headers["x-ncp-apigw-timestamp"]
    text = message or f"{request.method} {request.target}\n{stamp}\n{KEYS.access_key}"
    return b64encode(hmac.digest(KEYS.secret_key.encode(), text.encode(), "sha256")).decode()


CREATES = {
    "createJob": lambda flow: flow.jobs.create("abc"),
    "executeJob": lambda flow: flow.jobs.execute("j"),
    "createWorkflow": lambda flow: flow.workflows.create("abc", []),
    "executeWorkflow": lambda flow: flow.workflows.execute("w"),
    "createTrigger": lambda flow: flow.triggers.create("abc", TriggerRule.manual()),
    "request POST": lambda flow: flow.request("POST", "/api/v1/jobs", json={}),
}
READS_AND_WRITES = {
    "getJobById": lambda flow: flow.jobs.get("j"),
    "getJobs": lambda flow: flow.jobs.page(),
    "verifyJob": lambda flow: flow.jobs.verify("abc", []),
    "updateJob": lambda flow: flow.jobs.update("j", type="VISUAL"),
    "updateJobExecuteConfig": lambda flow: flow.jobs.update_execution_config("j", {}),
    "cancelJobExecution": lambda flow: flow.jobs.cancel_execution("j", "e"),
    "updateWorkflow": lambda flow: flow.workflows.update("w", "abc", []),
    "deleteTrigger": lambda flow: flow.triggers.delete("t"),
    "request GET": lambda flow: flow.request("GET", "/api/v1/jobs"),
}
every_creating_call = pytest.mark.parametrize("call", CREATES.values(), ids=CREATES)
every_other_call = pytest.mark.parametrize("call", READS_AND_WRITES.values(), ids=READS_AND_WRITES)


# --- docs, names, reach ------------------------------------------------------------------------------------


def test_ruling_03_no_calls_that_do_not_exist():
    assert not hasattr(Triggers, "update")
    assert not hasattr(Workflows, "execution")
    assert not hasattr(Workflows, "cancel")


async def test_ruling_05_execution_times_path_and_no_other():
    (request,), _ = await sent_by(
        lambda flow: flow.dashboard.execution_times("2026-11-01T00:00:00", "2026-11-02T00:00:00"),
        answer(200, {"result": []}),
    )
    assert request.target.partition("?")[0] == "/api/v1/stats/execution-times"
    requests, _ = await raised_by(
        NotFound,
        lambda flow: flow.dashboard.execution_times("2026-11-01T00:00:00", "2026-11-02T00:00:00"),
        gateway_error(404, "300"),
    )
    assert requests == 1


async def test_ruling_06_update_is_a_patch_without_fallback():
    (request,), _ = await sent_by(lambda flow: flow.jobs.update("j", type="VISUAL"), answer(200, JOB))
    assert (request.method, request.target) == ("PATCH", "/api/v1/jobs/j")
    refusal = answer(405, {"detail": "no", "errorType": "method-not-allowed"})
    async with scripted(refusal) as server, client(server) as flow:
        with pytest.raises(Exception, match="405"):
            await flow.jobs.update("j", type="VISUAL")
    assert [request.method for request in server.received] == ["PATCH"]


async def test_ruling_07_settings_keep_a_call_of_their_own():
    (request,), _ = await sent_by(
        lambda flow: flow.jobs.update_execution_config("j", JobCondition(num_worker=3)), answer(200, JOB)
    )
    assert (request.method, request.target) == ("PUT", "/api/v1/jobs/j/executions")
    assert request.json == {"jobCondition": {"numWorker": 3}}


async def test_ruling_08_the_public_host_unless_set(monkeypatch):
    monkeypatch.delenv("NCLOUD_DATAFLOW_URL", raising=False)
    assert "https://dataflow.apigw.ntruss.com" in repr(DataFlow(KEYS))
    assert "https://other.example" in repr(DataFlow(KEYS, base_url="https://other.example"))


@pytest.mark.parametrize("ending", ["", "/", "/api/v1", "/api/v1/"])
async def test_ruling_09_prefix_is_never_doubled(ending):
    async with (
        scripted(answer(200, EMPTY_PAGE)) as server,
        DataFlow(KEYS, base_url=server.url + ending) as flow,
    ):
        await flow.workflows.page()
        await flow.request("GET", "/api/v1/workflows")
    assert server.targets == ["/api/v1/workflows?page=0&limit=1000", "/api/v1/workflows"]


# --- transport and signing ---------------------------------------------------------------------------------

ODD = "a b+c/d%e~f'g(h)한?#&="


@pytest.mark.parametrize(
    ("call", "given", "target"),
    [
        (
            lambda flow: flow.jobs.get(ODD),
            JOB | {"jobId": ODD},
            "/api/v1/jobs/a%20b%2Bc%2Fd%25e~f%27g%28h%29%ED%95%9C%3F%23%26%3D",
        ),
        (
            lambda flow: flow.jobs.page(name=ODD),
            EMPTY_PAGE,
            "/api/v1/jobs?name=a%20b%2Bc%2Fd%25e~f%27g%28h%29%ED%95%9C%3F%23%26%3D&page=0&limit=1000",
        ),
        (
            lambda flow: flow.jobs.execute("j", trigger_id="t+1", workflow_id="w 2"),
            RUN,
            "/api/v1/jobs/j/executions?triggerId=t%2B1&workflowId=w%202",
        ),
        (
            lambda flow: flow.request("GET", "/api/v1/jobs/%7Ea%2fb c", query={"x": "~"}),
            JOB,
            "/api/v1/jobs/%7Ea%2fb%20c?x=~",
        ),
        (lambda flow: flow.request("GET", "/api/v1/a;b=c,d/e'(f)!*"), JOB, "/api/v1/a;b=c,d/e'(f)!*"),
    ],
)
async def test_ruling_10_what_is_signed_is_what_is_sent(call, given, target):
    (request,), _ = await sent_by(call, answer(200, given))
    assert request.target == target
    assert request.headers["x-ncp-apigw-signature-v2"] == signature_of(request)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_ruling_10_redirects_are_not_followed(status):
    async with scripted(answer(200, JOB)) as other:
        async with (
            scripted(answer(status, b"", Location=f"{other.url}/api/v1/jobs")) as server,
            client(server) as flow,
        ):
            for call in (flow.jobs.get("j"), flow.jobs.create("abc")):
                with pytest.raises(Exception, match=str(status)):
                    await call
        assert [request.method for request in server.received] == ["GET", "GET", "GET", "POST"]
        assert other.received == []


async def test_ruling_11_no_query_no_question_mark():
    (first, second), _ = await sent_by(
        lambda flow: asyncio.gather(
            flow.jobs.get("j"), flow.request("GET", "/api/v1/jobs", query={"a": None})
        ),
        answer(200, JOB),
    )
    assert {first.target, second.target} == {"/api/v1/jobs/j", "/api/v1/jobs"}
    for request in (first, second):
        assert request.headers["x-ncp-apigw-signature-v2"] == signature_of(request)


@pytest.mark.parametrize("prefix", ["", "/flow"])
async def test_ruling_12_the_signed_path_starts_at_the_host(prefix):
    async with scripted(answer(200, JOB)) as server, DataFlow(KEYS, base_url=server.url + prefix) as flow:
        await flow.jobs.get("j")
    request = server.last
    assert request.target == f"{prefix}/api/v1/jobs/j"
    assert request.headers["x-ncp-apigw-signature-v2"] == signature_of(request)


async def test_ruling_13_neither_body_nor_host_is_signed():
    (request,), _ = await sent_by(lambda flow: flow.jobs.create("abc", extra={"x": "한"}), answer(200, JOB))
    assert request.body
    assert request.headers["x-ncp-apigw-signature-v2"] == signature_of(request)


@every_creating_call
async def test_ruling_14_version_2_only(call):
    async with scripted(answer(500)) as server, client(server) as flow:
        with pytest.raises(ServerError):
            await call(flow)
    names = {name for name in server.last.headers if name.startswith("x-ncp")}
    assert names == {"x-ncp-apigw-timestamp", "x-ncp-iam-access-key", "x-ncp-apigw-signature-v2"}


def stamps(server):
    return [int(request.headers["x-ncp-apigw-timestamp"]) for request in server.received]


async def test_ruling_15_every_attempt_is_signed_anew_after_its_wait():
    clock = Hands()
    asked = answer(503, b"", Retry_After="7")
    async with scripted(asked, asked, answer(200, JOB)) as server, client(server, clock=clock) as flow:
        await flow.jobs.get("j")
    first, second, third = stamps(server)
    assert 7000 <= second - first < 8000
    assert 7000 <= third - second < 8000
    assert [request.headers["x-ncp-apigw-signature-v2"] for request in server.received] == [
        signature_of(request) for request in server.received
    ]


@pytest.mark.parametrize("hours", [-9, 9])
async def test_ruling_15_a_clock_that_is_off_is_corrected_once_and_remembered(hours):
    date = formatdate(time.time() + hours * 3600, usegmt=True)
    off = gateway_error(401, "200", Date=date)
    async with scripted(off, answer(200, RUN, Date=date)) as server, client(server) as flow:
        await flow.jobs.execute("j")
        await flow.jobs.execute("j")
    first, *later = stamps(server)
    assert len(later) == 2
    assert all(abs(stamp - first - hours * 3_600_000) < 5000 for stamp in later)


async def test_ruling_15_a_correction_that_does_not_help_is_reported_and_not_kept():
    off = gateway_error(401, "200", Date=formatdate(time.time() + 3600, usegmt=True))
    async with scripted(off, off, answer(200, JOB)) as server, client(server) as flow:
        with pytest.raises(AuthenticationFailed) as caught:
            await flow.jobs.create("abc")
        await flow.jobs.get("j")
    assert 3590 < caught.value.clock_skew < 3610
    assert abs(stamps(server)[2] - stamps(server)[0]) < 5000


@pytest.mark.parametrize("seconds", [-50, 0, 50])
async def test_ruling_15_a_minute_is_no_reason(seconds):
    requests, error = await raised_by(
        AuthenticationFailed,
        lambda flow: flow.jobs.get("j"),
        gateway_error(401, "200", Date=formatdate(time.time() + seconds, usegmt=True)),
    )
    assert (requests, error.clock_skew) == (1, None)


async def test_ruling_16_content_type_always():
    async with (
        scripted(answer(200, JOB | RUN | {"workflowId": "w", "list": []})) as server,
        client(server) as flow,
    ):
        await flow.jobs.get("j")
        await flow.jobs.create("abc")
        await flow.workflows.execute("w")
        await flow.jobs.delete("j")
        await flow.request("GET", "/api/v1/jobs")
    assert [request.headers["content-type"] for request in server.received] == ["application/json"] * 5
    assert [request.body for request in server.received] == [
        b"",
        b'{"name":"abc","type":"VISUAL"}',
        b"",
        b"",
        b"",
    ]


@pytest.mark.parametrize("kind", ["text/plain;charset=UTF-8", "text/html", "", "application/octet-stream"])
async def test_ruling_17_content_type_of_an_answer_means_nothing(kind):
    _, job = await sent_by(lambda flow: flow.jobs.get("j"), answer(200, JOB, Content_Type=kind))
    assert job.job_id == "j"


NEEDS_BODY = {
    "get": lambda flow: flow.jobs.get("j"),
    "page": lambda flow: flow.jobs.page(),
    "create": lambda flow: flow.jobs.create("abc"),
    "update": lambda flow: flow.jobs.update("j", type="VISUAL"),
    "execute": lambda flow: flow.jobs.execute("j"),
    "executeWorkflow": lambda flow: flow.workflows.execute("w"),
    "execution at 200": lambda flow: flow.jobs.execution("j", "e"),
    "dashboard": lambda flow: flow.dashboard.execution_result("2026-11-01T00:00:00", "2026-11-01T00:00:00"),
}
NEEDS_NO_BODY = {
    "delete job": lambda flow: flow.jobs.delete("j"),
    "delete workflow": lambda flow: flow.workflows.delete("w"),
    "delete trigger": lambda flow: flow.triggers.delete("t"),
    "cancel": lambda flow: flow.jobs.cancel_execution("j", "e"),
    "request": lambda flow: flow.request("POST", "/api/v1/new"),
}


@pytest.mark.parametrize("call", NEEDS_BODY.values(), ids=NEEDS_BODY)
@pytest.mark.parametrize("body", [b"", b" \r\n", b"null"])
async def test_ruling_18_an_empty_body_where_one_is_needed(call, body):
    requests, error = await raised_by(DecodeError, call, answer(200, body))
    assert requests == 1
    assert error.operation in str(error)


@pytest.mark.parametrize("call", NEEDS_NO_BODY.values(), ids=NEEDS_NO_BODY)
@pytest.mark.parametrize("given", [answer(204), answer(200), answer(202, b" "), answer(200, b"null")])
async def test_ruling_18_an_empty_body_where_none_is_needed(call, given):
    requests, result = await sent_by(call, given)
    assert (len(requests), result) == (1, None)


@pytest.mark.parametrize("body", [b"", b"\n", b"null", b"{}"])
async def test_ruling_18_a_202_without_a_body_gives_the_ids_asked_for(body):
    _, run = await sent_by(lambda flow: flow.jobs.execution("j", "e"), answer(202, body))
    assert (run.job_id, run.job_execution_id, run.status) == ("j", "e", None)


@pytest.mark.parametrize("name", ["x-ncp-apigw-request-id", "X-NCP-Trace-Id", "x-ncp-request-id"])
@pytest.mark.parametrize(("status", "kind"), [(400, BadRequest), (500, ServerError), (200, DecodeError)])
async def test_ruling_19_whichever_trace_id_arrives(name, status, kind):
    _, error = await raised_by(
        kind, lambda flow: flow.jobs.create("abc"), answer(status, b"", **{name: "trace-1"})
    )
    assert error.request_id == "trace-1"


# --- errors and repeating ----------------------------------------------------------------------------------


async def test_ruling_23_text_decides_nothing():
    body = {"error": {"errorCode": "100", "message": "<b>Throttled</b>, try again. 410 Rate Limited"}}
    requests, error = await raised_by(BadRequest, lambda flow: flow.jobs.get("j"), answer(400, body))
    assert requests == 1
    assert error.message == "Throttled , try again. 410 Rate Limited"


@pytest.mark.parametrize(("code", "kind"), [("200", AuthenticationFailed), ("210", PermissionDenied)])
@pytest.mark.parametrize("call", [CREATES["executeJob"], READS_AND_WRITES["getJobById"]])
async def test_ruling_24_a_401_is_not_repeated(code, kind, call):
    requests, error = await raised_by(kind, call, gateway_error(401, code))
    assert (requests, error.may_have_run) == (1, False)


@attrs.define
class Rotating:
    """A source that has other keys once those it gave were refused."""

    renewals: int = 0

    async def get(self):
        return Credentials(f"access-{self.renewals}", "secret")

    async def renew(self, _stale):
        self.renewals += 1
        return await self.get()


@pytest.mark.parametrize(("answers", "works"), [((401, 200), True), ((401, 401), False)])
async def test_ruling_24_refreshed_keys_are_tried_once(answers, works):
    given = [gateway_error(401, "200") if status == 401 else answer(200, RUN) for status in answers]
    async with scripted(*given) as server, DataFlow(Rotating(), base_url=server.url) as flow:
        if works:
            await flow.jobs.execute("j")
        else:
            with pytest.raises(AuthenticationFailed):
                await flow.jobs.execute("j")
    assert [request.headers["x-ncp-iam-access-key"] for request in server.received] == [
        "access-0",
        "access-1",
    ]


@every_creating_call
@pytest.mark.parametrize("code", ["410", "420"])
async def test_ruling_26_a_rate_limit_is_backed_off_from(call, code):
    requests, error = await raised_by(RateLimited, call, gateway_error(429, code))
    assert (requests, error.attempts, error.may_have_run) == (3, 3, False)


@every_other_call
@pytest.mark.parametrize("code", ["410", "499", ""])
async def test_ruling_26_an_unknown_code_is_a_rate_limit_where_repeating_is_safe(call, code):
    requests, _ = await raised_by(RateLimited, call, gateway_error(429, code))
    assert requests == 3


@every_creating_call
@pytest.mark.parametrize(
    "given", [gateway_error(429, "499"), answer(429), answer(429, b"<html>slow down</html>")]
)
async def test_ruling_26_an_unknown_code_never_repeats_a_creating_call(call, given):
    requests, _ = await raised_by(RateLimited, call, given)
    assert requests == 1


@pytest.mark.parametrize(
    "call", [*CREATES.values(), *READS_AND_WRITES.values()], ids=[*CREATES, *READS_AND_WRITES]
)
async def test_ruling_26_a_quota_is_not_repeated(call):
    requests, _ = await raised_by(QuotaExceeded, call, gateway_error(429, "400"))
    assert requests == 1


@pytest.mark.parametrize(
    ("text", "least", "most"),
    [
        ("7", 7, 7),
        ("0", 0, 1),
        ("3600", 60, 60),
        ("soon", 0, 1),
        ("-5", 0, 1),
        ("999999999999", 0, 1),
        (None, 0, 1),
    ],
)
async def test_ruling_27_retry_after_is_honoured_when_it_makes_sense(text, least, most):
    clock = Hands()
    headers = {} if text is None else {"Retry-After": text}
    policy = RetryPolicy(backoff_base=1.0)
    given = gateway_error(429, "410", **headers)
    async with scripted(given, answer(200, JOB)) as server, client(server, clock=clock, retry=policy) as flow:
        await flow.jobs.get("j")
    (pause,) = clock.slept
    assert least <= pause <= most


async def test_ruling_27_retry_after_may_be_a_date():
    clock = Hands()
    later = formatdate(time.time() + 20, usegmt=True)
    given = gateway_error(503, "500", Retry_After=later)
    async with scripted(given, answer(200, JOB)) as server, client(server, clock=clock) as flow:
        await flow.jobs.get("j")
    assert 17 < clock.slept[0] <= 20


UNCLEAR = [(503, "500"), (504, "510"), (500, "900"), (502, "")]


@every_creating_call
@pytest.mark.parametrize(("status", "code"), UNCLEAR)
async def test_ruling_28_a_creating_call_is_not_repeated_and_says_it_may_have_run(call, status, code):
    requests, error = await raised_by(ServerError, call, gateway_error(status, code))
    assert (requests, error.may_have_run) == (1, True)
    assert "may have taken effect" in str(error)


@every_other_call
@pytest.mark.parametrize(("status", "code"), UNCLEAR)
async def test_ruling_28_other_calls_are_repeated(call, status, code):
    requests, error = await raised_by(ServerError, call, gateway_error(status, code))
    assert (requests, error.may_have_run) == (3, False)


DELETES = {
    "job": lambda flow: flow.jobs.delete("x"),
    "workflow": lambda flow: flow.workflows.delete("x"),
    "trigger": lambda flow: flow.triggers.delete("x"),
}
GONE = answer(404, {"detail": "Nothing has the id x.", "errorType": "not-found"})


@pytest.mark.parametrize("call", DELETES.values(), ids=DELETES)
async def test_ruling_29_gone_after_an_unclear_delete_is_done(call):
    requests, result = await sent_by(call, gateway_error(504, "510"), GONE)
    assert (len(requests), result) == (2, None)


@pytest.mark.parametrize("call", DELETES.values(), ids=DELETES)
async def test_ruling_29_gone_at_first_is_an_error(call):
    assert (await raised_by(NotFound, call, GONE))[0] == 1


@pytest.mark.parametrize("call", DELETES.values(), ids=DELETES)
async def test_ruling_29_gone_after_a_refusal_is_an_error(call):
    assert (await raised_by(NotFound, call, gateway_error(429, "410"), GONE))[0] == 2


async def test_ruling_29_a_bad_state_after_an_unclear_cancel_is_done():
    ended = answer(400, {"detail": "Ended", "errorType": "bad-state"})
    requests, result = await sent_by(
        lambda flow: flow.jobs.cancel_execution("j", "e"), gateway_error(503, "500"), ended
    )
    assert (len(requests), result) == (2, None)
    await raised_by(BadState, lambda flow: flow.jobs.cancel_execution("j", "e"), ended)


async def test_ruling_31_an_unknown_code_is_passed_on():
    given = answer(400, {"detail": "Name is taken", "errorType": "duplicate-name"})
    _, error = await raised_by(BadRequest, lambda flow: flow.jobs.create("abc"), given)
    assert (error.code, error.message, error.source) == ("duplicate-name", "Name is taken", "service")


async def test_ruling_32_parallel_calls_have_a_limit_of_their_own():
    async with scripted(b"") as server, client(server, max_concurrency=2) as flow:
        tasks = [asyncio.create_task(flow.jobs.get("j")) for _ in range(5)]
        while len(server.received) < 2:
            await asyncio.sleep(0)
        for _ in range(200):
            await asyncio.sleep(0)
        assert len(server.received) == 2
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


# --- requests ----------------------------------------------------------------------------------------------


async def test_ruling_35_older_job_types_are_read_and_not_sent():
    _, job = await sent_by(lambda flow: flow.jobs.get("j"), answer(200, JOB | {"type": "DATAFLOW"}))
    assert job.type == "DATAFLOW"
    requests, _ = await raised_by(
        InvalidRequest, lambda flow: flow.jobs.create("abc", type=job.type), answer()
    )
    assert requests == 0


@pytest.mark.parametrize(
    ("given", "verdict"),
    [
        (answer(200, b"true"), True),
        (answer(204), True),
        (answer(200), True),
        (answer(200, b"false"), False),
        (gateway_error(400, "100"), False),
        (answer(400, {"detail": "no", "errorType": "bad-parameter"}), False),
    ],
)
async def test_ruling_37_verify_gives_true_or_false(given, verdict):
    (request,), result = await sent_by(lambda flow: flow.jobs.verify("abc", []), given)
    assert result is verdict
    assert (request.target, request.json) == ("/api/v1/jobs/verify", {"name": "abc", "nodes": []})


async def test_ruling_37_verify_passes_other_errors_on():
    await raised_by(PermissionDenied, lambda flow: flow.jobs.verify("abc", []), gateway_error(401, "210"))


async def test_ruling_38_update_reads_the_type_it_is_not_given():
    (read, write), _ = await sent_by(
        lambda flow: flow.jobs.update("j", name="new_name"),
        answer(200, JOB | {"type": "SCRIPT"}),
        answer(200, JOB),
    )
    assert (read.method, read.target) == ("GET", "/api/v1/jobs/j")
    assert (write.method, write.json) == ("PATCH", {"type": "SCRIPT", "name": "new_name"})
    requests, _ = await sent_by(lambda flow: flow.jobs.update("j", type="VISUAL"), answer(200, JOB))
    assert [request.json for request in requests] == [{"type": "VISUAL"}]


@pytest.mark.parametrize("kind", ["DATAFLOW", None, "HOLOGRAM"])
async def test_ruling_38_an_older_type_is_not_guessed_over(kind):
    requests, error = await raised_by(
        InvalidRequest, lambda flow: flow.jobs.update("j", name="new_name"), answer(200, JOB | {"type": kind})
    )
    assert requests == 1
    assert error.field == "type"


async def test_ruling_39_drafts_are_read_and_not_sent():
    given = answer(200, {"workflowId": "w", "isTemp": True})
    (request,), workflow = await sent_by(lambda flow: flow.workflows.create("abc", []), given)
    assert workflow.is_temp is True
    assert request.json == {"name": "abc", "nodes": []}


async def test_ruling_40_worker_type_is_read_allowed_on_nodes_and_not_sent_otherwise():
    _, job = await sent_by(
        lambda flow: flow.jobs.get("j"),
        answer(200, JOB | {"runCondition": {"workerType": "DEFAULT", "numWorker": 2}}),
    )
    assert job.job_condition.worker_type == "DEFAULT"
    (request,), _ = await sent_by(
        lambda flow: flow.jobs.execute("j", condition=job.job_condition), answer(200, RUN)
    )
    assert request.json == {"jobCondition": {"numWorker": 2}}
    node = {
        "id": "j",
        "name": "n",
        "type": "JOB",
        "parentNodeIds": [],
        "jobCondition": CONDITION | {"workerType": "DEFAULT"},
    }
    (request,), _ = await sent_by(
        lambda flow: flow.workflows.create("abc", [node]), answer(200, {"workflowId": "w"})
    )
    assert request.json["nodes"] == [node]


async def test_ruling_43_nothing_given_sends_an_empty_object():
    (request,), _ = await sent_by(lambda flow: flow.jobs.execute("j"), answer(202, RUN))
    assert request.body == b"{}"


async def test_ruling_44_parameters_go_inside_the_settings():
    (request,), _ = await sent_by(
        lambda flow: flow.jobs.execute("j", parameters={"day": "1"}), answer(200, RUN)
    )
    assert request.json == {"jobCondition": {"parameters": {"day": "1"}}}


async def test_ruling_45_trigger_and_workflow_go_into_the_query():
    (request,), _ = await sent_by(
        lambda flow: flow.jobs.execute("j", trigger_id="t", workflow_id="w"), answer(200, RUN)
    )
    assert request.target == "/api/v1/jobs/j/executions?triggerId=t&workflowId=w"
    assert request.body == b"{}"
    assert request.headers["x-ncp-apigw-signature-v2"] == signature_of(request)


def test_ruling_46_the_docs_warn_that_a_script_moves():
    assert "moves" in Jobs.update_execution_config.__doc__
    assert "script" in Jobs.update_execution_config.__doc__


def test_ruling_48_a_node_copies_three_settings_from_its_job():
    stored = JobSettings(num_worker=7, nrn="n", script_path="s", log_path="l")
    node = WorkflowJobNode.of(Job("j", name="step", job_condition=stored), ["t"])
    assert node.job_condition == JobCondition(nrn="n", script_path="s", log_path="l")


def test_ruling_49_a_node_has_the_id_of_its_trigger_or_job():
    assert WorkflowTriggerNode.of(Trigger("t", name="start")).id == "t"
    assert WorkflowJobNode.of(Job("j", name="step"), ["t"]).id == "j"


async def test_ruling_51_a_rule_is_text_on_a_node_and_an_object_on_a_trigger():
    _, workflow = await sent_by(
        lambda flow: flow.workflows.get("w"),
        answer(
            200, {"workflowId": "w", "nodes": [{"id": "t", "type": "TRIGGER", "triggerRule": "ONE_TIME"}]}
        ),
    )
    assert workflow.nodes[0].trigger_rule == "ONE_TIME"
    _, trigger = await sent_by(
        lambda flow: flow.triggers.get("t"),
        answer(200, {"triggerId": "t", "triggerRule": {"type": "ONE_TIME"}}),
    )
    assert trigger.trigger_rule.type == "ONE_TIME"
    node = {
        "id": "t",
        "name": "start",
        "type": "TRIGGER",
        "parentNodeIds": [],
        "triggerRule": {"type": "NONE"},
    }
    await raised_by(InvalidRequest, lambda flow: flow.workflows.create("abc", [node]), answer())


@pytest.mark.parametrize("day", [1, 31, -1, "15"])
async def test_ruling_54_the_day_of_the_month_goes_out_as_text(day):
    (request,), _ = await sent_by(
        lambda flow: flow.triggers.create("abc", TriggerRule.monthly(day, "03:30")),
        answer(200, {"triggerId": "t"}),
    )
    assert request.json["triggerRule"]["dateOfMonth"] == str(day)


async def test_ruling_58_two_node_types_are_read_and_not_sent():
    nodes = [
        {"type": kind, "id": 1, "name": "n", "parentNodeIds": []}
        for kind in ("TRANSFORM_DROP_NULL", "TRANSFORM_SPLIT_FIELD")
    ]
    _, job = await sent_by(
        lambda flow: flow.jobs.get("j"), answer(200, JOB | {"nodes": [*nodes, {"type": "NEW"}]})
    )
    assert [node.to_wire() for node in job.nodes] == [*nodes, {"type": "NEW"}]
    for node in nodes:
        await raised_by(
            InvalidRequest, lambda flow, node=node: flow.jobs.create("abc", nodes=[node]), answer()
        )


async def test_ruling_60_the_filter_is_left_to_the_caller():
    async with scripted(answer(200, EMPTY_PAGE)) as server, client(server) as flow:
        await flow.workflows.executions_page("w")
        await flow.workflows.executions_page("w", filter="a b")
    assert server.targets == [
        "/api/v1/workflows/w/executions?page=0&limit=1000",
        "/api/v1/workflows/w/executions?page=0&limit=1000&filter=a%20b",
    ]


# --- responses and lists -----------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [200, 201, 202, 203, 206, 226])
async def test_ruling_64_any_2xx_is_success(status):
    _, run = await sent_by(lambda flow: flow.jobs.execute("j"), answer(status, RUN))
    assert run.job_execution_id == "e"
    _, job = await sent_by(lambda flow: flow.jobs.create("abc"), answer(status, JOB))
    assert job.job_id == "j"


ENDING = [*DELETES.values(), lambda flow: flow.jobs.cancel_execution("j", "e")]


@pytest.mark.parametrize("body", [b"", b"true", b'{"success": true}', b'{"jobId": "j"}'])
@pytest.mark.parametrize("call", ENDING)
async def test_ruling_65_a_delete_answers_true_or_nothing(call, body):
    _, result = await sent_by(call, answer(200, body))
    assert result is None


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"false", APIError),
        (b'{"success": false}', APIError),
        (b'{"error": {"errorCode": "300", "message": "no"}}', APIError),
        (b'{"detail": "no", "errorType": "bad-state"}', APIError),
        (b'"ok"', DecodeError),
        (b"[]", DecodeError),
        (b"<html>Sign in</html>", DecodeError),
        (b"\xff", DecodeError),
    ],
)
@pytest.mark.parametrize("call", ENDING)
async def test_ruling_97_what_is_no_success_under_200(call, body, kind):
    _, error = await raised_by(kind, call, answer(200, body))
    assert type(error) is kind


async def test_ruling_97_a_launch_answered_with_an_error_may_have_run():
    refusal = answer(200, {"error": {"errorCode": "410", "message": "Throttle Limited"}})
    requests, error = await raised_by(APIError, lambda flow: flow.jobs.execute("j"), refusal)
    assert (requests, error.may_have_run) == (1, True)
    requests, error = await raised_by(APIError, lambda flow: flow.jobs.get("j"), refusal)
    assert (requests, error.may_have_run) == (1, False)


async def test_ruling_97_a_proxys_400_proves_nothing():
    verify = READS_AND_WRITES["verifyJob"]
    await raised_by(BadRequest, verify, answer(400, b"<html>no</html>"))
    await raised_by(DecodeError, verify, answer(200, b"<html>hi</html>"))


async def test_ruling_94_an_error_about_an_answer_carries_the_run_it_names():
    for kind, status in ((ServerError, 504), (DecodeError, 202)):
        _, error = await raised_by(
            kind, lambda flow: flow.jobs.execute("j"), answer(status, {**RUN, "jobId": 5})
        )
        assert error.execution_ref == ExecutionRef("j", RUN["jobExecutionId"])
        assert error.may_have_run


async def test_ruling_70_bounds_and_samples_are_shown_as_they_came():
    period = ("2026-11-01T00:00:00", "2026-11-02T00:00:00")
    row = {"totalCount": 3, "startDate": "2026-11-01T00:00:01", "endDate": "2026-11-02T00:00:02"}
    _, days = await sent_by(
        lambda flow: flow.dashboard.execution_interval(*period), answer(200, {"result": [row]})
    )
    assert days.result[0].raw == row
    assert days.result[0].end_date - days.result[0].start_date == timedelta(days=1, seconds=1)
    samples = {"result": [{"time": 1793458800000, "value": 0.5}, {"time": 1793458800000, "value": 12}]}
    _, times = await sent_by(lambda flow: flow.dashboard.execution_times(*period), answer(200, samples))
    assert [(one.time, one.value) for one in times.result] == [(1793458800000, 0.5), (1793458800000, 12)]


def page_of(*ids, **more):
    return answer(200, {"list": [{"jobId": id_} for id_ in ids], **more})


@pytest.mark.parametrize(
    ("pages", "found", "requests"),
    [
        ([page_of()], "", 1),
        ([page_of("a"), page_of()], "a", 2),
        ([page_of("a", "b", count=2), page_of("c", "d", count=2), page_of()], "abcd", 3),
        ([page_of("a", "b", count=0), page_of("c", "d", count=0), page_of()], "abcd", 3),
        ([page_of("a", "b", count=99), page_of()], "ab", 2),
        ([page_of("a", "b"), page_of("c"), page_of("d"), page_of()], "abcd", 4),
        ([page_of("a", "b"), page_of("a", "b"), page_of("c"), page_of()], "abc", 4),
        ([page_of("a", "b"), page_of("a", "b"), page_of("a", "b")], "ab", 3),
        ([page_of("a", "b"), page_of("c"), page_of("c"), page_of("d")], "abc", 3),
        ([page_of("a", "b"), page_of("b", "c"), page_of()], "abc", 3),
        ([page_of("a", "a"), page_of()], "a", 2),
    ],
)
async def test_ruling_71_a_list_ends_where_the_rows_do(pages, found, requests):
    async with scripted(*pages) as server, client(server) as flow:
        assert [job.job_id async for job in flow.jobs.list(limit=2)] == list(found)
    assert server.targets == [f"/api/v1/jobs?page={number}&limit=2" for number in range(requests)]


async def test_ruling_72_a_capped_first_page_proves_nothing():
    pages = [
        page_of("a", "b", limit=1000),
        page_of("c", "d", limit=1000),
        page_of("e", limit=1000),
        page_of("f"),
    ]
    async with scripted(*pages) as server, client(server) as flow:
        assert [job.job_id async for job in flow.jobs.list()] == list("abcdef")
    assert len(server.received) == 5


async def test_ruling_72_order_is_kept_and_repeated_ids_are_dropped():
    pages = [page_of("z", "a", "m"), page_of("a", "b", "z"), page_of()]
    async with scripted(*pages) as server, client(server) as flow:
        assert [job.job_id async for job in flow.jobs.list()] == ["z", "a", "m", "b"]


# --- runs --------------------------------------------------------------------------------------------------


@every_creating_call
async def test_ruling_73_a_lost_answer_is_raised_and_never_repeated(call):
    requests, error = await raised_by(ResponseLost, call)
    assert (requests, error.may_have_run, error.attempts) == (1, True, 1)


async def test_ruling_74_a_receipt_names_no_run():
    receipt = {"workflowId": "w", "triggerId": "t", "status": "ACCEPTED"}
    _, given = await sent_by(lambda flow: flow.workflows.execute("w"), answer(202, receipt))
    assert (given.workflow_id, given.trigger_id, given.status) == ("w", "t", "ACCEPTED")
    assert not hasattr(given, "job_execution_id")


async def test_ruling_75_nothing_is_checked_before_a_workflow_starts():
    requests, error = await raised_by(
        BadState,
        lambda flow: flow.workflows.execute("w"),
        answer(400, {"detail": "Scheduled", "errorType": "bad-state"}),
    )
    assert (requests, error.message) == (1, "Scheduled")


async def test_ruling_76_the_payload_header_is_base64_of_compact_json():
    receipt = answer(202, {"workflowId": "w", "triggerId": "t", "status": "ACCEPTED"})
    (request,), _ = await sent_by(
        lambda flow: flow.workflows.execute("w", payload={"by": "야간", "n": [1]}), receipt
    )
    assert (
        b64decode(request.headers["x-ncp-dataflow-payload"], validate=True)
        == '{"by":"야간","n":[1]}'.encode()
    )
    assert request.body == b""
    (request,), _ = await sent_by(lambda flow: flow.workflows.execute("w"), receipt)
    assert "x-ncp-dataflow-payload" not in request.headers


DONE = answer(200, RUN | {"status": "COMPLETED"})
REF = ExecutionRef("j", "e")


@pytest.mark.parametrize(
    "weather",
    [
        GONE,
        answer(202),
        answer(202, RUN),
        answer(200, RUN | {"status": "PAUSED"}),
        answer(200, RUN | {"status": None}),
    ],
)
async def test_ruling_77_a_wait_outlives_what_is_not_the_end(weather):
    async with scripted(weather, weather, weather, DONE) as server, client(server) as flow:
        assert (await flow.wait(REF)).status == "COMPLETED"
    assert len(server.received) == 4


async def test_ruling_77_a_404_that_stays_ends_the_wait():
    clock = Hands()
    poll = PollPolicy(not_found_grace=20.0)
    async with scripted(GONE) as server, client(server, clock=clock, poll=poll) as flow:
        with pytest.raises(NotFound) as caught:
            await flow.wait(REF)
    assert 19 < sum(clock.slept) < 30
    assert caught.value.execution_ref == REF


async def test_ruling_78_a_wait_polls_with_back_off():
    clock = Hands()
    running = answer(200, RUN)
    async with scripted(*[running] * 60, DONE) as server, client(server, clock=clock) as flow:
        await flow.wait(REF)
    assert len(clock.slept) == 60
    assert clock.slept[0] < 2
    assert 20 < clock.slept[-1] <= 36


async def test_ruling_78_a_wait_has_a_deadline():
    async with scripted(answer(200, RUN)) as server, client(server, clock=None) as flow:
        with pytest.raises(WaitTimeout) as caught:
            await flow.wait(REF, timeout=0)
    assert caught.value.execution.status == "RUNNING"
    assert [request.method for request in server.received] == ["GET"]


@pytest.mark.parametrize("ended", ["COMPLETED", "CANCELED"])
async def test_ruling_79_a_run_is_read_again_after_a_cancel(ended):
    last = answer(200, RUN | {"status": ended})
    async with (
        scripted(answer(200, RUN), answer(200, b"true"), last) as server,
        client(server, clock=None) as flow,
    ):
        if ended == "COMPLETED":
            assert (await flow.wait(REF, timeout=0, cancel_on_timeout=True)).status == ended
        else:
            with pytest.raises(WaitTimeout) as caught:
                await flow.wait(REF, timeout=0, cancel_on_timeout=True)
            assert caught.value.execution.status == ended
    assert [request.method for request in server.received] == ["GET", "POST", "GET"]


async def test_ruling_79_the_error_of_a_late_cancel_is_passed_on():
    ended = answer(400, {"detail": "Ended", "errorType": "bad-state"})
    requests, _ = await raised_by(BadState, lambda flow: flow.jobs.cancel_execution("j", "e"), ended)
    assert requests == 1


# --- found while reviewing ---------------------------------------------------------------------------------


def test_a_run_can_be_named_to_another_process():
    run = JobExecution("e/1", "j 2")
    assert ExecutionRef.parse(str(run.ref)) == ExecutionRef("j 2", "e/1")
    assert json.dumps(str(run.ref))
