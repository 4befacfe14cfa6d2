"""Nodes that write data."""

from collections.abc import Sequence
from typing import Annotated

from attrs import frozen

from dataflow_async.models.nodes.base import one_of
from dataflow_async.models.nodes.columns import Field
from dataflow_async.models.nodes.stores import CatalogNode, DatabaseNode, ObjectStorageNode

UpdateType = Annotated[str, one_of("OVERWRITE", "APPEND", "IGNORE")]
"""What happens to data that is at the target already."""


@frozen(eq=False, repr=False)
class TargetObsNode(ObjectStorageNode):
    """Writes files to Object Storage.

    Source: https://api.ncloud-docs.com/docs/common-vapidatatype-dataflowetljobnode-targetobjectstorage

    Attributes:
        id: Number of the node, 64 bit, unique in its job.
        name: Label, any text.
        parent_node_ids: The node that it reads from.
        region_no: Number of the region, as text, such as ``"1"``.
        bucket_name: Bucket.
        prefix: Path of the result in the bucket.
        data_type: File format: JSON, CSV or PARQUET.
        field_list: Columns to write.
        update_type: What happens to data that is there already: OVERWRITE, APPEND or IGNORE.
        coalesce: Number of files to write.
        extra: Members that have no name here, by the wire's names; sent back unchanged.
    """

    kind = "TARGET_OBS"

    data_type: Annotated[str, one_of("JSON", "CSV", "PARQUET")]
    field_list: Sequence[Field]
    update_type: UpdateType | None = None
    coalesce: int | None = None


@frozen(eq=False, repr=False)
class TargetCdbMysqlNode(DatabaseNode):
    """Writes to a table of Cloud DB for MySQL.

    Source: https://api.ncloud-docs.com/docs/common-vapidatatype-dataflowetljobnode-targetclouddbformysql

    Attributes:
        id: Number of the node, 64 bit, unique in its job.
        name: Label, any text.
        parent_node_ids: The node that it reads from.
        connection_id: Id of the connection.
        table: Table.
        field_list: Columns to write.
        update_type: What happens to data that is there already: OVERWRITE, APPEND or IGNORE.
        extra: Members that have no name here, by the wire's names; sent back unchanged.
    """

    kind = "TARGET_CDB_MYSQL"

    update_type: UpdateType | None = None


@frozen(eq=False, repr=False)
class TargetCdbPostgresqlNode(DatabaseNode):
    """Writes to a table of Cloud DB for PostgreSQL.

    Source: https://api.ncloud-docs.com/docs/common-vapidatatype-dataflowetljobnode-targetclouddbforpostgresql

    Attributes:
        id: Number of the node, 64 bit, unique in its job.
        name: Label, any text.
        parent_node_ids: The node that it reads from.
        connection_id: Id of the connection.
        table: Table.
        field_list: Columns to write.
        update_type: What happens to data that is there already: OVERWRITE, APPEND or IGNORE.
        extra: Members that have no name here, by the wire's names; sent back unchanged.
    """

    kind = "TARGET_CDB_POSTGRESQL"

    update_type: UpdateType | None = None


@frozen(eq=False, repr=False)
class TargetCatalogNode(CatalogNode):
    """Writes to a table of Data Catalog.

    Source: https://api.ncloud-docs.com/docs/common-vapidatatype-dataflowetljobnode-targetdatacatalog

    Attributes:
        id: Number of the node, 64 bit, unique in its job.
        name: Label, any text.
        parent_node_ids: The node that it reads from.
        database: Database.
        table: Table.
        schema_version: Version of the schema, as text.
        field_list: Columns to write.
        update_type: What happens to data that is there already: OVERWRITE, APPEND or IGNORE.
        coalesce: Number of files to write.
        extra: Members that have no name here, by the wire's names; sent back unchanged.
    """

    kind = "TARGET_CATALOG"

    update_type: UpdateType | None = None
    coalesce: int | None = None
