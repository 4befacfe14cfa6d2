"""Waits for runs to end. A poll is one attempt and is never retried: the next poll takes its place."""
