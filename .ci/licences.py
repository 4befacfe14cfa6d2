"""Print the licence of every distribution that dataflow-async needs, extra by extra; fail where one names none."""

import re
import sys
from importlib.metadata import Distribution, PackageNotFoundError, distribution

NAME = re.compile(r"[A-Za-z0-9._-]+")


def licence(found: Distribution) -> str:
    """Return what a distribution says of itself: an SPDX expression, else classifiers, else the first line of a text."""
    about = found.metadata
    classified = [
        line.rpartition(" :: ")[2]
        for line in about.get_all("Classifier") or []
        if line.startswith("License :: ")
    ]
    text = (about.get("License") or "").strip().splitlines()
    return about.get("License-Expression") or ", ".join(classified) or (text[0] if text else "")


def needed(name: str, extras: frozenset[str], into: dict[str, Distribution]) -> None:
    """Collect what a distribution needs with some of its extras, itself included."""
    try:
        found = distribution(name)
    except PackageNotFoundError:  # needed on other systems or Pythons only
        return
    key = re.sub(r"[-_.]+", "-", name).lower()
    known = key in into
    into[key] = found
    for line in found.requires or []:
        requirement, _, marker = line.partition(";")
        asked = re.search(r"extra == ['\"]([^'\"]+)", marker)
        if (asked and asked[1] not in extras) or (known and not asked):
            continue
        own = re.search(r"\[([^]]*)]", requirement)
        inner = frozenset(part.strip() for part in own[1].split(",")) if own else frozenset()
        match = NAME.match(requirement)
        if match and (re.sub(r"[-_.]+", "-", match[0]).lower() not in into or inner):
            needed(match[0], inner, into)


def main() -> int:
    """Print all; return how many name no licence."""
    missing = 0
    extras = distribution("dataflow-async").metadata.get_all("Provides-Extra") or []
    for extra in ("", *extras):
        into: dict[str, Distribution] = {}
        needed("dataflow-async", frozenset({extra} - {""}), into)
        print(f"{extra or 'without extras'}:")
        for name, found in sorted(into.items()):
            named = licence(found)
            missing += not named
            print(f"  {name} {found.version}: {named or 'NO LICENCE NAMED'}")
    return missing


sys.exit(main())
