"""The journal of a bulk run: what was intended and what came of it, on disk."""
