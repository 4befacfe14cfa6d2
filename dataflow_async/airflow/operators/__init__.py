"""Operators: they start runs, once, and wait for them."""
