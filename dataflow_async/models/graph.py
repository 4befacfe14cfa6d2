"""The graph that the nodes of a job or a workflow form by ``parentNodeIds`` alone; there are no edges."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import Any

from dataflow_async.errors import InvalidRequest


def check_parents(nodes: Sequence[Mapping[str, Any]], field: str = "nodes") -> None:
    """Refuse nodes whose parents do not exist or form a cycle.

    Raises:
        InvalidRequest: Naming the node and the parent at fault.
    """
    ids: set[Hashable] = {node["id"] for node in nodes}
    graph: dict[Hashable, set[Hashable]] = {}
    for index, node in enumerate(nodes):
        for parent in node["parentNodeIds"]:
            if parent not in ids:
                where = f"{field}[{index}].parentNodeIds"
                raise InvalidRequest(
                    f"{where} must be ids of nodes ({', '.join(sorted(map(str, ids)))}), got {parent!r}",
                    field=where,
                )
        graph.setdefault(node["id"], set()).update(node["parentNodeIds"])
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as cycle:
        path = " -> ".join(str(step) for step in cycle.args[1])
    else:
        return
    raise InvalidRequest(f"{field} must be without a cycle of parents, got {path}", field=field)
