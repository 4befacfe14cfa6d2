"""Errors are caught by the built-in classes that name them, and keep their facts in pickles and copies."""

import copy
import pickle
import re
from pathlib import Path

import pytest

import dataflow_async
from dataflow_async import (
    APIError,
    AuthenticationFailed,
    BadRequest,
    BadState,
    CredentialsError,
    DataFlow,
    DataFlowError,
    DecodeError,
    ExecutionCanceled,
    ExecutionFailed,
    ExecutionRef,
    InvalidRequest,
    JobExecution,
    JournalError,
    LaunchUncertain,
    NotFound,
    NotSent,
    PermissionDenied,
    QuotaExceeded,
    RateLimited,
    ResponseLost,
    ServerError,
    TransportError,
    WaitTimeout,
)
from dataflow_async.bulk.journal import opening

REF = ExecutionRef("job", "run")


def late():
    return WaitTimeout("run of job has not ended after 3 s", execution=None, ref=REF)


def refused():
    return InvalidRequest("name must be text, got 3", field="name")


@pytest.mark.parametrize(("make", "builtin"), [(late, TimeoutError), (refused, ValueError)])
def test_an_error_is_caught_by_its_built_in_class_and_by_ours(make, builtin):
    for kind in (builtin, DataFlowError):
        with pytest.raises(kind):
            raise make()


@pytest.mark.parametrize("make", [late, refused])
@pytest.mark.parametrize("through", [copy.copy, copy.deepcopy, lambda it: pickle.loads(pickle.dumps(it))])
def test_a_copy_keeps_message_and_facts(make, through):
    error = make()
    error.add_note("seen by a test")
    other = through(error)
    assert type(other) is type(error)
    assert (str(other), repr(other), other.args) == (str(error), repr(error), error.args)
    assert vars(other) == vars(error)
    assert str(error)


def test_a_time_out_names_no_file_and_no_number():
    assert (late().errno, late().strerror, late().filename) == (None, None, None)


async def test_a_wrong_argument_is_a_value_error():
    with pytest.raises(ValueError, match="max_concurrency") as caught:
        DataFlow(max_concurrency=0)
    assert caught.value.field == "max_concurrency"


def test_the_refusal_of_a_journal_keeps_its_words(tmp_path):
    path = tmp_path / "journal.db"
    path.write_bytes(b"not a database at all" * 100)
    with pytest.raises(ValueError, match="it is not a journal"):
        opening.open_to_read(path)
    with pytest.raises(InvalidRequest, match="there is no such file"):
        opening.open_to_read(tmp_path / "nowhere")


GATEWAY, SERVICE = "gateway", "service"
RUN = JobExecution("run", "job")


def answered(kind, status, code=None, source=None):
    return kind("words", status=status, code=code, source=source)


