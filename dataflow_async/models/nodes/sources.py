"""Nodes that read data."""

from collections.abc import Sequence
from typing import Annotated

from attrs import frozen

from dataflow_async.models.nodes.base import one_of
from dataflow_async.models.nodes.columns import Field
from dataflow_async.models.nodes.stores import CatalogNode, DatabaseNode, ObjectStorageNode


@frozen(eq=False, repr=False)
class SourceObsNode(ObjectStorageNode):
    """Reads files of Object Storage.

    Source: https://api.ncloud-docs.com/docs/common-vapidatatype-dataflowetljobnode-sourceobjectstorage

    Attributes:
        id: Number of the node, 64 bit, unique in its job.
        name: Label, any text.
        parent_node_ids: Empty: a source reads from no node.
        region_no: Number of the region, as text, such as ``"1"``.
        bucket_name: Bucket.
        prefix: Path of the data in the bucket.
        data_type: File format: JSON, CSV, PARQUET or NDJSON.
        field_list: Its columns.
        extra: Members that have no name here, by the wire's names; sent back unchanged.
    """

    kind = "SOURCE_OBS"

    data_type: Annotated[str, one_of("JSON", "CSV", "PARQUET", "NDJSON")]
    field_list: Sequence[Field]


@frozen(eq=False, repr=False)
class SourceCdbMysqlNode(DatabaseNode):
    """Reads a table of Cloud DB for MySQL.

    Source: https://api.ncloud-docs.com/docs/common-vapidatatype-dataflowetljobnode-sourceclouddbformysql

    Attributes:
        id: Number of the node, 64 bit, unique in its job.
        name: Label, any text.
        parent_node_ids: Empty: a source reads from no node.
        connection_id: Id of the connection.
        table: Table.
        field_list: Its columns.
        extra: Members that have no name here, by the wire's names; sent back unchanged.
    """

    kind = "SOURCE_CDB_MYSQL"


@frozen(eq=False, repr=False)
class SourceCdbPostgresqlNode(DatabaseNode):
    """Reads a table of Cloud DB for PostgreSQL.

    Source: https://api.ncloud-docs.com/docs/common-vapidatatype-dataflowetljobnode-sourceclouddbforpostgresql

    Attributes:
        id: Number of the node, 64 bit, unique in its job.
        name: Label, any text.
        parent_node_ids: Empty: a source reads from no node.
        connection_id: Id of the connection.
        table: Table.
        field_list: Its columns.
        extra: Members that have no name here, by the wire's names; sent back unchanged.
    """

    kind = "SOURCE_CDB_POSTGRESQL"


@frozen(eq=False, repr=False)
class SourceCatalogNode(CatalogNode):
    """Reads a table of Data Catalog.

    Source: https://api.ncloud-docs.com/docs/common-vapidatatype-dataflowetljobnode-sourcedatacatalog

    Attributes:
        id: Number of the node, 64 bit, unique in its job.
        name: Label, any text.
        parent_node_ids: Empty: a source reads from no node.
        database: Database.
        table: Table.
        schema_version: Version of the schema, as text.
        field_list: Its columns.
        extra: Members that have no name here, by the wire's names; sent back unchanged.
    """

    kind = "SOURCE_CATALOG"
