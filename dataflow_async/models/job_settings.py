"""Run settings of a job: as requests send them, and as answers show them."""

from collections.abc import Mapping
from typing import Any

from attrs import frozen

from dataflow_async.errors import InvalidRequest
from dataflow_async.models import checks
from dataflow_async.models.base import Response, Value
from dataflow_async.models.naming import known_members, to_wire

SETTINGS = ("numWorker", "timeout", "nrn", "scriptPath", "logPath", "parameters")
"""Members of run settings that requests may hold, by the wire's names."""


@frozen(eq=False, repr=False)
class JobCondition(Value):
    """Run settings in a request; what is left out keeps its stored value.

    Attributes:
        num_worker: Workers, 2 to 10.
        timeout: Time limit of a run in minutes, 1 to 1440.
        nrn: NAVER Cloud Platform resource name of the role that runs the job.
        script_path: Object Storage path of the script. Changing the stored one **moves** the script.
        log_path: Object Storage path of the run history.
        parameters: Job parameters, text to text; SCRIPT jobs only.
    """

    num_worker: int | None = None
    timeout: int | None = None
    nrn: str | None = None
    script_path: str | None = None
    log_path: str | None = None
    parameters: Mapping[str, str] | None = None


@frozen(eq=False, repr=False)
class JobSettings(Response):
    """Run settings as an answer shows them. Each is None where the answer lacks it.

    Attributes:
        worker_type: DATAFLOW or DEFAULT; older answers only.
        num_worker: Workers.
        timeout: Minutes.
        nrn: NAVER Cloud Platform resource name of the role that runs the job.
        script_path: Object Storage path of the script.
        log_path: Object Storage path of the run history.
        console_log_path: Path of the log in the console; answers about one run only.
        parameters: Job parameters; SCRIPT jobs only.
    """

    worker_type: str | None = None
    num_worker: int | None = None
    timeout: int | None = None
    nrn: str | None = None
    script_path: str | None = None
    log_path: str | None = None
    console_log_path: str | None = None
    parameters: dict[str, Any] | None = None

    def to_condition(self) -> JobCondition:
        """Return the same settings in the form that requests take.

        Raises:
            InvalidRequest: One of them came in a form that can't be read, so it can't be sent back.
        """
        checks.readable(self.unreadable, SETTINGS, self.raw, "condition")
        return JobCondition(
            self.num_worker, self.timeout, self.nrn, self.script_path, self.log_path, self.parameters
        )


def condition_to_wire(
    condition: object, field: str = "condition", *, is_open: bool = False
) -> dict[str, Any]:
    """Return run settings under the wire's names after a check.

    Args:
        condition: Typed settings, or a plain mapping under the wire's names or ours.
        field: What it is called in errors.
        is_open: Whether unknown members of a mapping pass, as they do in nodes.

    Raises:
        InvalidRequest: A member is not known, has the wrong type or is out of its range.
    """
    source = condition.to_condition() if isinstance(condition, JobSettings) else condition
    typed = isinstance(source, JobCondition)
    if typed:
        members = to_wire(source)
    else:
        members = known_members(checks.members(source, field), SETTINGS, field, is_open=is_open)

    def label(wire_name: str, python_name: str) -> str:
        return f"{field}.{python_name if typed else wire_name}"

    if "numWorker" in members:
        checks.whole(members["numWorker"], label("numWorker", "num_worker"), 2, 10)
    if "timeout" in members:
        checks.whole(members["timeout"], label("timeout", "timeout"), 1, 1440)
    for wire_name, python_name in (("nrn", "nrn"), ("scriptPath", "script_path"), ("logPath", "log_path")):
        if wire_name in members:
            checks.text(members[wire_name], label(wire_name, python_name))
    if "parameters" in members:
        members["parameters"] = checks.string_map(members["parameters"], label("parameters", "parameters"))
    return members


def run_settings(condition: object, parameters: object) -> dict[str, Any] | None:
    """Return what a launch sends: what it was given and nothing more; None stands for the empty body ``{}``.

    Raises:
        InvalidRequest: As `condition_to_wire`, or parameters are given in both places.
    """
    settings = {} if condition is None else condition_to_wire(condition)
    if parameters is not None:
        if "parameters" in settings:
            raise InvalidRequest(
                "parameters must be given once, got them here and in condition", field="parameters"
            )
        settings["parameters"] = checks.string_map(parameters, "parameters")
    return settings or None
