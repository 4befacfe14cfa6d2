"""Starting a workflow and awaiting the runs of its jobs."""
