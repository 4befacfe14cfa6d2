"""The request bodies that the service accepts: those of the contract, written a second time by hand.

Names are the wire's names; the contract's schema of the same name is the source of each.
"""

from graphlib import CycleError, TopologicalSorter
from typing import Any

from dataflow_async.emulator.api.checks import (
    Check,
    Invalid,
    all_of,
    anything,
    array_of,
    chosen_by,
    integer,
    map_of,
    obj,
    one_of,
    text,
    when,
)

STRING = text()
NOT_EMPTY = text(min_length=1, rule="a string that is not empty")
INT64 = integer(-(2**63), 2**63 - 1)
"""Node ids are 64 bit (contract/notes.md#ruling-57), and no other bound is printed for counts."""

RESOURCE_NAME = text(
    r"[A-Za-z_][A-Za-z0-9_-]{2,99}",
    rule="3 to 100 ASCII letters, digits, _ or -, the first a letter or _",
)
"""See contract/notes.md#ruling-34."""

JOB_TYPE = one_of("VISUAL", "SCRIPT")
"""``DATAFLOW`` occurs in answers only (contract/notes.md#ruling-35)."""

PATHS = {"nrn": STRING, "scriptPath": STRING, "logPath": STRING}
SIZES = {"numWorker": integer(2, 10), "timeout": integer(1, 1440)}
"""Workers, and minutes (contract/notes.md#ruling-41)."""
JOB_CONDITION = obj(optional=SIZES | PATHS | {"parameters": map_of(STRING)})
WORKFLOW_JOB_CONDITION = obj(PATHS, SIZES | {"workerType": one_of("DATAFLOW", "DEFAULT")})
"""The three paths stay mandatory on a workflow's job node (contract/notes.md#ruling-48)."""


# --- the graph of nodes -------------------------------------------------------------------------------------------------


def graph(nodes: list[dict[str, Any]]) -> None:
    """Check that ids are unique, parents exist, and no node follows itself (contract/notes.md#ruling-50)."""
    parents = {node["id"]: set(node["parentNodeIds"]) for node in nodes}
    if len(parents) < len(nodes):
        raise Invalid("an array of nodes with unique ids")
    for index, node in enumerate(nodes):
        if not parents.keys() >= parents[node["id"]]:
            raise Invalid("ids of other nodes in the array").under(".parentNodeIds").under(f"[{index}]")
    try:
        TopologicalSorter(parents).prepare()
    except CycleError:
        raise Invalid("an array of nodes whose parentNodeIds form no cycle") from None


# --- jobs -------------------------------------------------------------------------------------------------------------

FIELD_TYPES = (
    "Void Boolean Tinyint Smallint Int Bigint Float Double String Char Varchar Date Datetime Timestamp Decimal Binary "
    "TimestampWithTimeZone Array Map Struct Uniontype"
)


def _field(value: Any) -> None:
    _FIELD(value)


FIELD_LIST = array_of(_field)
_FIELD = obj(
    {"name": NOT_EMPTY, "type": one_of(*FIELD_TYPES.split(), *FIELD_TYPES.lower().split())},
    {"properties": FIELD_LIST},
)
"""A column may hold columns; both spellings of a type are in use (contract/notes.md#ruling-56)."""

OPERATOR = one_of("EQ", "NE", "GT", "LT", "GTE", "LTE")
UPDATE_TYPE = one_of("OVERWRITE", "APPEND", "IGNORE")
OBS = {"regionNo": NOT_EMPTY, "bucketName": NOT_EMPTY, "prefix": STRING, "fieldList": FIELD_LIST}
CDB = {"connectionId": NOT_EMPTY, "table": NOT_EMPTY, "fieldList": FIELD_LIST}
CATALOG = {"database": NOT_EMPTY, "table": NOT_EMPTY, "schemaVersion": NOT_EMPTY, "fieldList": FIELD_LIST}
JOIN_CONDITION = obj(
    {
        "leftField": NOT_EMPTY,
        "rightField": NOT_EMPTY,
        "joinOperator": OPERATOR,
        "conditionOperator": one_of("HEAD", "AND", "OR"),
    }
)
AGGREGATION = obj(
    {"name": NOT_EMPTY, "ResultName": NOT_EMPTY, "function": one_of("SUM", "AVG", "MAX", "MIN")}
)
"""``ResultName`` is the one member with a capital, and there is no COUNT (contract/notes.md#ruling-57)."""


def _job_node(required: dict[str, Check], optional: dict[str, Check] | None = None) -> Check:
    common = {"id": INT64, "name": NOT_EMPTY, "parentNodeIds": array_of(INT64)}
    return obj(common | required, optional)


