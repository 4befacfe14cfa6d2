"""What nodes that read and nodes that write have in common: the names that lead to their data."""

from collections.abc import Sequence

from attrs import frozen

from dataflow_async.models.nodes.base import Text, TypedNode
from dataflow_async.models.nodes.columns import Field


@frozen(eq=False, repr=False)
class ObjectStorageNode(TypedNode):
    """A node whose data are files of a bucket.

    Attributes:
        region_no: Number of the region, as text, such as ``"1"``.
        bucket_name: Bucket.
        prefix: Path of the data in the bucket.
    """

    region_no: Text
    bucket_name: Text
    prefix: str


@frozen(eq=False, repr=False)
class DatabaseNode(TypedNode):
    """A node whose data are a table of a database.

    Attributes:
        connection_id: Id of the connection.
        table: Table.
        field_list: Its columns, or those to write.
    """

    connection_id: Text
    table: Text
    field_list: Sequence[Field]


@frozen(eq=False, repr=False)
class CatalogNode(TypedNode):
    """A node whose data are a table of Data Catalog.

    Attributes:
        database: Database.
        table: Table.
        schema_version: Version of the schema, as text.
        field_list: Its columns, or those to write.
    """

    database: Text
    table: Text
    schema_version: Text
    field_list: Sequence[Field]
