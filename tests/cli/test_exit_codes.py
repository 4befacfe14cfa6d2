"""The table from errors to exit codes, and the next step that goes with them."""

import pytest

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
    ServerError,
    WaitTimeout,
)
from dataflow_async.cli.exit_codes import ExitCode, exit_code, next_step
from tests.cli.shell import invoke

RUN = JobExecution("run", "job", status="FAILED")
LOST = ResponseLost("lost", may_have_run=True)
FOUND = ResponseLost("lost", may_have_run=True)
FOUND.execution_ref = ExecutionRef("job", "run")


def api(kind, status, **facts):
    return kind("no", status=status, **facts)


@pytest.mark.parametrize(
    ("error", "code", "step"),
    [
        (CredentialsError("none"), 4, "whoami"),
        (api(AuthenticationFailed, 401), 4, "check the keys"),
        (api(PermissionDenied, 403), 4, "NCP_DATA_FLOW_VIEWER"),
        (InvalidRequest("no"), 2, ""),
        (InvalidRequest("no", field="base_url"), 2, "check --url and NCLOUD_DATAFLOW_URL"),
        (api(BadRequest, 400), 1, ""),
        (api(BadState, 409), 1, ""),
        (ExecutionFailed(RUN), 5, ""),
        (ExecutionCanceled(RUN), 5, ""),
        (LaunchUncertain("lost"), 6, "look at the lists"),
        (LOST, 6, "look at the lists"),
        (FOUND, 1, ""),
        (api(NotFound, 404, source="service"), 7, "`list` shows"),
        (api(NotFound, 404, source="gateway"), 7, "check --url"),
        (api(RateLimited, 429), 8, "try again later"),
        (api(QuotaExceeded, 429), 8, "before the quota is renewed"),
        (WaitTimeout("over", execution=None, ref=None), 124, ""),
        (NotSent("refused"), 1, "check network"),
        (ResponseLost("lost"), 1, ""),
        (api(ServerError, 500), 1, "try again later"),
        (DecodeError("odd"), 1, ""),
        (JournalError("full"), 1, ""),
        (api(APIError, 302), 1, ""),
        (DataFlowError("odd"), 1, ""),
    ],
    ids=lambda it: type(it).__name__ if isinstance(it, Exception) else str(it),
)
def test_each_error_has_its_code_and_its_next_step(error, code, step):
    assert exit_code(error) == code
    assert step in next_step(error)
    assert bool(step) == bool(next_step(error))


def test_a_wrong_clock_is_named_as_the_reason():
    error = api(AuthenticationFailed, 401)
    error.clock_skew = 4000.0
    assert next_step(error) == "set the clock of this machine"


def test_codes_are_those_that_scripts_rely_on():
    assert {code.name: code.value for code in ExitCode} == {
        "OK": 0,
        "ERROR": 1,
        "USAGE": 2,
        "CREDENTIALS": 4,
        "RUN_FAILED": 5,
        "UNCERTAIN": 6,
        "NOT_FOUND": 7,
        "THROTTLED": 8,
        "TIMED_OUT": 124,
        "INTERRUPTED": 130,
        "READER_GONE": 141,
        "TERMINATED": 143,
    }


# --- by commands -----------------------------------------------------------------------------------------------

LONG, SHORT = ("COMPLETED", 36_000), ("COMPLETED", 0)
COMMANDS = {
    ExitCode.OK: ("jobs run load --wait", SHORT, "", "  COMPLETED"),
    ExitCode.ERROR: ("executions cancel load last", SHORT, "", "BadState: cancelJobExecution: HTTP 400 "),
    ExitCode.USAGE: ("jobs list -o xml", SHORT, "", "one of table, json, jsonl, yaml, csv is needed"),
    ExitCode.CREDENTIALS: ("jobs list", SHORT, "* 401 skew=0", "check the keys with `dataflow-async whoami`"),
    ExitCode.RUN_FAILED: ("jobs run load --wait", ("FAILED", 0), "", "ended FAILED"),
    ExitCode.UNCERTAIN: ("jobs run load", SHORT, "executeJob reset after", "look at the lists before"),
    ExitCode.NOT_FOUND: ("jobs show absent", SHORT, "", "see `dataflow-async jobs list`"),
    ExitCode.THROTTLED: ("jobs list", SHORT, "getJobs 429 code=400", "before the quota is renewed"),
    ExitCode.TIMED_OUT: ("jobs run load --wait --timeout 0", LONG, "", "it goes on; wait for it again"),
}
IN_PROCESSES = {
    ExitCode.INTERRUPTED: "test_cli_interrupted.py",
    ExitCode.TERMINATED: "test_cli_interrupted.py",
    ExitCode.READER_GONE: "test_cli_streams.py",
}


def test_each_code_is_tried():
    assert COMMANDS.keys() | IN_PROCESSES.keys() == set(ExitCode)


@pytest.mark.parametrize("code", COMMANDS, ids=lambda code: code.name)
def test_a_command_ends_with_its_code_and_a_line_that_says_why(dataflow_emulator, code):
    line, run, faults, says = COMMANDS[code]
    job_id = dataflow_emulator.create_job("load")
    dataflow_emulator.script(job_id, [run] * 2)
    if code is ExitCode.ERROR:
        invoke("jobs", "run", "load", "--wait")
    dataflow_emulator.faults.parse(faults)
    result = invoke(*line.split(), code=code)
    assert says in result.stderr.splitlines()[-1]
    assert "Traceback" not in result.output


@pytest.mark.parametrize("kind", [NotFound, AuthenticationFailed, RateLimited, ServerError])
def test_what_may_have_taken_effect_is_uncertain_whatever_the_answer(kind):
    """Such as the answer of a proxy to a launch."""
    error = api(kind, 404)
    error.may_have_run = True
    assert exit_code(error) == ExitCode.UNCERTAIN
    assert next_step(error) == "look at the lists before you send it again"
