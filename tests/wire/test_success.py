"""A 2xx is what the contract says, or an error that says what it is instead (ruling 97)."""

import json
from typing import NamedTuple

import pytest

from dataflow_async import APIError, DecodeError, ExecutionRef, NotFound
from dataflow_async.wire import operation as op
from dataflow_async.wire import success
from dataflow_async.wire.operation import OPERATIONS, Effect

MODELLED = [row for row in OPERATIONS if row.answers is not None]
DONE = [row for row in OPERATIONS if row.answers is None and row.effect is Effect.IDEMPOTENT]
IDS = {"jobId": "j", "jobExecutionId": "e", "workflowId": "w", "triggerId": "t"}


class Given(NamedTuple):
    status: int
    headers: dict
    body: bytes


def given(body, status=200):
    return Given(status, {}, body if isinstance(body, bytes) else json.dumps(body).encode())


ERRORS = {
    "gateway": {"error": {"errorCode": "300", "message": "Not Found Exception", "details": None}},
    "a number": {"error": {"errorCode": 900}},
    "standardized": {"error": {"errorCode": "InternalError", "message": "x", "detail": "y"}},
    "service": {"detail": "gone", "errorType": "not-found"},
    "bare": {"errorType": "unknown"},
    "with nulls": {"errorType": "unknown", "list": None, "jobId": None, "jobExecutionId": None},
}


@pytest.mark.parametrize("body", ERRORS.values(), ids=ERRORS)
@pytest.mark.parametrize("operation", MODELLED, ids=lambda row: row.name)
def test_an_error_under_200_is_an_error(operation, body):
    with pytest.raises(APIError) as caught:
        success.result(operation, given(body), IDS)
    error = caught.value
    assert (error.status, error.operation, type(error)) == (200, operation.name, APIError)
    assert error.code in {"300", "900", "InternalError", "not-found", "unknown"}
    assert error.may_have_run is (operation.effect is Effect.CREATES)


@pytest.mark.parametrize("body", ERRORS.values(), ids=ERRORS)
@pytest.mark.parametrize("operation", [*DONE, op.VERIFY_JOB], ids=lambda row: row.name)
def test_an_error_under_200_acknowledges_nothing(operation, body):
    with pytest.raises(APIError):
        success.acknowledged(operation, given(body))


@pytest.mark.parametrize("body", ERRORS.values(), ids=ERRORS)
def test_an_error_under_200_is_no_empty_list(body):
    with pytest.raises(APIError):
        success.run_page(op.GET_JOB_EXECUTIONS, given(body), "j")


def test_a_standardized_not_found_under_200_is_not_found():
    with pytest.raises(NotFound):
        success.result(op.GET_JOB, given({"error": {"errorCode": "NotFound"}}), IDS)


@pytest.mark.parametrize(
    "more",
    [{"errorType": None}, {"error": None}, {"error": "x"}, {"errorType": "x"}, ERRORS["gateway"]],
    ids=str,
)
def test_an_answer_that_has_what_it_needs_is_no_error(more):
    run = success.result(op.GET_JOB_EXECUTION, given({"jobExecutionId": "e", **more}), {"jobId": "j"})
    assert run.job_execution_id == "e"
    assert list(success.run_page(op.GET_JOB_EXECUTIONS, given({"list": [], **more}), "j").rows) == []


# --- acknowledgements --------------------------------------------------------------------------------------

YES = [b"", b" \n", b"null", True, {"success": True}]
NO = [False, {"success": False}, {"success": False, "message": "no"}]
NEITHER = [
    "ok",
    b"done",
    b"\xff",
    0,
    1,
    1.5,
    [],
    [True],
    {"success": "false"},
    {"success": 0},
    {"success": []},
]
OBJECTS = [{}, {"jobId": "j"}, {"success": None}, {"deleted": False}, {"errorType": None}]


@pytest.mark.parametrize("body", [*YES, *OBJECTS], ids=str)
@pytest.mark.parametrize("operation", DONE, ids=lambda row: row.name)
def test_what_says_that_it_was_done(operation, body):
    assert success.acknowledged(operation, given(body)) is True


@pytest.mark.parametrize("body", NO, ids=str)
@pytest.mark.parametrize("operation", [*DONE, op.VERIFY_JOB], ids=lambda row: row.name)
def test_what_says_no(operation, body):
    assert success.acknowledged(operation, given(body)) is False


@pytest.mark.parametrize("body", NEITHER, ids=str)
@pytest.mark.parametrize("operation", [*DONE, op.VERIFY_JOB], ids=lambda row: row.name)
def test_what_says_neither_yes_nor_no(operation, body):
    with pytest.raises(DecodeError):
        success.acknowledged(operation, given(body))


@pytest.mark.parametrize("body", YES, ids=str)
def test_a_result_of_verify_is_yes(body):
    assert success.acknowledged(op.VERIFY_JOB, given(body)) is True


@pytest.mark.parametrize("body", OBJECTS, ids=str)
def test_a_result_of_verify_is_strict(body):
    with pytest.raises(DecodeError):
        success.acknowledged(op.VERIFY_JOB, given(body))


# --- a run that was started is never lost ------------------------------------------------------------------

NAMES_ITS_RUN = [
    b'{"jobExecutionId": "Ex9dN4uVrB6t", "waitingTime": NaN}',
    b'{"jobExecutionId": "Ex9dN4uVrB6t", "jobId": 5}',
    b'{"jobExecutionId": "Ex9dN4uVrB6t", "jobId": "j", "status": "REA',
    b'[{"jobExecutionId": "Ex9dN4uVrB6t"}]',
    b'{"result": {"jobExecutionId" : "Ex9dN4uVrB6t"}}',
    b'{"jobExecutionId": "Ex9dN4uVrB6t"}{"jobExecutionId": "Ex9dN4uVrB6t"}',
]


@pytest.mark.parametrize("body", NAMES_ITS_RUN)
def test_an_error_about_the_answer_to_a_launch_carries_the_run_it_names(body):
    with pytest.raises(DecodeError) as caught:
        success.result(op.EXECUTE_JOB, given(body, 202), {"jobId": "j"})
    assert caught.value.execution_ref == ExecutionRef("j", "Ex9dN4uVrB6t")
    assert caught.value.may_have_run


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b'{"jobExecutionId": 5}',
        b'[{"jobExecutionId":"a"},{"jobExecutionId":"b"}]',
    ],
)
def test_no_run_is_made_up(body):
    with pytest.raises(DecodeError) as caught:
        success.result(op.EXECUTE_JOB, given(body, 202), {"jobId": "j"})
    assert caught.value.execution_ref is None


def test_rows_of_another_job_are_refused_though_the_page_itself_names_the_right_one():
    page = {"jobId": "j", "list": [{"jobId": "other", "jobExecutionId": "e"}]}
    with pytest.raises(DecodeError, match="names jobId 'other', not 'j'"):
        success.result(op.GET_JOB_EXECUTIONS, given(page), {"jobId": "j"})
