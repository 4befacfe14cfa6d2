"""Every kind of fault is tested on the wire."""

import re
from pathlib import Path

from dataflow_async.emulator.faults.kinds import KINDS


def test_every_kind_has_a_test_in_this_folder():
    text = "".join(
        path.read_text("utf-8")
        for path in Path(__file__).parent.glob("test_*.py")
        if "kinds" not in path.name
    )
    assert [name for name in KINDS if not re.search(rf'"(.*; )?{name}[" ]', text)] == []
