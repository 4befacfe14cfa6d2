"""What the answers of a probe show, as a flat mapping from names to small values.

A value is a shape (`shapes`), a number, a list of words, or None where the answers do not show it. No text of the account is
in it: it is what a report holds, and what an emulator is made from.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from dataflow_async import defaults
from dataflow_async.probe import shapes
from dataflow_async.probe.exchange import Exchange
from dataflow_async.probe.questions import JOBS, LISTINGS, RUNS, TRIGGERS, Listing, path_part
from dataflow_async.probe.words import MEMBERS
from dataflow_async.wire.headers import http_date

_SECONDS = re.compile(r"[0-9]{1,9}")
Fact = int | str | list[str] | None
Facts = dict[str, Fact]
Exchanges = Mapping[str, Exchange]
DATES = ("createdDate", "updatedDate", "startDate", "endDate", "lastExecutionDate")
SETTINGS = ("jobCondition", "runCondition", "runCondtion")
THINGS = {"job": "jobs", "run": "runs", "workflow": "workflows", "trigger": "triggers"}
"""Single things, and the list that each is a row of."""
NAMES_OF_IDS = {listing.name: listing.id_name for listing in LISTINGS}
LIST_FACTS = (
    *("envelope", "rows", "count", "cap", "order", "page 1"),
    *("dates", "ids", "members", "nulls", "statuses", "types"),
)
HEADER_FACTS = (
    *("headers: content types", "headers: trace", "headers: date", "headers: age", "headers: retry-after"),
    *("connection", "redirected", "throttled"),
)
REFUSED = (
    *("unknown path", "unknown job", "unknown run", "unknown workflow", "unknown trigger"),
    *("page that is no number", "jobs: limit 0", "triggers: limit 0", "query to encode"),
    *("no signature", "wrong signature"),
    *("counts", "counts by day", "counts by day: long period", "times", "times: newer path"),
)
"""Questions of whose answer the report holds the shape."""


def observe(exchanges: Exchanges) -> Facts:
    """Return everything that the answers show."""
    facts: Facts = {}
    for listing in LISTINGS:
        facts |= _list(exchanges, listing)
    for thing in THINGS:
        facts |= _thing(exchanges, thing)
    facts |= {f"answer: {name}": shapes.answer(exchanges.get(name)) for name in REFUSED}
    facts |= _jobs(exchanges) | _run(exchanges) | _nodes(exchanges)
    facts["members: unknown"] = _unknown_members(facts)
    facts["headers: date against signatures"] = _date_against_signature(exchanges.get(JOBS.name))
    facts |= _dashboard(exchanges) | _signature(exchanges) | _headers(exchanges.values())
    return facts


# --- lists -------------------------------------------------------------------------------------------------


def _list(exchanges: Exchanges, listing: Listing) -> Facts:
    """Return the facts of one list."""
    whole = exchanges.get(listing.name)
    facts: Facts = dict.fromkeys(LIST_FACTS)
    if whole is not None and whole.is_success:
        rows = whole.rows
        facts |= {"envelope": _envelope(whole), "rows": min(len(rows), defaults.PROBE_SMALL_PAGE + 1)}
        if rows:
            facts |= {
                "count": _count(exchanges, listing),
                "cap": _cap(exchanges, listing),
                "order": _order(rows),
                "page 1": _second_page(exchanges, listing),
                "dates": _dates(rows),
                "ids": shapes.identifiers([row.get(listing.id_name) for row in rows]),
                "members": _members(rows),
                "nulls": _nulls(rows),
                "statuses": _constants(rows, "status"),
                "types": _constants(rows, "type"),
            }
    return {f"{listing.name}: {name}": value for name, value in facts.items()}


def _envelope(exchange: Exchange) -> str:
    """Return the members around the rows."""
    return ", ".join(sorted({shapes.member(name) for name in exchange.members})) or shapes.success(exchange)


def _count(exchanges: Exchanges, listing: Listing) -> str | None:
    small = exchanges.get(f"{listing.name}: small page")
    if small is None or not small.is_success:
        return None
    if "count" not in small.members:
        return "absent"
    given, shown, known = small.members["count"], len(small.rows), len(exchanges[listing.name].rows)
    if shown == known:
        return None
    if given == shown:
        return "rows of the page"
    return "rows in all" if isinstance(given, int) and given >= known else shapes.OTHER


def _cap(exchanges: Exchanges, listing: Listing) -> int | None:
    """Return the most rows of a page, if the service shows fewer than asked for and has more."""
    shown, after = len(exchanges[listing.name].rows), exchanges.get(f"{listing.name}: next page")
    has_more = after is not None and after.is_success and bool(_new_rows(exchanges, listing, after))
    return shown if has_more and shown < defaults.PROBE_PAGE else None


def _new_rows(exchanges: Exchanges, listing: Listing, page: Exchange) -> set[str]:
    known = {str(row.get(listing.id_name)) for row in exchanges[listing.name].rows}
    return {str(row.get(listing.id_name)) for row in page.rows} - known


def _second_page(exchanges: Exchanges, listing: Listing) -> str | None:
    """Return whether page 1 follows page 0 or repeats it."""
    pages = [exchanges.get(f"{listing.name}: {which}") for which in ("small page", "second small page")]
    first, second = ([row.get(listing.id_name) for row in page.rows] if page else [] for page in pages)
    if not first or not second:
        return None
    return "repeats page 0" if first == second else "follows page 0"


def _order(rows: Sequence[Mapping[str, Any]]) -> str | None:
    return shapes.direction([shapes.moment(row.get("createdDate")) for row in rows])


# --- members -----------------------------------------------------------------------------------------------


def _members(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    return sorted({shapes.member(name) for row in rows for name in row})


def _unknown_members(facts: Facts) -> list[str] | None:
    """Return the members that the contract does not name, whatever they belong to; None where none were seen at all."""
    seen = [facts.get(f"{name}: members") for name in (*THINGS, *(it.name for it in LISTINGS))]
    names = {name for members in seen if isinstance(members, list) for name in members}
    return sorted(names - MEMBERS) if names else None


def _nulls(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    return sorted({shapes.member(name) for row in rows for name, value in row.items() if value is None})


def _constants(rows: Iterable[Mapping[str, Any]], name: str) -> list[str] | None:
    return sorted({shapes.constant(row[name]) for row in rows if row.get(name) is not None}) or None


def _dates(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    values = (row[name] for row in rows for name in DATES if row.get(name) is not None)
    return sorted({shapes.date(value) for value in values})


def _thing(exchanges: Exchanges, thing: str) -> Facts:
    """Return the facts of one thing read by its id."""
    exchange = exchanges.get(thing)
    facts: Facts = {f"{thing}: {name}": None for name in ("members", "nulls", "dates")}
    if exchange is not None and exchange.is_success and exchange.members:
        rows = [exchange.members]
        facts = {
            f"{thing}: members": _members(rows),
            f"{thing}: nulls": _nulls(rows),
            f"{thing}: dates": _dates(rows),
        }
    return facts


def _jobs(exchanges: Exchanges) -> Facts:
    """Return the facts of members whose meaning is uncertain."""
    listed, job = exchanges.get(JOBS.name), exchanges.get("job")
    rows = listed.rows if listed else []
    name = next((name for name in SETTINGS if job is not None and name in job.members), None)
    settings = job.members[name] if job is not None and name is not None else None
    return {
        "jobs: last statuses": _constants(rows, "lastExecutionStatus"),
        "jobs: disabled": sorted({_kind(row["disabled"]) for row in rows if "disabled" in row}) or None,
        "job: settings": name,
        "job: settings members": _members([settings]) if isinstance(settings, dict) else None,
    }


def _kind(value: object) -> str:
    kinds = {
        bool: "true or false",
        str: "text",
        int: "number",
        float: "number",
        dict: "object",
        list: "array",
    }
    return kinds.get(type(value), "null")


def _run(exchanges: Exchanges) -> Facts:
    run, going = exchanges.get("run"), exchanges.get("run in progress")
    return {
        "answer: jobs": shapes.answer(exchanges.get("jobs")),
        "answer: job": shapes.answer(exchanges.get("job")),
        "answer: run": shapes.answer(run),
        "answer: run in progress": shapes.answer(going),
        "run: parameters": _echo(run),
        "run: running time": _running_time(run),
        "runs: last run": _last_run(exchanges),
        "ids of things": _same_ids(exchanges),
    }


def _nodes(exchanges: Exchanges) -> Facts:
    """Return what the nodes of a workflow show: their members, and whose ids they have."""
    workflow, trigger = exchanges.get("workflow"), exchanges.get("trigger")
    nodes = workflow.members.get("nodes") if workflow else None
    rows = [node for node in nodes if isinstance(node, dict)] if isinstance(nodes, list) else []
    of = {kind: [node for node in rows if node.get("type") == kind] for kind in ("JOB", "TRIGGER")}
    rule = trigger.members.get("triggerRule") if trigger else None
    return {
        "workflow: job node": _members(of["JOB"]) or None,
        "workflow: trigger node": _members(of["TRIGGER"]) or None,
        "workflow: settings of nodes": _settings_of_nodes(of),
        "workflow: node ids": _node_ids(exchanges, of),
        "trigger: rule": None if rule is None else _kind(rule),
    }


def _settings_of_nodes(nodes: Mapping[str, Sequence[Mapping[str, Any]]]) -> str | None:
    """Return which nodes of a workflow have settings of a job."""
    if not any(nodes.values()):
        return None
    kinds = [kind for kind, several in nodes.items() if any("jobCondition" in node for node in several)]
    return {"JOB": "of jobs", "TRIGGER": "of triggers", "JOB TRIGGER": "of both"}.get(
        " ".join(kinds), "of none"
    )


def _node_ids(exchanges: Exchanges, nodes: Mapping[str, Sequence[Mapping[str, Any]]]) -> str | None:
    known = {}
    for kind, listing in (("JOB", JOBS), ("TRIGGER", TRIGGERS)):
        listed = exchanges.get(listing.name)
        known[kind] = (
            {str(row[listing.id_name]) for row in listed.rows if row.get(listing.id_name)}
            if listed
            else set()
        )
    other = {"JOB": "TRIGGER", "TRIGGER": "JOB"}
    ids = [(kind, str(node.get("id"))) for kind, several in nodes.items() for node in several]
    if any(node_id in known[other[kind]] for kind, node_id in ids):
        return "swapped"
    return "of their own kind" if any(node_id in known[kind] for kind, node_id in ids) else None


def _running_time(run: Exchange | None) -> str | None:
    """Return the unit of a run's time: the only one in which it fits the dates of start and end, to one unit."""
    if run is None:
        return None
    value, start, end = (run.members.get(name) for name in ("runningTime", "startDate", "endDate"))
    began, ended = shapes.moment(start), shapes.moment(end)
    if began is None or ended is None or value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < shapes.LATEST:
        return shapes.OTHER
    units = {"minutes": 60.0, "seconds": 1.0, "milliseconds": 0.001}
    fitting = [name for name, unit in units.items() if abs(value * unit - (ended - began)) <= max(unit, 1.0)]
    if len(fitting) == 1:
        return fitting[0]
    return None if fitting else shapes.OTHER


