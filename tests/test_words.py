"""Shipped text and the names of tests use the field's words: those of an earlier, private vocabulary are refused."""

import ast
import re

import pytest

from tests.support.findings import ROOT, assert_none

REFUSED = {
    "weather": "fault",
    **dict.fromkeys(("storm", "storms", "strike", "strikes"), "injected fault"),
    "agenda": "due queue",
    **dict.fromkeys(("watchlist", "watched"), "polled job, polled run"),
    "itinerary": "page planner",
    "company": "co-due runs",
    **dict.fromkeys(("bell", "bells", "ring", "rings", "rang"), "event, notify"),
    **dict.fromkeys(("seat", "seats"), "index"),
    **dict.fromkeys(("hire", "hires", "hired"), "spawn worker"),
    "parked": "idle",
    **dict.fromkeys(("taker", "takers"), "pending consumer"),
    **dict.fromkeys(("gate", "gates"), "concurrency limiter"),
    **dict.fromkeys(("room", "rooms"), "capacity; of modules: package"),
    **dict.fromkeys(("course", "courses"), "call state; launch pipeline"),
    **dict.fromkeys(("cure", "cures", "cured"), "auth recovery"),
    **dict.fromkeys(("trial", "trials"), "candidate offset"),
    **dict.fromkeys(("engine", "engines"), "worker pool"),
    **dict.fromkeys(("crew", "crews"), "run context"),
    **dict.fromkeys(("door", "doors", "shut"), "launches in flight"),
    **dict.fromkeys(("terms", "agreed"), "options"),
    **dict.fromkeys(("tally", "tallies"), "progress"),
    "drawn": "submitted",
    **dict.fromkeys(("verdict", "verdicts"), "reconciliation result"),
    **dict.fromkeys(("doubt", "doubts", "doubted", "doubtful"), "uncertain"),
    "hazy": "undated",
    "keyring": "launch keys",
    **dict.fromkeys(("ledger", "ledgers"), "journal store"),
    **dict.fromkeys(("book", "books", "booked"), "record, register"),
    **dict.fromkeys(("fate", "fates"), "lifecycle settings"),
    **dict.fromkeys(("sight", "sights"), "page model"),
    "said": "reported",
    **dict.fromkeys(("judge", "judges", "judged"), "check, classify"),
    **dict.fromkeys(("heal", "heals", "healed"), "recoverable"),
    "patience": "time-out",
    "silence": "failing since",
    "told": "logged, reported",
    **dict.fromkeys(("hint", "hints"), "Retry-After"),
    **dict.fromkeys(("wants", "knows", "asks"), "software does not want, know or ask: say what it does"),
}
"""Words refused in names, comments, strings and pages, each with what the field says."""
REFUSED_AS_NAMES = {
    **dict.fromkeys(("look", "looks", "looked"), "poll"),
    **dict.fromkeys(("caller", "callers"), "call pipeline"),
    **dict.fromkeys(("cut", "cuts"), "decrease"),
    "left": "remaining; closed early",
    "wanted": "lost launch; expected",
    "inside": "launches in flight",
    **dict.fromkeys(("life", "lives"), "run lifecycle"),
    "handles": "test controls",
}
"""Words that plain English needs: refused in names that a module defines."""
PHRASES = {
    r"\b(?:a|the|one|no|first|last|each|every|next|per|oldest) looks?\b": "poll, fetch",
    r"\bin the air\b": "in flight",
    r"\bse(?:e|es|en) through\b": "completed (shielded)",
    r"\bsees? \w+ through\b": "completed (shielded)",
    r"\blets? (?:\w+ )?go\b": "released",
    r"\bg[ai]ven? up\b": "cancelled",
    r"\bstands? up\b": "unsubscribe",
    r"\bslots? taken\b": "acquired",
    r"\bkey ring\b": "launch keys",
    r"\btells? whether\b": "return whether",
}
PLAIN = re.compile(
    r"\b(?:of course|in (?:the|due) course(?: of)?|type hints?|in terms of|make room|key ?ring)\b",
    re.IGNORECASE,
)
"""Ordinary uses, wherever they stand."""
SIDE = "a side of a join, by the wire's name"
PUBLIC = "PollStats.watched is public"
ALLOWED: dict[str, dict[str, str]] = {
    "benchmarks/waiting.py": {"watched": PUBLIC},
    "dataflow_async/models/nodes/parts.py": {"left_field": SIDE},
    "dataflow_async/models/nodes/transforms.py": {"left_node_id": SIDE},
    "dataflow_async/polling/stats.py": {"watched": PUBLIC},
    "dataflow_async/polling/tracker.py": {"watched": PUBLIC},
}
"""Ordinary or technical uses of single files: word and reason."""

WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "benchmarks").rglob("*.md")]
TEXTS = {".md", ".yaml", ".json", ".js", ".css", ".svg"}
SHIPPED = [
    *(ROOT / "dataflow_async").rglob("*.py"),
    *(ROOT / "benchmarks").rglob("*.py"),
    ROOT / "docs" / "conf.py",
    *(ROOT / ".ci").iterdir(),
    *(path for path in (ROOT / "dataflow_async").rglob("*") if path.suffix in TEXTS),
]
TESTS = [path for path in (ROOT / "tests").rglob("*.py") if path.name != "test_words.py"]


def words(text):
    """The words of a text; the parts of a name in snake_case or CamelCase are words too."""
    return [word.lower() for word in WORD.findall(text)]


def defined(tree):
    """The names that a module defines, each with its line."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, node.lineno
        elif isinstance(node, ast.arg):
            yield node.arg, node.lineno
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id, node.lineno
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.attr, node.lineno


def in_text(text):
    """Refused words and phrases with their lines."""
    for number, line in enumerate(text.splitlines(), 1):
        plain = PLAIN.sub("", line)
        for word in words(plain):
            if word in REFUSED:
                yield number, word, REFUSED[word]
        for phrase, better in PHRASES.items():
            if found := re.search(phrase, plain, re.IGNORECASE):
                yield number, found[0], better


def in_names(names, refused):
    for name, number in names:
        for word in words(name):
            if word in refused:
                yield number, name, refused[word]


def in_file(path):
    """What is refused in a file: line, word, what the field says."""
    text = path.read_text("utf-8")
    if path in TESTS:
        tree = ast.parse(text)
        heads = (
            node
            for node in ast.walk(tree)
            if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        )
        names = [(path.stem, 1), *((node.name, node.lineno) for node in heads)]
        yield from in_names(names, REFUSED)
        return
    yield from in_text(text)
    if path.suffix == ".py":
        yield from in_names(defined(ast.parse(text)), REFUSED_AS_NAMES)


def findings():
    """The lines to mend of every file that has any."""
    found = {}
    for path in (*PAGES, *SHIPPED, *TESTS):
        name = path.relative_to(ROOT).as_posix()
        allowed = ALLOWED.get(name, {})
        if lines := [
            f"{name}:{number}: {word!r}, say {better!r}"
            for number, word, better in in_file(path)
            if word not in allowed
        ]:
            found[name] = lines
    return found


def test_shipped_text_and_test_names_use_the_words_of_the_field():
    assert_none(findings())


def test_an_allowed_word_is_still_used_there():
    for name, allowed in ALLOWED.items():
        assert set(allowed) <= {word for _, word, _ in in_file(ROOT / name)}, name


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("class RunWeather:", ["weather"]),
        ("self._storms = 1", ["storms"]),
        ("The launch is let go.", ["let go"]),
        ("of course the gateway", []),
        ("a type hint", []),
        ("def first_look(): a last look", ["last look"]),
    ],
)
def test_a_refused_word_is_found(text, found):
    assert [word for _, word, _ in in_text(text)] == found


def test_a_name_is_taken_apart():
    tree = ast.parse("class LastLook:\n    def f(self, caller_id): self._cut, lefty = 1, 2")
    assert {name for _, name, _ in in_names(defined(tree), REFUSED_AS_NAMES)} == {
        "LastLook",
        "caller_id",
        "_cut",
    }
