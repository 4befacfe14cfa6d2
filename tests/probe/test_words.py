"""The words that a report always keeps are those of the contract."""

from dataflow_async.probe.words import MEMBERS
from tests.support.contract import document


def response_members():
    schemas = document()["components"]["schemas"]
    names = ("Job", "JobSummary", "JobPage", "JobSettings", "JobExecution", "Workflow", "WorkflowSummary", "WorkflowNodeInfo",
             "Trigger", "TriggerRuleInfo", "ExecutionResult", "ExecutionIntervalResult")  # fmt: skip
    return {member for name in names for member in schemas[name]["properties"]}


def test_each_member_of_the_contract_is_kept():
    assert response_members() - MEMBERS == set()