def _last_run(exchanges: Exchanges) -> str | None:
    """Return whether the list of a job's runs holds the run that the job names as its last one."""
    jobs, runs = exchanges.get(JOBS.name), exchanges.get(RUNS.name)
    if jobs is None or runs is None or not runs.is_success:
        return None
    parts = runs.question.path.split("/")
    job = next((row for row in jobs.rows if path_part(row.get(JOBS.id_name)) in parts), {})
    last = shapes.moment(job.get("lastExecutionDate"))
    dates = [shapes.moment(row.get("createdDate")) for row in runs.rows]
    known = [date for date in dates if date is not None]
    if len(known) < len(dates) or (last is None and not dates):
        return None
    if last is None:
        return "not named"
    return "listed" if known and max(known) >= last - 1 else "not listed"


def _same_ids(exchanges: Exchanges) -> str | None:
    """Return whether things have the ids by which they were read."""
    seen = set()
    for thing, listing in THINGS.items():
        exchange = exchanges.get(thing)
        own = (
            exchange.members.get(NAMES_OF_IDS[listing])
            if exchange is not None and exchange.is_success
            else None
        )
        if exchange is not None and own is not None:
            seen.add(exchange.question.path.endswith(f"/{path_part(own)}"))
    return None if not seen else "as asked" if all(seen) else "of another"


