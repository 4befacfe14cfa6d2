"""What the exit code of a command says: one table from errors to codes, with the next step for a person."""

from __future__ import annotations

from enum import IntEnum

from dataflow_async import (
    AuthenticationFailed,
    CredentialsError,
    DataFlowError,
    ExecutionCanceled,
    ExecutionFailed,
    InvalidRequest,
    LaunchUncertain,
    NotFound,
    NotSent,
    PermissionDenied,
    QuotaExceeded,
    RateLimited,
    ServerError,
    WaitTimeout,
)


class ExitCode(IntEnum):
    """Exit codes of every command. Scripts decide by them."""

    OK = 0
    ERROR = 1
    USAGE = 2
    """An option or argument is refused; nothing was sent."""
    CREDENTIALS = 4
    """No keys, refused keys, or keys that may not do this."""
    RUN_FAILED = 5
    """The run ended FAILED or CANCELED."""
    UNCERTAIN = 6
    """It may have taken effect, and its answer is unknown."""
    NOT_FOUND = 7
    THROTTLED = 8
    TIMED_OUT = 124
    """``--timeout`` is over; the run goes on."""
    INTERRUPTED = 130
    READER_GONE = 141
    """Whoever read standard output has left, as ``head`` does."""
    TERMINATED = 143
    """Ended by SIGTERM."""


class CommandFailed(Exception):
    """The command ends with this code; the message is the line that says why."""

    def __init__(self, text: str, code: ExitCode = ExitCode.ERROR) -> None:
        super().__init__(text)
        self.code = code


_CODES: tuple[tuple[type[DataFlowError], ExitCode], ...] = (
    (CredentialsError, ExitCode.CREDENTIALS),
    (InvalidRequest, ExitCode.USAGE),
    (ExecutionFailed, ExitCode.RUN_FAILED),
    (ExecutionCanceled, ExitCode.RUN_FAILED),
    (WaitTimeout, ExitCode.TIMED_OUT),
    (LaunchUncertain, ExitCode.UNCERTAIN),
    (AuthenticationFailed, ExitCode.CREDENTIALS),
    (PermissionDenied, ExitCode.CREDENTIALS),
    (NotFound, ExitCode.NOT_FOUND),
    (RateLimited, ExitCode.THROTTLED),
    (QuotaExceeded, ExitCode.THROTTLED),
)
"""Rows are tried in order; what none of them names is ERROR."""


def exit_code(error: DataFlowError) -> ExitCode:
    """Return the exit code for an error of the library: uncertain comes before all but how a run has ended."""
    is_lost = error.may_have_run and error.execution_ref is None
    if is_lost and not isinstance(error, ExecutionFailed | ExecutionCanceled | WaitTimeout):
        return ExitCode.UNCERTAIN
    return next((code for kind, code in _CODES if isinstance(error, kind)), ExitCode.ERROR)


_STEPS: tuple[tuple[type[DataFlowError], str], ...] = (
    (CredentialsError, "set both keys in the environment, or give --profile; see `dataflow-async whoami`"),
    (AuthenticationFailed, "check the keys with `dataflow-async whoami`"),
    (
        PermissionDenied,
        "the keys need the policy NCP_DATA_FLOW_VIEWER to read, NCP_DATA_FLOW_MANAGER to change and run",
    ),
    (NotSent, "nothing was sent; check network, proxy and --url"),
    (NotFound, "`list` shows the ids that there are"),
    (RateLimited, "try again later, with fewer commands at a time"),
    (QuotaExceeded, "repeating does not help before the quota is renewed or raised"),
)


def is_clock_off(error: DataFlowError) -> bool:
    """Whether keys were refused because the clock of this machine is off."""
    return isinstance(error, AuthenticationFailed) and abs(error.clock_skew or 0.0) > _CLOCK_OFF


def next_step(error: DataFlowError) -> str:
    """Return what a person can do about an error, or nothing."""
    if exit_code(error) is ExitCode.UNCERTAIN:
        return "look at the lists before you send it again"
    if is_clock_off(error):
        return "set the clock of this machine"
    if isinstance(error, InvalidRequest) and error.field == "base_url":
        return "check --url and NCLOUD_DATAFLOW_URL; --allow-insecure-http allows http: elsewhere"
    if isinstance(error, NotFound) and error.source != "service":
        return "check --url and NCLOUD_DATAFLOW_URL"
    for kind, step in _STEPS:
        if isinstance(error, kind):
            return step
    return "try again later" if isinstance(error, ServerError) else ""


_CLOCK_OFF = 60.0
"""Seconds of difference from which a refused signature is the clock's fault."""
