"""Members of requests that are stored although the contract's request schemas do not declare them.

Requests are open to further members (contract/notes.md#ruling-33), and the emulator stores and shows these. The contract's answers
declare some members that its requests do not; stored unchanged, they could make an answer break the contract. So members that only
the service writes are left out, and the others are kept if they have the type that answers declare.
"""

from typing import Any

from dataflow_async.emulator.api.checks import Check, Invalid, anything, map_of, text

Members = dict[str, Any]


def _never(_value: Any) -> None:
    raise Invalid("absent: only the service writes it")


_CONDITION: dict[str, Check] = {"workerType": text(), "consoleLogPath": _never}
_NODE_CONDITION = _CONDITION | {"parameters": map_of(anything)}
"""The request schema of a workflow's job node leaves ``parameters`` open; those of jobs and runs do not."""
_NODE: dict[str, dict[str, Check]] = {
    "JOB": {"triggerRule": _never, "isValid": _never},
    "TRIGGER": {"jobCondition": _never, "isValid": _never},
}


def condition(settings: Members) -> Members:
    """Return the settings of a job or a run, as they are stored."""
    return _kept(settings, _CONDITION)


def workflow_node(node: Members) -> Members:
    """Return a node of a workflow, as it is stored."""
    kept = _kept(node, _NODE[node["type"]])
    if node["type"] == "JOB":
        kept = kept | {"jobCondition": _kept(node["jobCondition"], _NODE_CONDITION)}
    return kept


def _kept(value: Members, checks: dict[str, Check]) -> Members:
    if checks.keys().isdisjoint(value):
        return value
    return {name: member for name, member in value.items() if _fits(member, checks.get(name, anything))}


def _fits(value: Any, check: Check) -> bool:
    try:
        check(value)
    except Invalid:
        return False
    return True
