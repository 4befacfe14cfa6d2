"""A 2xx -> the typed result of its call, or the error that its body holds."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, TypeVar, cast

from dataflow_async import defaults
from dataflow_async.errors import APIError, DecodeError
from dataflow_async.models.execution import ExecutionRef, JobExecution
from dataflow_async.wire import decoding, jsontext, listed_rows, run_rows
from dataflow_async.wire.excerpts import excerpt
from dataflow_async.wire.failure import failure
from dataflow_async.wire.headers import charset_of, request_id
from dataflow_async.wire.listed_rows import ListedPage, ModelPage
from dataflow_async.wire.message import Answer
from dataflow_async.wire.operation import Effect, Operation
from dataflow_async.wire.run_rows import RunPage

T = TypeVar("T")

_RUN_ID = r'"jobExecutionId"\s*:\s*"([^"\\\x00-\x1f]{1,200})"'


def result(operation: Operation[T], answer: Answer, fill: Mapping[str, str]) -> T:
    """Return the body of a success as the model of its call.

    Args:
        operation: A call whose answer has a model.
        answer: A 2xx.
        fill: Ids to take from the request where the answer, or a row of it, leaves them out.

    Raises:
        DecodeError: It is not what the contract says.
        APIError: It is an error, whatever its status.
    """
    assert operation.answers is not None  # noqa: S101  # the others are acknowledged
    content = content_of(operation, answer, fill)
    if content is None and answer.status in operation.bodyless:
        content = {}
    try:
        return decoding.decode(operation.answers, content, fill)
    except decoding.Unreadable as problem:
        reason = str(problem) if answer.body.strip() else "an answer without a body"
    raise unreadable(operation, answer, reason, fill)


def run_page(operation: Operation[Any], answer: Answer, job_id: str) -> RunPage:
    """Return the rows of a page of a job's runs, as far as polling reads them.

    Args:
        operation: The call for the page.
        answer: A 2xx.
        job_id: The job, which no row may contradict.

    Raises:
        DecodeError: It is not what the contract says.
        APIError: It is an error, whatever its status.
    """
    if (page := run_rows.read_fast(answer.body, job_id)) is not None:
        return page
    content = content_of(operation, answer, {"jobId": job_id})
    try:
        return run_rows.page_of(decoding.rows_of(content), job_id)
    except decoding.Unreadable as problem:
        reason = str(problem)
    raise unreadable(operation, answer, reason)


def listed_page(operation: Operation[Any], answer: Answer, job_id: str) -> ListedPage:
    """Return the rows of a page of a job's runs, as far as reconciliation reads them.

    Args:
        operation: The call for the page.
        answer: A 2xx.
        job_id: The job, which no row may contradict.

    Raises:
        DecodeError: It is not what the contract says.
        APIError: It is an error, whatever its status.
    """
    if (page := listed_rows.read_fast(answer.body, job_id)) is not None:
        return page
    return ModelPage(result(operation, answer, {"jobId": job_id}))


def acknowledged(operation: Operation[Any], answer: Answer) -> bool:
    """Return whether an answer without a model says yes: nothing, ``true`` or ``{"success": true}``.

    What is deleted or cancelled may come back as an object of any other kind; the result of a check may not.

    Raises:
        DecodeError: It says neither yes nor no.
        APIError: It is an error, whatever its status.
    """
    content = content_of(operation, answer, {})
    if type(content) is dict:
        done = content.get("success")
        content = content if done is None and operation.effect is not Effect.IDEMPOTENT else done
    if content is None or type(content) is bool:
        return content is not False
    raise unreadable(operation, answer, "must be nothing, true or false")


def refused(operation: Operation[Any], answer: Answer) -> APIError:
    """Return the error for a 2xx that says no."""
    error = failure(operation.name, answer.status, answer.headers, answer.body)
    error.message = "the service answered that it was not done"
    return error


def content_of(operation: Operation[Any], answer: Answer, fill: Mapping[str, str]) -> Any:
    """Return the body of a success as a JSON value.

    Raises:
        DecodeError: It is not JSON, or names other ids than the request.
        APIError: It is an object with a code of gateway or service that lacks what the answer needs.
    """
    try:
        content = jsontext.read(answer.body)
    except ValueError:
        pass
    else:
        if type(content) is dict and ("errorType" in content or "error" in content):
            _refuse_error(operation, answer, content)
        if (
            type(content) is dict and "list" not in content and fill.items() <= content.items()
        ):  # nearly always
            return content
        if fill and (other := _named_instead(content, fill)) is not None:
            raise unreadable(operation, answer, other)
        return content
    raise unreadable(operation, answer, "not JSON", fill)


def _refuse_error(operation: Operation[Any], answer: Answer, content: dict[str, Any]) -> None:
    if any(content.get(name) is not None for name in decoding.needed(cast("Any", operation.answers))):
        return
    error = failure(operation.name, answer.status, answer.headers, answer.body)
    if error.source is not None:
        error.may_have_run = operation.effect is Effect.CREATES
        raise error


def _named_instead(content: Any, asked: Mapping[str, str]) -> str | None:
    """Return which id in an answer, or in a row of it, is not the request's: such an answer belongs to another request."""
    rows = content.get("list") if type(content) is dict else None
    for row in rows if type(rows) is list else (content,):
        for name, expected in asked.items() if type(row) is dict else ():
            if type(found := row.get(name)) is str and found != expected:
                return f"it names {name} {found!r}, not {expected!r} as the request does"
    return None


def unreadable(
    operation: Operation[Any], answer: Answer, reason: str, fill: Mapping[str, str] | None = None
) -> DecodeError:
    """Return the error for a 2xx that is not what the contract says."""
    creates = operation.effect is Effect.CREATES
    shown = excerpt(answer.body, charset_of(answer.headers, answer.body))
    risk = "; the call may have taken effect" if creates else ""
    error = DecodeError(
        f"{operation.name}: HTTP {answer.status} can't be read: {reason}{risk}; the body begins {shown!r}",
        operation=operation.name,
        body=shown,
        request_id=request_id(answer.headers),
        may_have_run=creates,
    )
    if creates and fill:
        error.execution_ref = run_shown(operation, answer.body, fill)
    return error


def run_shown(operation: Operation[Any], body: bytes, fill: Mapping[str, str]) -> ExecutionRef | None:
    """Return the one run that the answer to a launch names, however little else of it can be read."""
    if operation.answers is not JobExecution or "jobId" not in fill:
        return None
    ids = set(re.findall(_RUN_ID, body[: defaults.LOST_RUN_SEARCHED].decode("utf-8", "replace")))
    return ExecutionRef(fill["jobId"], ids.pop()) if len(ids) == 1 else None
