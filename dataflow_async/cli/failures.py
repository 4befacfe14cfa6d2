"""What failed, for the person who looks in the morning: why, as far as the API says, and how to run it again."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from dataflow_async import DataFlowError
from dataflow_async.cli.output import Column, minutes, moment, plain
from dataflow_async.cli.runs import FoundRun
from dataflow_async.cli.text import escaped, one_line
from dataflow_async.cli.waiting import command_line

if TYPE_CHECKING:
    from dataflow_async import DataFlow
    from dataflow_async.cli.context import Context

_AT_ONCE = 8
COLUMNS = [
    Column("run", "jobExecutionId"),
    Column("job", "jobName"),
    Column("status", "status"),
    Column("created (KST)", "createdDate", moment),
    Column("min:sec", "runningTime", minutes),
    Column("usual", "usualRunningTime", minutes),
    Column("trigger", "triggerName"),
    Column("log", "log"),
    Column("job id", "jobId"),
    Column("parameters", "parsedParameters"),
    Column("run again", "rerun"),
]


async def explained(context: Context, flow: DataFlow, found: Sequence[FoundRun]) -> list[dict[str, Any]]:
    """Return each run with all that the service tells about it, its log and the command that runs it again."""
    places = asyncio.Semaphore(_AT_ONCE)

    async def one(row: FoundRun) -> dict[str, Any]:
        run = row.execution
        async with places:
            try:
                detailed = FoundRun(await flow.jobs.execution(run.job_id, run.job_execution_id), row.usual)
                record = row.record() | detailed.record()
            except DataFlowError as error:
                record = row.record() | {"detailsMissing": one_line(error)}
        settings = record.get("jobCondition") or {}
        record["log"] = settings.get("consoleLogPath") or settings.get("logPath")
        record["rerun"] = command_line(context, "executions", "rerun", run.job_id, run.job_execution_id)
        return record

    return list(await asyncio.gather(*map(one, found)))


def block(record: dict[str, Any]) -> str:
    """Return a few lines about one run."""
    lines = [
        f"{plain(record.get('status'))}  {_escaped(record.get('jobName'))}  run {_escaped(record.get('jobExecutionId'))}",
        f"  created   {moment(record.get('createdDate'))} KST, {_took(record)}",
        f"  started   {_started_by(record)}",
        f"  settings  {_settings(record)}",
        f"  log       {_escaped(record.get('log')) if record.get('log') else 'the service names none'}",
        f"  again     {record['rerun']}",
    ]
    if missing := record.get("detailsMissing"):
        lines.append(f"  details   {escaped(str(missing))}")
    return "\n".join(lines)


def _took(record: dict[str, Any]) -> str:
    ran, usual = record.get("runningTime"), record.get("usualRunningTime")
    if ran is None:
        return "never ran" if record.get("startDate") is None else "time not known"
    if usual is None:
        return f"ran {minutes(ran)}, no completed run to compare with"
    return f"ran {minutes(ran)}, usually {minutes(usual)}"


def _started_by(record: dict[str, Any]) -> str:
    name, identity = record.get("triggerName"), record.get("triggerId")
    if name or identity:
        return f"by trigger {_escaped(name or identity)}" + (
            f" ({_escaped(identity)})" if name and identity else ""
        )
    return "by a workflow" if record.get("type") == "WORKFLOW" else "by a call, no trigger"


def _settings(record: dict[str, Any]) -> str:
    settings = record.get("jobCondition") or {}
    parameters = record.get("parsedParameters") or settings.get("parameters")
    parts = [
        f"{_escaped(settings['numWorker'])} workers" if settings.get("numWorker") is not None else "",
        f"at most {_escaped(settings['timeout'])} min" if settings.get("timeout") is not None else "",
        f"script {_escaped(settings['scriptPath'])}" if settings.get("scriptPath") else "",
        f"parameters {_escaped(parameters)}" if parameters else "",
    ]
    return ", ".join(part for part in parts if part) or "the service names none"


def _escaped(value: Any) -> str:
    return escaped(plain(value))