def _echo(run: Exchange | None) -> str | None:
    if run is None or not run.members:
        return None
    echoed = run.members.get("parsedParameters")
    if not isinstance(echoed, dict):
        return "absent"
    return "echoed" if echoed else "empty"


# --- the rest ----------------------------------------------------------------------------------------------


def _dashboard(exchanges: Exchanges) -> Facts:
    days = exchanges.get("counts by day")
    rows = days.rows if days is not None and days.is_success else []
    starts = [str(row.get("startDate"))[11:19] for row in rows]
    known = {"00:00:00", "00:00:01"}
    return {"counts by day: starts": sorted({it if it in known else shapes.OTHER for it in starts}) or None}


def _signature(exchanges: Exchanges) -> Facts:
    asked = {offset: exchanges.get(f"signed {offset:+.0f} s") for offset in defaults.PROBE_OFFSETS}
    accepted = [f"{offset:+.0f} s" for offset, it in asked.items() if it is not None and it.is_success]
    refused = Counter(
        shapes.answer(it) for it in asked.values() if it is not None and it.status and not it.is_success
    )
    return {
        "signature: checked": _is_checked(exchanges),
        "paths: distinguished": _is_distinguished(exchanges.get("unknown path")),
        "signature: accepted": ", ".join(accepted) or ("only the present" if refused else None),
        "answer: stale signature": refused.most_common(1)[0][0] if refused else None,
    }


