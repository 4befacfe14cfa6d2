"""What a probe can say about the rulings of the contract notes: a line for each that it can observe, a reason for each other."""

from __future__ import annotations

import re

from attrs import frozen

from dataflow_async.probe.facts import Fact


@frozen
class Line:
    """A ruling that facts confirm or refute."""

    question: str
    """What is uncertain, for a person."""
    facts: tuple[str, ...]
    """Names of the facts that answer it."""
    allowed: str
    """Regular expression of the values that the ruling foresees; every value of a list must match."""
    silent: str = ""
    """Regular expression of values that neither confirm nor refute it."""
    next: str = ""
    """What a refutation means for a user of the library."""

    def is_silent(self, value: Fact) -> bool:
        """Return whether a value says nothing about the ruling."""
        return value is None or (isinstance(value, str) and bool(re.fullmatch(self.silent, value)))

    def allows(self, value: Fact) -> bool:
        """Return whether the ruling foresees a value."""
        values = value if isinstance(value, list) else [value]
        return all(re.fullmatch(self.allowed, str(it)) for it in values)


def _lists(*names: str) -> tuple[str, ...]:
    kinds = ("jobs", "runs", "workflows", "workflow runs", "triggers")
    return tuple(f"{kind}: {name}" for kind in kinds for name in names)


def _answers(*names: str) -> tuple[str, ...]:
    return tuple(f"answer: {name}" for name in names)


_NOT_FOUND = ("unknown job", "unknown run", "unknown workflow", "unknown trigger")
_ERRORS = (
    "unknown path",
    *_NOT_FOUND,
    "page that is no number",
    "no signature",
    "wrong signature",
    "stale signature",
)
_THINGS = ("job", "run", "workflow", "trigger")
_LAUNCH = "launch: "

