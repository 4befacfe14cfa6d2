"""Where nodes read and write data, and which of them would harm each other.

No page says whether a job reads everything before it writes, nor in which order it writes its targets. Spark, which runs the jobs,
reads while it writes: what is overwritten while it is read is lost (contract/notes.md#ruling-100).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

from attrs import frozen

from dataflow_async.errors import InvalidRequest
from dataflow_async.models.nodes.base import JobNode
from dataflow_async.models.nodes.stores import CatalogNode, DatabaseNode, ObjectStorageNode
from dataflow_async.pipeline.places import Place

_KEEPS = {"APPEND", "IGNORE"}
"""Modes that leave what is there."""


class Written(Protocol):
    """A node and the line that wrote it."""

    @property
    def node(self) -> JobNode:
        """Return the node."""

    @property
    def place(self) -> Place:
        """Return the line."""


@frozen
class Store:
    """A table, or a folder of a bucket.

    Attributes:
        system: What holds it: a product, with its region.
        path: The names that lead to it.
    """

    system: str
    path: tuple[str, ...]

    def overlaps(self, other: Store) -> bool:
        """Return whether the two are one, or one lies within the other."""
        return self.system == other.system and all(
            mine == its for mine, its in zip(self.path, other.path, strict=False)
        )

    def __str__(self) -> str:
        """Return its path."""
        return "/".join(self.path)


def writes(node: JobNode) -> bool:
    """Return whether a node writes data."""
    return (node.type or "").startswith("TARGET_")


def store_of(node: JobNode) -> Store | None:
    """Return where a source or a target has its data; None for any other node.

    The version of a schema is no part of it: both versions describe one table.
    """
    match node:
        case ObjectStorageNode():
            folders = [it for it in node.prefix.split("/") if it]
            return Store(f"OBS {node.region_no}", (node.bucket_name, *folders))
        case CatalogNode():
            return Store("CATALOG", (node.database, node.table))
        case DatabaseNode():
            return Store(node.type.partition("_")[2], (node.connection_id, node.table))
    return None


def check_stores(node: JobNode, others: Iterable[Written]) -> None:
    """Refuse a node that would overwrite what another one reads or writes, or would read what another one overwrites.

    Args:
        node: The node.
        others: The nodes before it.

    Raises:
        InvalidRequest: Naming the store, and the line of the other node.
    """
    store = store_of(node)
    for other in others if store else ():
        its = store_of(other.node)
        if store and its and store.overlaps(its):
            _check_pair(node, other, str(store))


def _check_pair(node: JobNode, other: Written, store: str) -> None:
    writers = [it for it in (node, other.node) if writes(it)]
    modes = {getattr(it, "update_type", None) for it in writers}
    if len(writers) == 2 and modes != {"APPEND"}:
        raise InvalidRequest(
            f"target must be written once unless both append, got {store} of {other.place} again"
        )
    if len(writers) == 1 and not modes <= _KEEPS:
        rule, verb = _READ_AND_WRITTEN[writes(node)]
        raise InvalidRequest(
            f"{rule}, got {store}, {verb} at {other.place}: rows that are overwritten while they are read are lost"
        )


_READ_AND_WRITTEN: Mapping[bool, tuple[str, str]] = {
    True: ("mode must be append or ignore where the pipeline reads what is there", "read"),
    False: ("source must be what no target of the pipeline overwrites", "overwritten"),
}
"""The rule and what the other node does, by whether the node writes."""
