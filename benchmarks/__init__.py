"""Speed, measured against rivals in the same run."""

import os
import sys

if os.environ.get("DATAFLOW_BENCHMARKS_PLAIN"):
    # As where the extra `speed` is not installed; processes that are started from here inherit it.
    sys.modules.update(dict.fromkeys(("msgspec", "orjson")))  # type: ignore[arg-type]
