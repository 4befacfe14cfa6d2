"""Facts of a report that an emulator made from it shows otherwise, each with the reason."""

import re

from dataflow_async.emulator.likeness import Likeness

GAPS: tuple[tuple[str, str, str], ...] = (
    (r"throttled", "yes", 'rate limits are injected by a test: `faults="429 410"`'),
    (r"headers: retry-after", ".*", 'rate limits are injected by a test: `faults="429 410"`'),
    (r"headers: date", "absent", "the HTTP server always writes a Date"),
    (r"headers: trace", r"(?!((^|, )(x-[\w-]+|other))*$).*", "trace headers begin with x-"),
    (r"headers: content types", r".*, .*, .*, .*", "at most three types are dealt out to calls"),
    (r"connection: kept idle", "data came .*", "nothing is sent that was not asked for"),
    (r"signature: checked", "no", "signatures are always checked"),
    (
        r"signature: accepted",
        r"(?!only the present$|-240 s, \+240 s$|-600 s, -240 s, \+240 s, \+600 s$).*",
        "the window of signatures is symmetric",
    ),
    (r"ids of things", "of another", "things have their own ids"),
    (r".*: ids", r".*(number|\b[123] |\d{3} |\b(6[5-9]|[789]\d) ).*", "ids are texts of 4 to 64 characters"),
    (r".*: dates", r".*[+-](?!0[09]:?00).*", "zones are those of UTC and of Korea"),
    (r".*: envelope", "object|true|false|other|error|empty|text", "a list has rows"),
    (r".*: (statuses|types|last statuses)", r"|, .*|.*, |.*, , .*", "a status and a type are not empty"),
    (r"runs: last run", "not listed", "every run is listed"),
    (
        r"answer: (jobs|query to encode)",
        r"(?!200 object$|200 array$).*",
        "a list that is refused shows nothing else",
    ),
    (r"answer: run", "(?!200 object$).*", "a run is readable"),
    (r"answer: run in progress", "(?!20[02] object$).*", "a run is readable"),
    (r"answer: (wrong|stale) signature", ".*", "all refusals of signatures are like that of a missing one"),
    (
        r"answer: .*",
        r".* other.*|\d{3} (other|text)",
        "codes that do not have the form of one are left out of reports",
    ),
    (r"launch: answer", "(?!20[012] object$).*", "a launch is accepted"),
    (
        r"launch: first read",
        "(?!(20[02] object|404 service not-found)$).*",
        "a new run is readable, or not found yet",
    ),
    (r"launch: states", "(?!READY, RUNNING, COMPLETED$).*", "a new run is READY, RUNNING, then COMPLETED"),
    (r"launch: (found|listed) after", "not within .*", "every run is listed"),
    (r"launch: status after cancel", "changed", "an ended run stays as it is"),
)
"""Pattern of the fact, pattern of its value (a list is joined by commas), and the reason."""
_DEPENDENT = {
    "answer: run": r"run: .*|answer: run in progress|runs: last run",
    "signature: accepted": "answer: stale signature",
    "answer: times: newer path": "redirected",
    "answer: counts by day: long period": "redirected",
}
"""Patterns of facts that change with another one."""


def not_imitated(likeness: Likeness) -> dict[str, str]:
    """Return the facts of a report that an emulator made from it shows otherwise, each with the reason."""
    found = {
        name: why for name in likeness.facts if (why := _gap(likeness, name) or _conflict(likeness, name))
    }
    for name, pattern in _DEPENDENT.items():
        if name in found:
            found |= {
                it: found[name] for it in likeness.facts if re.fullmatch(pattern, it) and it not in found
            }
    return found


def _gap(likeness: Likeness, name: str) -> str:
    """Return why a value is not imitated; empty if it is."""
    value = likeness.facts[name]
    if value is None or ("signature" in name and value == likeness.facts.get("answer: no signature")):
        return ""
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    matches = (why for fact, values, why in GAPS if re.fullmatch(fact, name) and re.fullmatch(values, text))
    return next(matches, "")


def _conflict(likeness: Likeness, name: str) -> str:
    """Return why a value is not imitated beside another one: the emulator answers both by one rule."""
    value, other = likeness.word(name), ""
    if name == "answer: times: newer path":
        other = likeness.word("answer: times" if likeness.aliases else "answer: unknown path")
        is_moved = likeness.aliases and not other.startswith("2")
        return "" if is_moved and value == "200 object" else _unlike(value, other, "the paths of the times")
    if name == "answer: times" and likeness.aliases and not value.startswith("2"):
        return _unlike(value, likeness.word("answer: unknown path"), "paths that do not exist")
    if name == "answer: counts by day: long period" and not likeness.word("answer: counts by day").startswith(
        "200 object"
    ):
        return _unlike(value, likeness.word("answer: counts by day"), "periods")
    if name == "counts by day: starts":
        is_like_ours = likeness.word("answer: counts by day") in {"", "200 object"}
        return "" if is_like_ours or not likeness.words(name) else "an answer of another form has no rows"
    if (
        name.endswith(": count")
        and value == "absent"
        and "count" in likeness.word(name.replace(": count", ": envelope"))
    ):
        return "a list has a count on every page or on none"
    return ""


def _unlike(value: str, other: str, what: str) -> str:
    return f"{what} are answered alike" if value and value != other else ""
