"""Services that differ from an account in one thing, for each line of the probe."""

from copy import deepcopy
from functools import reduce
from operator import getitem


def status(number, *names, body=None):
    """These questions have another status, and another body."""

    def change(replay):
        for name in names:
            replay.answers[name] = (number, deepcopy(body) if body is not None else replay.answers[name][1])

    return change


def error(name, number, envelope):
    """This question is refused in another envelope."""
    return lambda replay: replay.answers.update({name: (number, deepcopy(envelope))})


def member(path, value, *names):
    """A member of these answers, or of their rows, has another value; None removes it.

    Raises:
        KeyError: One of them is a refusal by now.
    """

    def change(replay):
        for name in names:
            status_code, body = replay.answers[name]
            if status_code >= 300:
                raise KeyError(path)  # a refusal has no such member
            for row in body["list"] if "list" in body and path not in body else [body]:
                *parents, last = path.split(".")
                inner = reduce(getitem, parents, row)
                inner.pop(last, None)
                if value is not None:
                    inner[last] = value

    return change


def null(name, *names):
    return lambda replay: [row.update({name: None}) for it in names for row in replay.answers[it][1]["list"]]


def header(name, value):
    return lambda replay: replay.headers.update({name: value})


def launch(name, value):
    return lambda replay: replay.launch.update({f"launch: {name}": value})


def nodes(kind, name, value):
    def change(replay):
        for node in replay.answers["workflow"][1]["nodes"]:
            if node["type"] == kind:
                node.pop(name, None)
                if value is not None:
                    node[name] = value

    return change


def both(*changes):
    return lambda replay: [change(replay) for change in changes]


def late(name, retry_after=None):
    """This question is throttled."""

    def change(replay):
        replay.repeats[name] = retry_after

    return change


def swapped(replay):
    for node, other in zip(*[replay.answers["workflow"][1]["nodes"]] * 2, strict=True):
        node["id"] = replay.answers["triggers" if other["type"] == "JOB" else "jobs"][1]["list"][0][
            "triggerId" if other["type"] == "JOB" else "jobId"
        ]


GATEWAY = {"error": {"errorCode": "200", "message": "m", "details": None}}
STANDARD = {"error": {"errorCode": "NotFound", "message": "m", "detail": "d", "fieldErrors": []}}
SPRING = {"timestamp": "t", "status": 400, "path": "/"}
OBJECT = {"list": [], "count": 0}
REFUTING = {
    1: member("page", None, "triggers"),
    4: status(404, "counts", body=GATEWAY),
    5: status(404, "times", body=GATEWAY),
    9: status(200, "unknown path", body=OBJECT),
    10: status(401, "query to encode", body=GATEWAY),
    11: status(401, "job", body=GATEWAY),
    12: status(200, "wrong signature", body=OBJECT),
    13: status(200, "wrong signature", body=OBJECT),
    14: status(200, "wrong signature", body=OBJECT),
    15: status(200, "signed +600 s", body=OBJECT),
    16: status(415, "counts"),
    17: header("content-type", "text/html"),
    18: status(204, "run", body=b""),
    19: header("x-other-request-id", "1"),
    20: error("unknown job", 400, STANDARD),
    21: error("unknown job", 400, SPRING),
    22: error("no signature", 401, {"error": {"message": "m"}}),
    24: error("wrong signature", 403, GATEWAY),
    25: status(400, "unknown workflow"),
    27: late("triggers", "soon"),
    30: error("page that is no number", 400, {"errorType": "bad-page", "detail": "d"}),
    32: late("triggers"),
    33: member("tenantNo", 7, "jobs"),
    35: member("type", "DRAFT", "jobs"),
    39: member("isTemp", False, "workflow"),
    40: member("jobCondition.workerType", "DEFAULT", "job"),
    44: member("parsedParameters", None, "run"),
    48: nodes("TRIGGER", "jobCondition", {}),
    49: swapped,
    51: member("triggerRule", "DAILY", "trigger"),
    52: member("type", "MANUAL", "triggers"),
    59: status(500, "triggers: limit 0"),
    61: status(422, "counts by day"),
    62: both(member("jobCondition", None, "job"), member("runCondition", {"numWorker": 2}, "job")),
    63: member("status", "SUSPENDED", "runs"),
    64: status(206, "run"),
    65: launch("cancel of an ended run", "200 false"),
    66: member("createdDate", 1_790_000_000_000, "job"),
    67: member("lastExecutionStatus", "2026-11-01", "jobs"),
    68: null("description", "runs"),
    69: member("disabled", 0, "jobs"),
    70: member("result", [{"startDate": "2026-11-01T09:00:00"}], "counts by day"),
    71: member("count", None, "jobs: small page"),
    72: lambda replay: replay.answers.update({"jobs: second small page": replay.answers["jobs: small page"]}),
    77: status(500, "run in progress"),
    78: member("runningTime", 6000, "run"),
    79: launch("status after cancel", "changed"),
    85: member("jobExecutionId", 17, "runs"),
    86: member("createdDate", "yesterday", "runs"),
    87: header("date", "Thu, 01 Jan 2026 00:00:00 GMT"),
    88: launch("listed after", "not within 120 s"),
    89: member("lastExecutionDate", None, "jobs"),
    90: launch("date off", "-9 h"),
    91: launch("parameters", "never"),
    92: status(302, "unknown path", body=b""),
    93: error("unknown job", 403, SPRING),
    94: member("createdDate", 1_790_000_000_000, "runs"),
    96: error("unknown job", 400, STANDARD),
    97: status(200, "run", body={"errorType": "not-found", "detail": "d"}),
    98: lambda replay: replay.idle.update({"connection: kept idle": "closed within 2 s"}),
}
"""For each line a service that refutes it, by what is different there."""
CONFIRMING = {
    27: late("triggers", "30"),
    65: launch("cancel of an ended run", "200 true"),
}
"""Lines that the account does not show, and what does."""
