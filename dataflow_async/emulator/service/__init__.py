"""The emulated service: its state, the lifecycle of runs, and its clock; it has no part in HTTP."""
