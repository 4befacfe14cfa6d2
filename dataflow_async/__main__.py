"""``python -m dataflow_async``, where the script ``dataflow-async`` is not on the path."""

from dataflow_async.cli import main

main()