JOB_NODE = chosen_by(
    "type",
    {
        "SOURCE_OBS": _job_node(OBS | {"dataType": one_of("JSON", "CSV", "PARQUET", "NDJSON")}),
        "SOURCE_CDB_MYSQL": _job_node(CDB),
        "SOURCE_CDB_POSTGRESQL": _job_node(CDB),
        "SOURCE_CATALOG": _job_node(CATALOG),
        "TRANSFORM_DEFINE": _job_node(
            {
                "defineFieldList": array_of(
                    obj({"name": NOT_EMPTY, "newType": NOT_EMPTY, "newName": NOT_EMPTY})
                ),
            }
        ),
        "TRANSFORM_SELECT": _job_node({"fieldList": FIELD_LIST}),
        "TRANSFORM_JOIN": _job_node(
            {
                "joinType": one_of("INNER", "LEFT_OUTER", "RIGHT_OUTER", "FULL_OUTER"),
                "leftNodeId": INT64,
                "rightNodeId": INT64,
                "joinConditionList": array_of(JOIN_CONDITION),
            },
            {"prefix": STRING},
        ),
        "TRANSFORM_FILTER": _job_node(
            {
                "filterType": one_of("AND", "OR"),
                "filterConditionList": array_of(
                    obj({"name": NOT_EMPTY, "operator": OPERATOR, "value": STRING})
                ),
            }
        ),
        "TRANSFORM_UNION": _job_node({"unionType": one_of("ALL", "DISTINCT")}),
        "TRANSFORM_AGGREGATE": _job_node(
            {
                "groupByList": array_of(STRING),
                "aggregateFieldList": array_of(AGGREGATION),
            }
        ),
        "TRANSFORM_RENAME": _job_node(
            {"renameFieldList": array_of(obj({"name": NOT_EMPTY, "newName": NOT_EMPTY}))}
        ),
        "TRANSFORM_DROP_DUPLICATION": _job_node({"dropFieldList": array_of(STRING)}),
        "TRANSFORM_FILL_MISSING_VALUES": _job_node(
            {
                "missingValueFieldList": array_of(obj({"name": NOT_EMPTY, "defaultValue": STRING})),
            }
        ),
        "TRANSFORM_SQL": _job_node(
            {
                "sourceNameList": array_of(obj({"parentId": INT64, "newName": NOT_EMPTY})),
                "sql": NOT_EMPTY,
            }
        ),
        "TARGET_OBS": _job_node(
            OBS | {"dataType": one_of("JSON", "CSV", "PARQUET")},
            {"updateType": UPDATE_TYPE, "coalesce": INT64},
        ),
        "TARGET_CDB_MYSQL": _job_node(CDB, {"updateType": UPDATE_TYPE}),
        "TARGET_CDB_POSTGRESQL": _job_node(CDB, {"updateType": UPDATE_TYPE}),
        "TARGET_CATALOG": _job_node(CATALOG, {"updateType": UPDATE_TYPE, "coalesce": INT64}),
    },
)
JOB_NODES = all_of(array_of(JOB_NODE), graph)
JOB_MEMBERS = {"maxConcurrentRuns": INT64, "jobCondition": JOB_CONDITION, "nodes": JOB_NODES}

CREATE_JOB = obj({"name": RESOURCE_NAME, "type": JOB_TYPE}, JOB_MEMBERS)
UPDATE_JOB = obj({"type": JOB_TYPE}, {"name": RESOURCE_NAME} | JOB_MEMBERS)
"""Though a PATCH, it always carries ``type`` (contract/notes.md#ruling-38)."""
VERIFY_JOB = obj({"name": RESOURCE_NAME, "nodes": JOB_NODES})
EXECUTE_JOB = obj(optional={"jobCondition": JOB_CONDITION, "parameters": map_of(anything)})
UPDATE_JOB_EXECUTE_CONFIG = obj({"jobCondition": JOB_CONDITION})


# --- workflows --------------------------------------------------------------------------------------------------------

WORKFLOW_NODE = chosen_by(
    "type",
    {
        "TRIGGER": obj(
            {"id": NOT_EMPTY, "name": NOT_EMPTY, "parentNodeIds": array_of(STRING, max_items=0)},
            {"triggerRule": one_of("RECURRING", "ONE_TIME", "NONE")},
        ),
        "JOB": obj(
            {
                "id": NOT_EMPTY,
                "name": NOT_EMPTY,
                "parentNodeIds": array_of(STRING),
                "jobCondition": WORKFLOW_JOB_CONDITION,
            }
        ),
    },
)
WRITE_WORKFLOW = obj({"name": RESOURCE_NAME, "nodes": all_of(array_of(WORKFLOW_NODE), graph)})


# --- triggers ---------------------------------------------------------------------------------------------------------

MINUTE = text(r"[0-5][0-9]", rule="a minute, 00 to 59, when interval is HOUR")
TIME_OF_DAY = text(r"([01][0-9]|2[0-3]):[0-5][0-9]", rule="a time of day, HH:MM, unless interval is HOUR")
TRIGGER_RULE = all_of(
    obj(
        {"type": one_of("RECURRING", "ONE_TIME", "NONE")},
        {
            "interval": one_of("HOUR", "DAY", "WEEK", "MONTH"),
            "time": text(r"[0-5][0-9]|([01][0-9]|2[0-3]):[0-5][0-9]", rule="MM or HH:MM"),
            "dayOfWeek": array_of(
                one_of("MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY"),
                min_items=1,
            ),
            "dateOfMonth": text(
                r"-1|[1-9]|[12][0-9]|3[01]", rule="text from 1 to 31, or -1 for the last day"
            ),
            "executionDate": NOT_EMPTY,
        },
    ),
    when("type", ("RECURRING",), obj({"interval": anything, "time": anything})),
    when("type", ("ONE_TIME",), obj({"executionDate": anything})),
    when("interval", ("WEEK",), obj({"dayOfWeek": anything})),
    when("interval", ("MONTH",), obj({"dateOfMonth": anything})),
    when("interval", ("HOUR",), obj(optional={"time": MINUTE})),
    when("interval", ("DAY", "WEEK", "MONTH"), obj(optional={"time": TIME_OF_DAY})),
)
CREATE_TRIGGER = obj(
    {
        "name": RESOURCE_NAME,
        "type": one_of("SCHEDULED", "EVENT", "NONE"),
        "triggerRule": TRIGGER_RULE,
    }
)
