"""The emulated service: its state, the lifecycle of runs, and its clock. No HTTP."""
