"""One page of a list."""

from typing import Generic, TypeVar

from attrs import frozen

from dataflow_async.models.base import Response

T = TypeVar("T")


@frozen(eq=False, repr=False)
class Page(Response, Generic[T]):
    """Rows ``page * limit`` and following, in an order that is not documented.

    Attributes:
        items: The rows.
        count: The total, or the rows of this answer: the docs disagree (contract/notes.md#ruling-71), so never end a
            loop by it.
        page: From 0.
        limit: Page size as echoed; the service may cap a page below it.
        skipped: Rows without an id that can be read: they are not among the items, and stay in ``raw``.
    """

    items: list[T]
    count: int | None = None
    page: int | None = None
    limit: int | None = None
    skipped: int = 0
