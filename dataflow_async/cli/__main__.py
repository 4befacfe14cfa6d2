"""``python -m dataflow_async.cli``, where the script is not on the path."""

from dataflow_async.cli import main

main()
