"""Waiting for runs to end. A poll is not a retry: it is one attempt, and the next poll is its repeat."""
