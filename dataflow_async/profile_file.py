"""Reads ``~/.ncloud/configure``, as the vendor's tools write it and as people edit it.

Source: contract/notes.md#ruling-82
"""

from __future__ import annotations

import codecs
import re

DEFAULT_PROFILE = "DEFAULT"

_SECTION = r"\[([^]]*)\]\s*(?:[#;].*)?"
_SETTING = r"(?i:(?:export\s+)?([^=:]+)[=:](.*))"
_QUOTED = r"(?P<quote>[\"'`])(?P<inner>.*?)(?P=quote)\s*(?:[#;].*)?"
_COMMENT = r"\s[#;].*"


def read_profiles(data: bytes) -> dict[str, dict[str, str]]:
    """Return the settings of each profile, by lower-case name; the last of a name wins.

    Lines are ``name = value`` or ``name: value``, perhaps after ``export``; those above any ``[section]`` belong to
    DEFAULT. A value may stand in quotes, and a comment after whitespace. Any other line is ignored.

    Raises:
        UnicodeDecodeError: The file begins as UTF-16 and goes on as something else.
    """
    profiles: dict[str, dict[str, str]] = {}
    section = DEFAULT_PROFILE
    for line in _lines(data):
        if not line or line[0] in "#;":
            continue
        if header := re.fullmatch(_SECTION, line):
            section = profile_name(header[1])
            profiles.setdefault(section, {})
        elif setting := re.fullmatch(_SETTING, line):
            profiles.setdefault(section, {})[setting[1].strip("\"'` \t").lower()] = _value(setting[2])
    return profiles


def profile_name(text: str) -> str:
    """Return the name of a profile as it is looked up: that of the default one may be written in any case."""
    name = text.strip().strip("\"'`")
    return DEFAULT_PROFILE if name.upper() == DEFAULT_PROFILE else name


def _lines(data: bytes) -> list[str]:
    """Decode each line by itself: an old comment in CP949 may stand above keys that were added in UTF-8."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):  # PowerShell's ">"
        data = data.decode("utf-16").encode()
    return [_decoded(line).strip("\ufeff \t\f\v") for line in data.splitlines()]


def _decoded(line: bytes) -> str:
    try:
        return line.decode()
    except UnicodeDecodeError:
        return line.decode("cp949", "replace")  # a key with a replacement character in it is refused later


def _value(text: str) -> str:
    if quoted := re.fullmatch(_QUOTED, text.strip()):
        return quoted["inner"].strip()
    return re.sub(_COMMENT, "", text).strip()
