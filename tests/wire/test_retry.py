"""What may be repeated, after how long, and how often."""

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow_async import (
    APIError,
    AuthenticationFailed,
    BadRequest,
    BadState,
    CredentialsError,
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
    RetryPolicy,
    ServerError,
    TransportError,
    WaitTimeout,
)
from dataflow_async.wire import operation as op
from dataflow_async.wire.operation import Effect
from dataflow_async.wire.retry import RetryBudget, may_repeat, proves_done

RUN = JobExecution("e", "j")
NEVER = (False, False, False)
SAFE_ONLY = (True, True, False)
ALWAYS = (True, True, True)
GATEWAY, SERVICE = {"source": "gateway"}, {"source": "service"}

# error, may be repeated (a read, an idempotent write, a creating call), a creating call may have run
MATRIX = {
    "not sent": (NotSent("x"), ALWAYS, False),
    "not sent, timed out": (NotSent("x", timed_out=True), ALWAYS, False),
    "answer lost": (ResponseLost("x"), SAFE_ONLY, True),
    "answer timed out": (ResponseLost("x", timed_out=True), SAFE_ONLY, True),
    "throttled 410": (RateLimited("x", status=429, code="410", **GATEWAY), ALWAYS, False),
    "throttled 420": (RateLimited("x", status=429, code="420", **GATEWAY), ALWAYS, False),
    "429 of the service that says 410": (
        RateLimited("x", status=429, code="410", **SERVICE),
        SAFE_ONLY,
        True,
    ),
    "429 with an unknown code": (RateLimited("x", status=429, code="499", **GATEWAY), SAFE_ONLY, True),
    "429 in words": (RateLimited("x", status=429, code="TooManyRequests", **SERVICE), SAFE_ONLY, True),
    "429 without a code": (RateLimited("x", status=429), SAFE_ONLY, True),
    "quota 400": (QuotaExceeded("x", status=429, code="400", **GATEWAY), NEVER, False),
    "500/900": (ServerError("x", status=500, code="900", **GATEWAY), SAFE_ONLY, True),
    "503/500": (ServerError("x", status=503, code="500", **GATEWAY), SAFE_ONLY, True),
    "504/510": (ServerError("x", status=504, code="510", **GATEWAY), SAFE_ONLY, True),
    "502 without a code": (ServerError("x", status=502), SAFE_ONLY, True),
    "503 that says 410": (ServerError("x", status=503, code="410", **GATEWAY), SAFE_ONLY, True),
    "503 in words": (
        ServerError("x", status=503, code="InsufficientCapacity", **SERVICE),
        SAFE_ONLY,
        True,
    ),
    "401/200": (AuthenticationFailed("x", status=401, code="200", **GATEWAY), NEVER, False),
    "401/210": (PermissionDenied("x", status=401, code="210", **GATEWAY), NEVER, False),
    "403": (PermissionDenied("x", status=403, code="230", **GATEWAY), NEVER, False),
    "400": (BadRequest("x", status=400, code="100", **GATEWAY), NEVER, False),
    "413": (BadRequest("x", status=413, code="430", **GATEWAY), NEVER, False),
    "404": (NotFound("x", status=404, code="not-found", **SERVICE), NEVER, False),
    "404 in words": (NotFound("x", status=400, code="NotFound", **SERVICE), NEVER, False),
    "bad state": (BadState("x", status=400, code="bad-state", **SERVICE), NEVER, False),
    "422": (APIError("x", status=422, code="unknown", **SERVICE), NEVER, False),
    **{
        f"a proxy's {status}": (kind("x", status=status), SAFE_ONLY, True)
        for status, kind in {
            300: APIError,
            302: APIError,
            304: APIError,
            308: APIError,
            400: BadRequest,
            401: AuthenticationFailed,
            403: PermissionDenied,
            404: NotFound,
            405: APIError,
            407: APIError,
            408: APIError,
            409: BadState,
            411: APIError,
            413: BadRequest,
            418: APIError,
            421: APIError,
            425: APIError,
            451: APIError,
            499: APIError,
        }.items()
    },
    **{
        f"{status} in the {source}'s envelope": (
            APIError("x", status=status, code="100", source=source),
            SAFE_ONLY,
            True,
        )
        for status in (302, 307, 408, 421, 425, 499)
        for source in ("gateway", "service")
    },
    "2xx unreadable": (DecodeError("x"), SAFE_ONLY, True),
    "refused here": (InvalidRequest("x"), NEVER, False),
    "the journal": (JournalError("x"), NEVER, False),
    "no keys": (CredentialsError("x"), NEVER, False),
    "run failed": (ExecutionFailed(RUN), NEVER, False),
    "run cancelled": (ExecutionCanceled(RUN), NEVER, False),
    "waited too long": (WaitTimeout("x", execution=None, ref=ExecutionRef("j", "e")), NEVER, False),
    "uncertain": (LaunchUncertain("x"), NEVER, False),
    "base": (DataFlowError("x"), NEVER, False),
}


