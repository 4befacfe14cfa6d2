"""Right uses of the public names: no type checker complains. Never run."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import assert_type

import dataflow_async
from dataflow_async import (
    BulkOptions,
    BulkRun,
    DataFlow,
    DataFlowError,
    ExecutionRef,
    Field,
    Job,
    JobExecution,
    JobSummary,
    JobType,
    Journal,
    JournalEntry,
    JournalPhase,
    Launch,
    Outcome,
    OutcomeStatus,
    PollPolicy,
    PollStats,
    RawNode,
    RetryPolicy,
    SourceObsNode,
    TriggerRule,
    TypedNode,
    Workflow,
    WorkflowJob,
    WorkflowTriggerNode,
)
from dataflow_async.pipeline import UNKNOWN, Pipeline, Step, Target, col


async def calls(flow: DataFlow, type_: JobType) -> None:
    assert_type(await flow.jobs.create("orders_rollup", type="SCRIPT"), Job)
    assert_type(await flow.jobs.create("orders_rollup", type=type_), Job)
    found = await flow.jobs.find("orders_rollup")
    assert_type(found, JobSummary | None)
    run = await flow.jobs.execute("Jq3kT9vLmN2x", parameters={"day": "2026-11-01"})
    assert_type(run, JobExecution)
    assert_type(await flow.wait(run), JobExecution)
    assert_type(await flow.wait(ExecutionRef("Jq3kT9vLmN2x", "Ex9dN4uVrB6t")), JobExecution)


async def scheduled(flow: DataFlow, job: Job, row: JobSummary) -> None:
    rule = TriggerRule.weekly("MON-FRI", time(20, tzinfo=UTC))
    TriggerRule.weekly(["MON", "SAT-SUN"], "05:00")
    TriggerRule.monthly("LAST", "23:45")
    assert_type(TriggerRule.from_cron("30 9 * * 1-5", zone=UTC), TriggerRule)
    assert_type(rule.next_runs(3, after=datetime.now(UTC)), list[datetime])
    trigger = await flow.triggers.create("nightly", rule)
    second = WorkflowJob(row, after=job, condition={"numWorker": 2})
    third = WorkflowJob("Jq3kT9vLmN2x", after=["orders_rollup", second, job])
    made = await flow.workflows.create("nightly", trigger=trigger, jobs=[job, second, third])
    assert_type(made, Workflow)
    assert_type(await flow.workflows.create("nightly", trigger="Tq3kT9vLmN2x", jobs=["Jq3k"]), Workflow)
    assert_type(await flow.workflows.create("nightly", [WorkflowTriggerNode.of(trigger)]), Workflow)
    assert_type(await flow.workflows.update("W", "nightly", trigger=trigger, jobs=(job,)), Workflow)


def decided(error: DataFlowError) -> float | None:
    assert_type(error.is_transient, bool)
    assert_type(error.effect_unknown, bool)
    assert_type(type(error).never_sent, bool)
    return error.retry_after if error.is_transient and not error.fatal_for_client else None


async def bulk(flow: DataFlow) -> None:
    launches = [Launch("Jq3kT9vLmN2x", key=str(day)) for day in range(30)]
    runs = flow.run_all(launches, max_in_flight=10, on_uncertain="relaunch", rerun=["FAILED"])
    assert_type(runs, BulkRun)
    async for outcome in runs:
        assert_type(outcome, Outcome)
        status: OutcomeStatus | str | None = outcome.status
        print(status == "COMPLETED", status is OutcomeStatus.NOT_LAUNCHED)


def recorded(path: str) -> dict[str, JournalPhase]:
    with Journal.open(path) as journal:
        assert_type(journal.resolve("day-1", started=False), JournalEntry)
        return {entry.key: entry.phase for entry in journal.rows()}


async def shared_options(flow: DataFlow, launches: list[Launch]) -> None:
    options: BulkOptions = {"max_in_flight": 10, "journal": Path("days.db"), "max_failures": 3}
    assert_type(flow.launch_all(launches, **options), BulkRun)
    assert_type(flow.run_all(launches, cancel_runs_on_exit=True, **options), BulkRun)


async def names() -> None:
    assert_type(dataflow_async.__version__, str)
    policies = PollPolicy(min_interval=1, max_interval=60), RetryPolicy(max_attempts=3, total_timeout=60)
    async with DataFlow(poll=policies[0], retry=policies[1]) as flow:
        assert_type(flow.poll_stats, PollStats)


async def generated(source: AsyncIterator[Launch], flow: DataFlow) -> list[Outcome]:
    try:
        return [outcome async for outcome in flow.run_all(source)]
    except DataFlowError as error:
        raise SystemExit(str(error)) from None


def written() -> Pipeline:
    p = Pipeline("daily_orders")
    orders = p.object_storage(
        "raw", prefix="orders/", format="NDJSON", columns={"id": "bigint", "amount": "decimal"}
    )
    assert_type(orders, Step)
    customers = p.mysql("crm", "customers", columns=[Field("id", "bigint"), Field("tier", "string")])
    either = (col("amount") >= 100) | (col("amount") == Decimal("1.5"))
    gold = orders.join(customers, on=[("id", "id"), ("id", "<=", "id")], how="left", prefix="c_").filter(
        either
    )
    sums = gold.aggregate(by=["c_tier"], total=("amount", "sum")).rename({"total": "sum"})
    assert_type(sums.to_mysql("crm", "sums", mode="append", columns=["sum"]), Target)
    p.sql("SELECT 1 AS x", orders=orders, columns=UNKNOWN).to_catalog(
        "d", "t", schema_version="1", columns={"x": "int"}
    )
    assert_type(p.step("once"), Step)
    assert_type(orders.columns, dict[str, str | None])
    return p


async def jobs_of_pipelines(flow: DataFlow) -> list[str]:
    p = written()
    assert_type(await flow.jobs.verify(p), bool)
    job = await flow.jobs.create(p)
    await flow.jobs.update(job.job_id, nodes=p)
    assert_type(job.nodes, list[TypedNode | RawNode] | None)
    assert_type(Pipeline.from_nodes(job.nodes or ()), Pipeline)
    node = SourceObsNode(1, "in", (), "1", "lake", "x/", "CSV", [Field("id", "bigint")])
    await flow.jobs.create("other", nodes=[node, {"type": "NEW", "id": 2, "name": "n", "parentNodeIds": [1]}])
    return [found.field_list[0].name for found in job.nodes or () if isinstance(found, SourceObsNode)]
