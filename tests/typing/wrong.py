"""Wrong uses of the public names: every type checker complains about each line marked so. Never run."""

import dataflow_async
from dataflow_async import BulkOptions, DataFlow, DataFlowError, ExecutionRef, Launch, PollPolicy, RetryPolicy
from dataflow_async import Job, Trigger, TriggerRule, WorkflowJob
from dataflow_async import SourceObsNode
from dataflow_async import Dataflow  # wrong: no such name
from dataflow_async.pipeline import Pipeline, Step, Target, col

print(dataflow_async.DataFlw)  # wrong: no such name, though the package has __getattr__
PollPolicy(minimum=1)  # wrong: min_interval
RetryPolicy(attempts=3)  # wrong: max_attempts
Launch(5)  # wrong: job ids are text


def scheduled() -> None:
    rule = TriggerRule.daily("03:30")
    TriggerRule.daily(330)  # wrong: a time or its text
    TriggerRule.weekly([1, 2], "03:30")  # wrong: names of days
    TriggerRule.monthly("FIRST", "03:30")  # wrong: a number or LAST
    TriggerRule.from_cron("30 9 * * 1-5", zone="Asia/Seoul")  # wrong: a tzinfo
    rule.next_runs(3)  # wrong: after
    rule.next_runs(3, after="2026-11-01")  # wrong: a datetime


async def workflows(flow: DataFlow, job: Job, trigger: Trigger) -> None:
    await flow.workflows.create("nightly", trigger=trigger)  # wrong: and jobs
    await flow.workflows.create("nightly", jobs=[job])  # wrong: and a trigger
    await flow.workflows.create("nightly", [], trigger=trigger, jobs=[job])  # wrong: nodes or jobs
    await flow.workflows.create("nightly", trigger=TriggerRule.manual(), jobs=[job])  # wrong: a trigger
    await flow.workflows.create("nightly", trigger=trigger, jobs=[None])  # wrong: a job
    WorkflowJob(job, after=5)  # wrong: jobs
    WorkflowJob(job, before=job)  # wrong: after


def decided(error: DataFlowError) -> None:
    print(error.transient)  # wrong: is_transient
    error.is_transient = True  # wrong: a fact of the class


async def calls(flow: DataFlow, ref: ExecutionRef) -> None:
    await flow.jobs.create("orders_rollup", type="BATCH")  # wrong: VISUAL or SCRIPT
    await flow.jobs.execute("Jq3kT9vLmN2x", parameters={"day": 1})  # wrong: parameters are text
    await flow.jobs.cancel(ref)  # wrong: cancel_execution
    flow.run_all([], on_uncertain="ignore")  # wrong: report or relaunch
    flow.run_all([], stop_on=3)  # wrong: max_failures
    flow.run_all([], max_in_flight="10")  # wrong: a number
    flow.launch_all([], max_outage=None)  # wrong: seconds
    flow.launch_all([], cancel_runs_on_exit=True)  # wrong: nothing is awaited
    options: BulkOptions = {"stop_on": 3}  # wrong: max_failures
    flow.run_all([], **options)
    flow.run_all(["Jq3kT9vLmN2x"])  # wrong: launches, not ids
    ref.job_id = "other"  # wrong: a reference does not change
    DataFlow(proxy=True)  # wrong: an address, or False
    async for outcome in flow.run_all([]):
        outcome.status = 3  # wrong: not a status, and not to be set


def written(p: Pipeline, step: Step, target: Target) -> None:
    p.object_storage("raw", prefix="", format="XLS", columns={"id": "int"})  # wrong: no such format
    p.mysql("c", "t")  # wrong: columns are needed
    step.fliter(col("id") == 1)  # wrong: filter
    step.filter(True)  # wrong: a condition
    step.join(step, on="id", how="outer")  # wrong: inner, left, right or full
    step.aggregate(by=["id"], n=("id", "count"))  # wrong: there is no count
    step.to_mysql("c", "t", mode="replace")  # wrong: overwrite, append or ignore
    step.to_object_storage("b", prefix="", format="NDJSON")  # wrong: a format of sources
    target.filter(col("id") == 1)  # wrong: a target is an end
    target.filter(col("id") < ["x"])  # wrong: no single value, and no step
    SourceObsNode(1, "in")  # wrong: members are missing
