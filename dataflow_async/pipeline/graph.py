"""The nodes of a pipeline in the order in which they were written, each with its columns and its line."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from attrs import define, field, frozen

from dataflow_async.errors import InvalidRequest
from dataflow_async.models.nodes.base import JobNode, RawNode, TypedNode
from dataflow_async.pipeline.columns import UNKNOWN, Columns
from dataflow_async.pipeline.outputs import columns_after
from dataflow_async.pipeline.places import Place, users_place
from dataflow_async.pipeline.refusals import PipelineError, unknown
from dataflow_async.pipeline.stores import check_stores, writes


@frozen(eq=False)
class Entry:
    """A node with what is known of it.

    Attributes:
        node: The node.
        columns: Its columns.
        place: The line that wrote it.
    """

    node: JobNode
    columns: Columns
    place: Place

    @property
    def id(self) -> int:
        """Return the id of the node."""
        return self.node.id or 0

    @property
    def label(self) -> str:
        """Return the label of the node."""
        return self.node.name or ""

    @property
    def is_target(self) -> bool:
        """Return whether the node writes data."""
        return writes(self.node)


@define(eq=False)
class Graph:
    """The nodes of one pipeline.

    Always true: each parent of a node stands before it, so that there is no cycle; ids are unique; each node was checked against
    the columns of its parents. What shows only in the whole, a step that nothing reads, is checked by `complete`.

    Attributes:
        name: Name of the pipeline.
        entries: By id, in the order in which they were written.
    """

    name: str
    entries: dict[int, Entry] = field(factory=dict)

    def make(
        self,
        kind: Callable[..., TypedNode],
        title: str,
        parents: Sequence[Entry],
        members: Mapping[str, Any],
        *,
        label: str | None = None,
        id: int | None = None,  # noqa: A002  # the wire's name
        columns: Columns | None = None,
    ) -> Entry:
        """Add a node of a type.

        Args:
            kind: Class of the node.
            title: What its label begins with if none is given.
            parents: What it reads from.
            members: Members of its type.
            label: Its label.
            id: Its id; the next number if None.
            columns: Its columns where they are stated instead of computed.

        Raises:
            PipelineError: It does not fit.
        """
        number = self._next_id() if id is None else id
        step = label or f"{title} {number}"
        try:
            self._require_own(parents)
            ids = list(dict.fromkeys(parent.id for parent in parents))
            node = kind(id=number, name=step if label is None else label, parent_node_ids=ids, **members)
            return self.add(node, columns=columns)
        except PipelineError:
            raise
        except InvalidRequest as refusal:
            error = PipelineError(str(refusal), users_place(), step=step, field=refusal.field)
        raise error

    def add(self, node: JobNode, *, columns: Columns | None = None, is_checked: bool = True) -> Entry:
        """Add a node whose parents are there.

        Args:
            node: The node.
            columns: Its columns where they are stated instead of computed.
            is_checked: Whether a node that does not fit the columns of its parents is refused; otherwise its columns are unknown.

        Raises:
            InvalidRequest: Its id is taken, a parent does not exist, or it does not fit.
        """
        if isinstance(node, RawNode) and (node.id is None or node.name is None):
            raise InvalidRequest("node must have an id and a label, got none")
        if node.id in self.entries:
            raise InvalidRequest(
                f"id must be unique, got {node.id} of step {self.entries[node.id].label!r} at {self.entries[node.id].place}",
                field="id",
            )
        missing = [parent for parent in node.parent_node_ids if parent not in self.entries]
        if missing:
            raise InvalidRequest(
                f"parents must be steps that exist, got node {missing[0]}", field="parent_node_ids"
            )
        if is_checked:
            self._check_parents(node)
            self._check_label(node)
            check_stores(node, self.entries.values())
        entry = Entry(node, self._columns(node, columns, is_checked=is_checked), users_place())
        self.entries[entry.id] = entry
        return entry

    def _columns(self, node: JobNode, given: Columns | None, *, is_checked: bool) -> Columns:
        inputs = [self.entries[parent].columns for parent in node.parent_node_ids]
        try:
            found = columns_after(node, inputs)
        except InvalidRequest:
            if is_checked:
                raise
            return UNKNOWN
        return found if given is None else given

    def _require_own(self, parents: Sequence[Entry]) -> None:
        for parent in parents:
            if self.entries.get(parent.id) is not parent:
                raise InvalidRequest(
                    f"steps must belong to one pipeline, got {parent.label!r} of another one"
                )

    def _check_parents(self, node: JobNode) -> None:
        for parent in node.parent_node_ids:
            if self.entries[parent].is_target:
                raise InvalidRequest(f"parents must not be targets, got {self.entries[parent].label!r}")

    def _check_label(self, node: JobNode) -> None:
        """Refuse a second target of one label."""
        for other in self.entries.values() if writes(node) else ():
            if other.is_target and other.label == node.name:
                raise InvalidRequest(
                    f"label of a target must be unique, got {node.name!r} of {other.place} again"
                )

    def _next_id(self) -> int:
        number = len(self.entries) + 1
        while number in self.entries:
            number += 1
        return number

    def find(self, name: str | int) -> Entry:
        """Return the entry of a step by its label or its id.

        Raises:
            InvalidRequest: There is none, there are several, or it is a target.
        """
        by = "id" if type(name) is int else "label"
        found = [entry for entry in self.entries.values() if getattr(entry, by) == name]
        if not found:
            known = [entry.label for entry in self.entries.values() if not entry.is_target]
            raise unknown("step", name, known)
        if len(found) > 1:
            numbers = ", ".join(str(entry.id) for entry in found)
            raise InvalidRequest(
                f"step must be given by its number ({numbers}), got a label of several: {name!r}"
            )
        if found[0].is_target:
            raise InvalidRequest(f"step must be one that can be read, got the target {name!r}")
        return found[0]

    def complete(self) -> list[Entry]:
        """Return all entries after a check of the whole.

        Raises:
            PipelineError: There is no target, or nothing reads a step.
        """
        entries = list(self.entries.values())
        read = {parent for entry in entries for parent in entry.node.parent_node_ids}
        if not any(entry.is_target for entry in entries):
            last = entries[-1] if entries else None
            raise PipelineError(
                f"pipeline {self.name!r} must have a target, got none: end a step with to_object_storage, to_mysql, "
                "to_postgresql or to_catalog",
                last.place if last else users_place(),
                step=last.label if last else None,
            )
        for entry in entries:
            if entry.id not in read and not entry.is_target:
                raise PipelineError(
                    "step must be read by another step or a target, got one that nothing reads",
                    entry.place,
                    step=entry.label,
                )
        return entries


def in_order(nodes: Iterable[JobNode]) -> list[JobNode]:
    """Return nodes so that parents come first, otherwise in the order given; what is left in a cycle comes last."""
    waiting: list[JobNode] = list(nodes)
    ordered: list[JobNode] = []
    done: set[int | None] = set()
    ids = {node.id for node in waiting}
    while ready := next((it for it in waiting if set(it.parent_node_ids) & ids <= done), None):
        waiting.remove(ready)
        ordered.append(ready)
        done.add(ready.id)
    return ordered + waiting
