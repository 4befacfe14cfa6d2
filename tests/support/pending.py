"""What a check does not hold for yet, by area: tests/pending/AREA.txt, one ``check path`` a line.

A file that has become clean must leave its list, so the lists only shrink; ``python tests/support/pending.py`` removes what
is clean and prints what is open, also for single files and folders: ``python tests/support/pending.py dataflow_async/wire``.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "tests" / "pending"


def pending(check: str) -> set[str]:
    """Return the files, named from the top of the checkout, that a check skips."""
    lines = [line.split() for path in FOLDER.glob("*.txt") for line in path.read_text("utf-8").splitlines()]
    return {path for name, path in lines if name == check}


def area(path: str) -> str:
    """Return the list that a file of the checkout belongs to: its room, or ``top``."""
    parts = path.split("/")[1:-1]
    if parts[:2] in (["bulk", "journal"], ["bulk", "reconcile"]):
        return "-".join(parts[:2])
    return parts[0] if parts and path.startswith(("dataflow_async/", "tests/")) else "top"


def assert_clean_but_pending(check: str, findings: dict[str, list[str]], *, start: str = "") -> None:
    """Fail on findings in files that are not pending, and on pending files without findings."""
    skipped = {path for path in pending(check) if path.startswith(start)}
    open_ = [line for path, lines in findings.items() if path not in skipped for line in lines]
    assert not open_, "\n" + "\n".join(open_)
    clean = skipped - {path for path, lines in findings.items() if lines}
    assert not clean, (
        f"clean by now, take them from tests/pending (python tests/support/pending.py): {sorted(clean)}"
    )


def _main(chosen: list[str]) -> None:
    sys.path.insert(0, str(ROOT))
    from tests import test_defaults, test_layout, test_words

    known = {
        "words": test_words.findings(),
        "numbers": test_defaults.findings(),
        **test_layout.all_findings(),
    }
    for path in FOLDER.glob("*.txt"):
        lines = [line.split() for line in path.read_text("utf-8").splitlines()]
        left = [f"{check} {name}\n" for check, name in lines if known[check].get(name)]
        if left:
            path.write_text("".join(left), "utf-8")
        else:
            path.unlink()
    for check, found in known.items():
        for name, lines in sorted(found.items()):
            if any(name.startswith(start) for start in chosen or [""]):
                print(*(f"{check}: {line}" for line in lines), sep="\n")


if __name__ == "__main__":
    _main(sys.argv[1:])