RULINGS: dict[int, Line] = {
    1: Line("Do lists have the newest form?", _lists("envelope"), "count, limit, list, page"),
    4: Line("Does the path of the counts answer?", _answers("counts"), "200 object"),
    5: Line("Does the older path of the times answer?", _answers("times"), "200 object"),
    9: Line("Does the path prefix /api/v1 work, and no other path?", ("paths: distinguished",), "yes"),
    10: Line("Is a percent-encoded query signed as it is sent?", _answers("query to encode"), "200 .*"),
    11: Line("Is a path without query signed without a question mark?", _answers("job"), "200 .*"),
    12: Line("Does the signed path start at the host?", ("signature: checked",), "yes"),
    13: Line("Are body and host left out of the signature?", ("signature: checked",), "yes"),
    14: Line("Is signature version 2 accepted, and a wrong one refused?", ("signature: checked",), "yes"),
    15: Line("How far may a timestamp be off?", ("signature: accepted",), r"-240 s, \+240 s"),
    16: Line(
        "Is a Content-Type without a body accepted?", _answers("job", "run", "counts", "times"), "(?!415 ).*"
    ),
    17: Line(
        "Does JSON come as JSON or text?", ("headers: content types",), "(application/json|text/plain)(;.*)?"
    ),
    18: Line("Do reads have bodies?", _answers("run", "run in progress", "counts"), r"20[02] (object|empty)"),
    19: Line(
        "Which trace headers come?",
        ("headers: trace",),
        "x-ncp-apigw-request-id|x-ncp-trace-id|x-ncp-request-id",
    ),
    20: Line("Which error envelopes come?", _answers(*_ERRORS), r"\d+ (service|gateway) .*"),
    21: Line("Do other envelopes come?", _answers(*_ERRORS), r"\d+ (service|gateway|standardized) .*"),
    22: Line(
        "Is errorCode a text or a number?",
        _answers("no signature", "wrong signature", "unknown path"),
        r"\d+ (gateway \d+( as a number)?|standardized [A-Z]\w*)",
        silent=r"\d+ service .*",
    ),
    24: Line(
        "What refuses a signature?",
        _answers("no signature", "wrong signature", "stale signature"),
        r"401 gateway 200.*",
    ),
    25: Line(
        "Who answers for an unknown path, and who for an unknown id?",
        _answers("unknown path", *_NOT_FOUND),
        r"404 (gateway 300.*|service .*)",
    ),
    27: Line(
        "Does Retry-After come, as seconds or a date?", ("headers: retry-after",), "absent|seconds|date"
    ),
    30: Line("What names a bad parameter?", _answers("page that is no number"), "400 service bad-parameter"),
    32: Line("Does a slow sequence of calls meet a rate limit?", ("throttled",), "no"),
    33: Line(
        "Which members do things have that the contract lacks?",
        ("members: unknown",),
        "",
        next="members that the contract lacks are in `.raw` of every model",
    ),
    35: Line("Which types do jobs have?", ("jobs: types",), "VISUAL|SCRIPT|DATAFLOW"),
    39: Line("Does isTemp come?", ("workflows: members", "workflow: members"), "(?!isTemp).*"),
    40: Line(
        "Is workerType gone from the settings of a job?", ("job: settings members",), "(?!workerType).*"
    ),
    44: Line(
        "Are parameters echoed?",
        ("run: parameters", f"{_LAUNCH}parameters"),
        "echoed|at once|once running",
        silent="empty",
        next="a lost launch can't be found by its parameters: use exclusive=True in bulk runs",
    ),
    48: Line(
        "Do the jobs of a workflow have settings, and its triggers none?",
        ("workflow: settings of nodes",),
        "of jobs",
    ),
    49: Line("Whose ids do the nodes of a workflow have?", ("workflow: node ids",), "of their own kind"),
    51: Line("Is the rule of a trigger an object?", ("trigger: rule",), "object"),
    52: Line("Which types do triggers have?", ("triggers: types",), "NONE|SCHEDULED|EVENT"),
    59: Line(
        "What does a limit of 0 do?", _answers("jobs: limit 0", "triggers: limit 0"), "200 object|400 .*"
    ),
    61: Line(
        "Are local dates accepted, and a long period?",
        _answers("counts", "counts by day", "counts by day: long period"),
        "200 object|400 .*",
    ),
    62: Line("What are the settings of a job called?", ("job: settings",), "jobCondition"),
    63: Line(
        "Which statuses come?",
        (*_lists("statuses"), f"{_LAUNCH}states"),
        "READY|RUNNING|COMPLETED|FAILED|CANCELED",
        next="name a status that ends a run in PollPolicy(terminal_statuses=...)",
    ),
    64: Line(
        "Which status codes do reads and launches have?",
        (*_answers("run", "counts"), f"{_LAUNCH}answer"),
        "20[0-24] .*",
        silent="no answer",
    ),
    65: Line(
        "What answers an accepted cancel?",
        (f"{_LAUNCH}cancel of an ended run",),
        r"20\d (true|empty)",
        silent=r"[45]\d\d .*",
    ),
    66: Line(
        "Which forms do dates have?",
        (*_lists("dates"), *(f"{thing}: dates" for thing in _THINGS)),
        r"\d digits (no zone|Z|[+-]\d\d:\d\d)",
    ),
    67: Line("Is the last status of a job a word?", ("jobs: last statuses",), "[A-Z_]+"),
    68: Line(
        "Are members absent rather than null?",
        (*_lists("nulls"), *(f"{thing}: nulls" for thing in _THINGS)),
        "",
    ),
    69: Line("What is disabled?", ("jobs: disabled",), "true or false|text"),
    70: Line("When do the days of the dashboard begin?", ("counts by day: starts",), "00:00:0[01]"),
    71: Line("What does count count?", _lists("count"), "rows of the page|rows in all"),
    72: Line(
        "Which order and cap do lists have, and does page 1 follow page 0?",
        _lists("order", "cap", "page 1"),
        r".* first|no order|follows page 0|\d+",
        next="pages are counted from 1 there: `list` and bulk runs return every row all the same, page=0 and page=1 are the same rows",
    ),
    77: Line(
        "What does a read of a run in progress answer, and one right after its launch?",
        (*_answers("run in progress"), f"{_LAUNCH}first read"),
        "20[02] (object|empty)|404 service .*",
    ),
    78: Line("Is the running time of a run in minutes?", ("run: running time",), "minutes"),
    79: Line(
        "Is cancelling an ended run refused or without effect?",
        (f"{_LAUNCH}cancel of an ended run", f"{_LAUNCH}status after cancel"),
        r"[24]\d\d .*|unchanged",
    ),
    85: Line("Which shape do ids have?", _lists("ids"), "12 (letters and digits|digits|hex)"),
    86: Line("Do dates of runs have a zone?", ("runs: dates", "run: dates"), r"\d digits .*"),
    87: Line(
        "Is there a Date from the gateway itself, and does it agree with signatures?",
        ("headers: date", "headers: age", "headers: date against signatures"),
        "present|absent|agree",
    ),
    88: Line(
        "How soon does a run show in lists?",
        (f"{_LAUNCH}found after", f"{_LAUNCH}listed after"),
        r"at once|\d{1,2} s|1[01]\d s",
        next="give bulk runs a longer settle=, beyond the time that was seen",
    ),
    89: Line(
        "Does a job name its last run, listed or not?",
        ("runs: last run",),
        "listed|not listed",
        next="an empty list proves nothing there: a lost launch stays UNCERTAIN unless its parameters identify it",
    ),
    90: Line("How far are dates from the time of a launch?", (f"{_LAUNCH}date off",), "0 h"),
    91: Line(
        "Does a run echo its parameters once it is RUNNING, or sooner?",
        (f"{_LAUNCH}parameters",),
        "at once|once running",
    ),
    92: Line("Do only gateway and service answer?", ("redirected",), ""),
    93: Line(
        "Does nobody in between refuse reads?", _answers(*_ERRORS), r"\d+ (service|gateway|standardized) .*"
    ),
    94: Line("Are dates texts?", _lists("dates"), r"\d digits .*"),
    96: Line(
        "Are errors those from before the standardized API?", _answers(*_ERRORS), r"\d+ (?!standardized).*"
    ),
    97: Line(
        "Does a success carry an error?", _answers("counts", "run", "times"), r"(?!2\d\d (error|false)).*"
    ),
    98: Line(
        "Are idle connections kept for as long as a launch may rely on, and do answers name what was asked for?",
        ("connection: kept idle", "ids of things"),
        r"open after .*|closed after an answer|closed within ([3-9]|\d{2,})(\.\d+)? s|data came .*|as asked",
        next="use DataFlow(max_idle=0): then each launch has a connection of its own",
    ),
}
"""The rulings that a probe can say something about."""