def _is_checked(exchanges: Exchanges) -> str | None:
    """Return whether the right signature is accepted and a wrong one refused; else an accepted one shows nothing."""
    right, wrong = exchanges.get(JOBS.name), exchanges.get("wrong signature")
    if right is None or wrong is None or not right.is_success or not wrong.status:
        return None
    return "no" if wrong.is_success else "yes"


def _is_distinguished(unknown: Exchange | None) -> str | None:
    """Return whether a path that is not there is refused; else an answer to another one shows nothing."""
    if unknown is None or not unknown.status:
        return None
    return "no" if unknown.is_success else "yes"


def _headers(exchanges: Iterable[Exchange]) -> Facts:
    answered = [it for it in exchanges if it.status]
    if not answered:
        return dict.fromkeys(HEADER_FACTS)
    well = [it for it in answered if it.is_success]
    traces = {shapes.header(name) for it in answered for name in it.headers if _is_trace(name)}
    types = {shapes.content_type(it.headers["content-type"]) for it in well if "content-type" in it.headers}
    redirected = sorted(it.question.name for it in answered if 300 <= it.status < 400)
    return {
        "headers: content types": sorted(types),
        "headers: trace": sorted(traces),
        "headers: date": _date_header(well),
        "headers: age": "present" if any("age" in it.headers for it in well) else "absent",
        "headers: retry-after": _retry_after(answered),
        "connection": _connection(answered),
        "redirected": redirected,
        "throttled": "yes" if any(it.status == 429 or it.repeats for it in answered) else "no",
    }


def _date_against_signature(exchange: Exchange | None) -> str | None:
    """Return whether the ``Date`` of an accepted request agrees with the time in its signature."""
    if exchange is None or not exchange.is_success or not exchange.signed_at:
        return None
    date = http_date(exchange.headers.get("date"))
    if date is None:
        return None
    return "agree" if abs(date - exchange.signed_at) < defaults.PROBE_WINDOW else "differ"


def _is_trace(name: str) -> bool:
    return name.startswith("x-") and name.endswith(("request-id", "trace-id"))


def _date_header(answers: Sequence[Exchange]) -> str:
    return "present" if any("date" in it.headers for it in answers) else "absent"


def _connection(answers: Sequence[Exchange]) -> str:
    """Return what the service announces about its connections."""
    if any("close" in it.headers.get("connection", "").lower() for it in answers):
        return "closed after an answer"
    seconds = announced(answers)
    return "kept open" if seconds is None else f"kept open for {seconds} s"


def announced(answers: Iterable[Exchange]) -> int | None:
    """Return the seconds for which the service says that it keeps idle connections."""
    for it in answers:
        for part in it.headers.get("keep-alive", "").split(","):
            name, _, value = part.strip().partition("=")
            if name.lower() == "timeout" and _SECONDS.fullmatch(value):
                return int(value)
    return None


def _retry_after(answers: Sequence[Exchange]) -> str | None:
    """Return the form of a ``Retry-After``; None if nothing was throttled."""
    for it in answers:
        text = it.retry_after or it.headers.get("retry-after")
        if text:
            is_date = http_date(text) is not None
            return "seconds" if _SECONDS.fullmatch(text.strip()) else "date" if is_date else shapes.OTHER
    return "absent" if any(it.repeats or it.status in {429, 503} for it in answers) else None