@pytest.mark.parametrize(("error", "repeated", "unclear"), MATRIX.values(), ids=MATRIX)
def test_what_may_be_repeated_and_what_proves_nothing(error, repeated, unclear):
    answers = tuple(may_repeat(effect, error) for effect in (Effect.READ, Effect.IDEMPOTENT, Effect.CREATES))
    assert answers == repeated
    assert error.effect_unknown is unclear


DELETE, CANCEL, READ = op.DELETE_JOB, op.CANCEL_JOB_EXECUTION, op.GET_JOB


@pytest.mark.parametrize(
    ("call", "error", "done"),
    [
        (DELETE, NotFound("x", status=404, code="not-found", **SERVICE), True),
        (DELETE, NotFound("x", status=400, code="NotFound", **SERVICE), True),
        (DELETE, NotFound("x", status=404, code="300", **GATEWAY), False),
        (DELETE, NotFound("x", status=404), False),
        (DELETE, AuthenticationFailed("x", status=401), False),
        (DELETE, BadState("x", status=400, code="bad-state", **SERVICE), False),
        (CANCEL, BadState("x", status=400, code="bad-state", **SERVICE), True),
        (CANCEL, BadState("x", status=409), False),
        (CANCEL, NotFound("x", status=404, code="not-found", **SERVICE), True),
        (CANCEL, NotFound("x", status=404, code="300", **GATEWAY), False),
        (READ, NotFound("x", status=404, code="not-found", **SERVICE), False),
    ],
)
def test_only_the_services_own_answer_says_that_a_lost_delete_or_cancel_had_worked(call, error, done):
    assert proves_done(call, error) is done


def test_every_error_of_the_tree_is_in_the_matrix():
    def tree(kind):
        return {kind}.union(*(tree(child) for child in kind.__subclasses__()))

    elsewhere = ("dataflow_async.pipeline", "dataflow_async.airflow")  # raised by no call
    kinds = {kind for kind in tree(DataFlowError) if not kind.__module__.startswith(elsewhere)}
    leaves = {kind for kind in kinds if not kinds & set(kind.__subclasses__())} | {APIError}
    assert leaves <= {type(error) for error, _, _ in MATRIX.values()}
    assert TransportError not in leaves


# --- pause -------------------------------------------------------------------------------------------------

NUMBER = st.floats(0, 1, exclude_max=True)


@given(st.integers(0, 10_000), NUMBER)
def test_pause_is_full_jitter_up_to_the_cap(repeat, draw):
    policy = RetryPolicy(backoff_base=0.5, backoff_max=20.0)
    bound = min(20.0, float(min(Fraction(1, 2) * 2**repeat, 10**9)))
    assert policy.pause(repeat, None, lambda: draw) == pytest.approx(draw * bound)