_CHANGES = "only a call that creates, changes or deletes something would show it"
_KEYS = "it is about where this program finds keys; the service can't be asked"
_OURS = "it decides what the client does; no answer of the service could refute it"
NOT_ASKED: dict[int, str] = {
    2: "calls that do not exist can't be listed; the probe uses those that read",
    3: "the call that would prove it changes a trigger",
    6: _CHANGES,
    7: _CHANGES,
    8: "it needs an account of another region; give its address with --url",
    23: "no question brings a text in HTML about for certain",
    26: "a quota or rate limit would have to be used up; a slow probe does not meet them",
    28: "the outage of an endpoint can't be brought about",
    29: _CHANGES,
    31: _CHANGES,
    34: _CHANGES,
    36: _CHANGES,
    37: "a draft would have to be sent; verifyJob is no GET",
    38: _CHANGES,
    41: _CHANGES,
    42: _CHANGES,
    43: "it would start further runs with other settings; --with-runs starts one, as it is stored",
    45: "it would start a run that belongs to a trigger",
    46: _CHANGES,
    47: "it would start as many runs as a job may have, and one more",
    50: "the workflows that exist show what was made, not what would be refused",
    53: _CHANGES,
    54: _CHANGES,
    55: _CHANGES,
    56: _CHANGES,
    57: _CHANGES,
    58: _CHANGES,
    60: "a filter that works and one that is ignored look alike where all rows belong to one workflow",
    73: "a member that no page names would have to be guessed and sent with a launch",
    74: "it would start a workflow, with all its jobs",
    75: "it would start a workflow, with all its jobs",
    76: "it would start a workflow, with all its jobs",
    80: _KEYS,
    81: _KEYS,
    82: _KEYS,
    83: _KEYS,
    84: _KEYS,
    95: "a second key of the account would be needed",
    99: _OURS,
    100: "a job would have to run that may lose what it reads",
}
"""The other rulings, each with the reason why a probe does not answer it."""
