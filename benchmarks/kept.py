"""The instructions that the repository keeps in ``instructions.json``, what they were counted with, and what has risen since."""

import json
import platform
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

import attrs

KEPT = Path(__file__).with_name("instructions.json")
LIMIT = 1.2
"""What takes more than this share of its kept figure, beyond what its rival has risen by, is a regression."""
LIBRARIES = ("aiohttp", "attrs", "cattrs", "msgspec", "multidict", "orjson", "rich", "typer", "yarl")
ABSENT = "absent"

Figures = Mapping[str, Mapping[str, float]]
"""Instructions of one unit of work, by benchmark and by what did it."""
Rivals = Mapping[str, Mapping[str, str]]
"""What each figure stands against, by benchmark and name: a rival without our code, or the empty text for none."""


@attrs.frozen
class Kept:
    """Figures, and the versions that they were counted with."""

    versions: Mapping[str, str]
    figures: Figures

    @classmethod
    def read(cls, path: Path = KEPT) -> "Kept":
        """Read what the repository keeps."""
        return cls(**json.loads(path.read_text("utf-8")))

    def write(self, path: Path = KEPT) -> None:
        """Write it."""
        rounded = {
            name: {each: round(value) for each, value in rows.items()} for name, rows in self.figures.items()
        }
        whole = {"versions": dict(self.versions), "figures": rounded}
        path.write_text(json.dumps(whole, indent=2, sort_keys=True) + "\n", "utf-8")


def versions() -> dict[str, str]:
    """What decides how many instructions the same code takes, as far as it is known here."""
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return {
        "machine": platform.machine(),
        "python": python,
        **{library: _version(library) for library in LIBRARIES},
    }


def _version(library: str) -> str:
    try:
        return metadata.version(library)
    except metadata.PackageNotFoundError:
        return ABSENT


def differences(kept: Mapping[str, str], here: Mapping[str, str]) -> list[str]:
    """Name every version that is another one than the figures were kept with."""
    return [
        f"{name} {here.get(name, ABSENT)} (kept with {kept.get(name, ABSENT)})"
        for name in sorted({*kept, *here})
        if kept.get(name) != here.get(name)
    ]


def incomparable(kept: Mapping[str, str], here: Mapping[str, str]) -> str:
    """Why figures cannot be compared; empty where they can.

    Another release of a library or of the same Python can: what it costs shows in the rivals, which have nothing of ours.
    """

    def kind(versions: Mapping[str, str]) -> dict[str, str]:
        minor = versions["python"].rpartition(".")[0]
        absent = {name: ABSENT for name in LIBRARIES if versions.get(name, ABSENT) == ABSENT}
        return {**absent, "machine": versions["machine"], "python": minor}

    return "; ".join(differences(kind(kept), kind(here)))


def regressions(kept: Figures, now: Figures, rivals: Rivals) -> list[str]:
    """Name what takes more than `LIMIT` of its kept figure: the figure, what is kept, what it is now, and by how much it rose.

    Where the rival of a figure rose as well, the libraries did, and this share of the rise is not ours. Figures that are new
    have nothing to rise from.
    """
    found = []
    for benchmark, rows in now.items():
        before = kept.get(benchmark, {})
        for name, each in rows.items():
            old, rival = before.get(name), rivals[benchmark][name]
            if not old or name in rivals[benchmark].values():
                continue
            theirs = max(rows[rival] / before[rival], 1.0) if before.get(rival) else 1.0
            if each > LIMIT * old * theirs:
                rest = f", its rival's by {theirs - 1:.1%}" if theirs > 1.0 else ""
                found.append(
                    f"{benchmark}, {name}: kept {old:,.0f}, now {each:,.0f}, risen by {each / old - 1:.1%}{rest}"
                )
    return found