# error: all its meanings that are true
MEANINGS = {
    "DataFlowError": (DataFlowError("words"), ""),
    "InvalidRequest": (InvalidRequest("words"), "never_sent ends_wait"),
    "CredentialsError": (CredentialsError("words"), "never_sent ends_wait fatal_for_client"),
    "JournalError": (JournalError("words"), "ends_bulk_run"),
    "TransportError": (TransportError("words"), "no_answer"),
    "NotSent": (NotSent("words"), "never_sent no_answer is_transient"),
    **{
        f"NotSent, {reason}": (
            NotSent("words", reason=reason),
            "never_sent no_answer is_transient is_unreachable",
        )
        for reason in ("dns", "refused", "reset", "connect_timeout", "no_files")
    },
    **{
        f"NotSent, {reason}": (NotSent("words", reason=reason), "never_sent no_answer is_transient")
        for reason in ("tls", "proxy", "timeout", "closed", "other")
    },
    "NotSent, timed out": (
        NotSent("words", timed_out=True),
        "never_sent no_answer is_transient timed_out is_slow",
    ),
    "ResponseLost": (ResponseLost("words"), "no_answer effect_unknown is_transient"),
    "ResponseLost, reset": (
        ResponseLost("words", reason="reset"),
        "no_answer effect_unknown is_transient is_unreachable",
    ),
    "ResponseLost, timed out": (
        ResponseLost("words", timed_out=True, reason="timeout"),
        "no_answer effect_unknown is_transient timed_out is_slow",
    ),
    "APIError of a proxy": (answered(APIError, 418), "effect_unknown is_transient is_foreign"),
    "APIError below 200": (answered(APIError, 101), "effect_unknown is_foreign"),
    "APIError, 302 of a proxy": (
        answered(APIError, 302),
        "effect_unknown is_transient is_foreign is_redirect",
    ),
    "APIError, 304 of a proxy": (answered(APIError, 304), "effect_unknown is_transient is_foreign"),
    "APIError, 308 of the gateway": (
        answered(APIError, 308, "1", GATEWAY),
        "effect_unknown is_transient is_authentic is_redirect is_signature_accepted",
    ),
    "APIError, 408 in the gateway's form": (
        answered(APIError, 408, "1", GATEWAY),
        "effect_unknown is_transient is_authentic is_signature_accepted",
    ),
    "APIError, 422 of the service": (
        answered(APIError, 422, "odd", SERVICE),
        "is_authentic is_signature_accepted",
    ),
    "BadRequest": (
        answered(BadRequest, 400, "100", GATEWAY),
        "ends_wait is_authentic is_signature_accepted",
    ),
    "BadRequest of a proxy": (
        answered(BadRequest, 400),
        "ends_wait effect_unknown is_transient is_foreign",
    ),
    "AuthenticationFailed": (
        answered(AuthenticationFailed, 401, "200", GATEWAY),
        "ends_wait fatal_for_client is_authentic is_unauthenticated",
    ),
    "AuthenticationFailed, another code": (
        answered(AuthenticationFailed, 401, "220", GATEWAY),
        "ends_wait fatal_for_client is_authentic is_signature_accepted",
    ),
    "AuthenticationFailed of a proxy": (
        answered(AuthenticationFailed, 401),
        "ends_wait fatal_for_client effect_unknown is_transient is_foreign",
    ),
    "PermissionDenied": (
        answered(PermissionDenied, 401, "210", GATEWAY),
        "ends_wait fatal_for_client is_authentic is_signature_accepted",
    ),
    "NotFound": (
        answered(NotFound, 404, "NotFound", SERVICE),
        "not_found is_authentic is_signature_accepted",
    ),
    "NotFound of a proxy": (
        answered(NotFound, 404),
        "not_found effect_unknown is_transient is_foreign",
    ),
    "BadState": (
        answered(BadState, 409, "bad-state", SERVICE),
        "ends_wait is_authentic is_signature_accepted",
    ),
    "RateLimited, 410": (
        answered(RateLimited, 429, "410", GATEWAY),
        "is_transient is_throttled is_authentic",
    ),
    "RateLimited, 420": (
        answered(RateLimited, 429, "420", GATEWAY),
        "is_transient is_throttled is_authentic",
    ),
    "RateLimited, the service's 410": (
        answered(RateLimited, 429, "410", SERVICE),
        "effect_unknown is_transient is_authentic",
    ),
    "RateLimited of a proxy": (answered(RateLimited, 429), "effect_unknown is_transient is_foreign"),
    "QuotaExceeded": (
        answered(QuotaExceeded, 429, "400", GATEWAY),
        "ends_wait fatal_for_client is_authentic is_signature_accepted",
    ),
    "ServerError": (
        answered(ServerError, 500, "900", GATEWAY),
        "effect_unknown is_transient is_authentic",
    ),
    "ServerError, a bare 502": (answered(ServerError, 502), "effect_unknown is_transient"),
    "ServerError, 504": (
        answered(ServerError, 504, "510", GATEWAY),
        "effect_unknown is_transient is_slow is_authentic",
    ),
    "DecodeError": (DecodeError("words"), "effect_unknown is_transient"),
    "ExecutionFailed": (ExecutionFailed(RUN), "may_have_run"),
    "ExecutionCanceled": (ExecutionCanceled(RUN), "may_have_run"),
    "WaitTimeout": (late(), "may_have_run"),
    "LaunchUncertain": (LaunchUncertain("words"), "may_have_run"),
}
FACTS = {
    *("never_sent", "no_answer", "not_found", "fatal_for_client", "ends_wait", "ends_bulk_run"),
    *("may_have_run", "timed_out", "effect_unknown", "is_transient", "is_throttled", "is_slow"),
    *("is_unreachable", "is_authentic", "is_foreign", "is_redirect", "is_unauthenticated"),
    "is_signature_accepted",
}


@pytest.mark.parametrize(("error", "meanings"), MEANINGS.values(), ids=MEANINGS)
def test_what_an_error_means_stands_on_its_class(error, meanings):
    assert {fact for fact in FACTS if getattr(error, fact)} == set(meanings.split())
    assert all(type(getattr(error, fact)) is bool for fact in FACTS)


def test_the_table_has_every_public_error_and_every_fact():
    public = (getattr(dataflow_async, name) for name in dataflow_async.__all__)
    errors = {kind for kind in public if isinstance(kind, type) and issubclass(kind, DataFlowError)}
    assert errors == {type(error) for error, _ in MEANINGS.values()}
    flags = {name for name, value in vars(DataFlowError).items() if isinstance(value, bool | property)}
    assert flags | {"may_have_run"} == FACTS


CLASSIFIED = re.compile(
    r"isinstance\(\w*(error|problem)\w*, [^()]*\b(NotSent|ResponseLost|DecodeError|NotFound|BadState|BadRequest|RateLimited"
    r"|QuotaExceeded|ServerError|PermissionDenied|AuthenticationFailed|JournalError|InvalidRequest|CredentialsError)\b"
    r"|__name__ *([=!]=|in\b)"
)


def test_no_error_is_classified_by_its_class():
    package = Path(dataflow_async.__file__).parent
    for room in ("wire", "transport", "polling", "workflows", "bulk", "resources", "models"):
        for path in (package / room).rglob("*.py"):
            assert not (found := CLASSIFIED.search(path.read_text("utf-8"))), (path, found)


@pytest.mark.parametrize("error", [error for error, _ in MEANINGS.values()], ids=[*MEANINGS])
def test_every_error_keeps_its_meanings_in_a_pickle(error):
    other = pickle.loads(pickle.dumps(error))
    assert [getattr(other, fact) for fact in FACTS] == [getattr(error, fact) for fact in FACTS]
