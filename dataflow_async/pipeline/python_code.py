"""A pipeline as the code that makes it."""

from __future__ import annotations

import builtins
import re
from collections.abc import Iterator, Mapping, Sequence
from keyword import iskeyword, issoftkeyword
from typing import Any

import attrs

from dataflow_async import defaults
from dataflow_async.errors import InvalidRequest
from dataflow_async.models.nodes.base import RawNode, WireObject
from dataflow_async.pipeline.calls import Call, Ref, calls_for
from dataflow_async.pipeline.columns import Columns
from dataflow_async.pipeline.expressions import Condition, Conditions
from dataflow_async.pipeline.graph import Entry
from dataflow_async.pipeline.layout import Brackets, Name, laid_out

_PIPELINE = "p"


def to_python(replay: Any, entries: Sequence[Entry]) -> str:
    """Return code that makes a pipeline of these nodes.

    Each call is tried before it is written: the code makes equal nodes because the same calls have just made them.

    Args:
        replay: An empty pipeline, on which calls are tried.
        entries: The nodes in their order.
    """
    read = {parent for entry in entries for parent in entry.node.parent_node_ids}
    steps: dict[int, Any] = {}
    variables: dict[int, str] = {}
    lines = [laid_out(Brackets("Pipeline(", [("", replay.name)], ")"), before=f"{_PIPELINE} = ")]
    imports: set[str] = {"Pipeline"}
    for entry in entries:
        inputs = {parent: steps[parent].entry.columns for parent in entry.node.parent_node_ids}
        call, steps[entry.id] = _made(replay, steps, entry, inputs)
        before = ""
        if entry.id in read:
            variables[entry.id] = _variable(entry.label, set(variables.values()))
            before = f"{variables[entry.id]} = "
        lines.append(laid_out(_written(call, variables), before=before))
        imports.update(_names([*call.arguments, *call.keywords.values()]))
    return "\n".join([*_import_lines(imports), "", *lines, ""])


def _made(
    replay: Any, steps: Mapping[int, Any], entry: Entry, inputs: Mapping[int, Columns]
) -> tuple[Call, Any]:
    """Return the first call that makes the node, and its step on the replayed pipeline."""
    for call in calls_for(entry.node, inputs, entry.columns):
        for complete in _labelled(call, entry):
            step = _tried(replay, steps, complete)
            if step is None:
                break
            if step.entry.node == entry.node:
                return complete, step
            step.graph.entries.pop(step.id)
    raise AssertionError("a node can always be added as it is")


def _labelled(call: Call, entry: Entry) -> Iterator[Call]:
    """Return a call as it is, then with the id, the label, and both of the node."""
    yield call
    if call.method != "add":
        number, label = {"id": entry.id}, {"label": entry.label}
        for more in (number, label, label | number):
            yield attrs.evolve(call, keywords={**call.keywords, **more})


def _tried(replay: Any, steps: Mapping[int, Any], call: Call) -> Any:
    """Return the step that a call makes; None if it is refused."""
    try:
        receiver = replay if call.receiver is None else steps[call.receiver.id]
        keywords = {name: _resolved(it, steps) for name, it in call.keywords.items() if it is not None}
        return getattr(receiver, call.method)(*(_resolved(it, steps) for it in call.arguments), **keywords)
    except (InvalidRequest, AttributeError, KeyError):
        return None  # a broken job may read from a target, which has no methods, or name a step that does not exist


def _resolved(value: Any, steps: Mapping[int, Any]) -> Any:
    if isinstance(value, Ref):
        return steps[value.id]
    return {name: _resolved(it, steps) for name, it in value.items()} if isinstance(value, dict) else value


def _written(call: Call, variables: Mapping[int, str]) -> Brackets:
    receiver = _PIPELINE if call.receiver is None else variables[call.receiver.id]
    items = [("", _named(it, variables)) for it in call.arguments]
    items += [(f"{name}=", _named(it, variables)) for name, it in call.keywords.items() if it is not None]
    return Brackets(f"{receiver}.{call.method}(", items, ")")


def _named(value: Any, variables: Mapping[int, str]) -> Any:
    if isinstance(value, Ref):
        return Name(variables[value.id])
    return {name: _named(it, variables) for name, it in value.items()} if isinstance(value, dict) else value


def _variable(label: str, taken: set[str]) -> str:
    """Return a name made of the letters and digits of a label, and of nothing else."""
    name = re.sub(r"[^a-z0-9]+", "_", label.lower()).strip("_")
    if not name or name[0].isdigit():
        name = f"step_{name}".rstrip("_")
    refused = taken | {_PIPELINE, "col"}
    if name in refused or iskeyword(name) or issoftkeyword(name) or hasattr(builtins, name):
        name = next(new for at in range(2, len(refused) + 3) if (new := f"{name}_{at}") not in refused)
    return name


def _names(values: Sequence[Any]) -> Iterator[str]:
    """Return the names that code with these values has to import."""
    for value in values:
        match value:
            case Condition() | Conditions():
                yield "col"
            case Columns():
                yield "UNKNOWN"
            case RawNode():
                yield "RawNode"
            case WireObject():
                yield type(value).__name__
                members = [getattr(value, it.name) for it in attrs.fields(type(value)) if it.name != "extra"]
                yield from _names([it for it in members if isinstance(it, tuple)])
            case list() | tuple():
                yield from _names(value)


def _import_lines(names: set[str]) -> list[str]:
    own = sorted(
        names & {"Pipeline", "col", "UNKNOWN"}, key=lambda name: (name.islower(), not name.isupper(), name)
    )
    models = sorted(names - set(own))
    lines = [f"from dataflow_async.pipeline import {', '.join(own)}"]
    if models:
        line = f"from dataflow_async import {', '.join(models)}"
        lines.insert(0, line)
        if len(line) > defaults.CODE_WIDTH:
            lines[0] = "\n".join(["from dataflow_async import (", *(f"    {it}," for it in models), ")"])
    return lines