def test_pause_doubles():
    policy = RetryPolicy(backoff_base=0.5, backoff_max=20.0)
    assert [policy.pause(repeat, None, lambda: 1.0) for repeat in range(8)] == [0.5, 1, 2, 4, 8, 16, 20, 20]
    assert [policy.pause(repeat, None, lambda: 0.0) for repeat in range(8)] == [0.0] * 8


@given(st.integers(0, 100), st.floats(0, 86_399), NUMBER)
def test_retry_after_lengthens_and_never_shortens(repeat, asked, draw):
    policy = RetryPolicy(backoff_base=0.5, backoff_max=20.0, retry_after_max=60.0)
    own = policy.pause(repeat, None, lambda: draw)
    pause = policy.pause(repeat, asked, lambda: draw)
    assert pause >= own
    assert pause >= min(asked, 60.0)
    assert pause <= max(own, 60.0)


@pytest.mark.parametrize(
    ("asked", "pause"), [(None, 0.5), (0.0, 0.5), (0.2, 0.5), (7.0, 7.0), (60.0, 60.0), (3600, 60)]
)
def test_retry_after_is_capped(asked, pause):
    assert RetryPolicy(backoff_base=1.0, retry_after_max=60.0).pause(0, asked, lambda: 0.5) == pause


@pytest.mark.parametrize(
    ("setting", "bad"),
    [
        *(("max_attempts", bad) for bad in (0, -1, True, 2.0, "3", None)),
        *(("budget", bad) for bad in (-1, True, 5.0, "5")),
        *(
            (name, bad)
            for name in ("backoff_base", "backoff_max", "retry_after_max", "total_timeout")
            for bad in (0, -1, math.inf)
        ),
        *(
            (name, bad)
            for name in ("backoff_base", "backoff_max", "retry_after_max", "total_timeout")
            for bad in (math.nan, True, "1")
        ),
    ],
)
def test_policy_out_of_range_is_refused(setting, bad):
    with pytest.raises(InvalidRequest, match=setting) as caught:
        RetryPolicy(**{setting: bad})
    assert caught.value.field == setting


# --- budget ------------------------------------------------------------------------------------------------

LOST, TIMED_OUT = ResponseLost("x"), ResponseLost("x", timed_out=True)


def test_a_new_client_has_500_tokens():
    assert RetryPolicy().budget == RetryBudget(RetryPolicy().budget).tokens == 500


@pytest.mark.parametrize(
    ("error", "price"),
    [
        (LOST, 5),
        (NotSent("x"), 5),
        (ServerError("x", status=504, code="510"), 5),
        (RateLimited("x", status=429, code="410", **GATEWAY), 5),
        (TIMED_OUT, 10),
        (NotSent("x", timed_out=True), 10),
    ],
)
def test_price_of_a_repeat(error, price):
    budget = RetryBudget(500)
    assert budget.spend(error) == price
    assert budget.tokens == 500 - price


def test_500_tokens_pay_for_100_repeats_or_50_after_time_outs():
    for error, repeats in ((LOST, 100), (TIMED_OUT, 50)):
        budget = RetryBudget(500)
        assert [budget.spend(error) for _ in range(repeats + 1)][-2:] == [500 // repeats, None]
        assert budget.tokens == 0


def test_what_is_too_little_for_a_time_out_may_do_for_another():
    budget = RetryBudget(9)
    assert budget.spend(TIMED_OUT) is None
    assert budget.tokens == 9
    assert budget.spend(LOST) == 5


def test_success_gives_back_what_its_last_repeat_took_and_a_first_try_gives_one():
    budget = RetryBudget(500)
    paid = [budget.spend(LOST), budget.spend(TIMED_OUT)][-1]
    budget.refund(paid)
    assert budget.tokens == 495
    budget.refund(0)
    assert budget.tokens == 496


def test_the_budget_never_exceeds_its_capacity():
    budget = RetryBudget(500)
    budget.refund(0)
    budget.refund(10)
    assert budget.tokens == 500


def test_no_tokens_repeat_nothing():
    assert RetryBudget(0).spend(LOST) is None
