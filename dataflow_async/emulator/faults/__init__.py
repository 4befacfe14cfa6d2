"""Fault injection: what goes wrong, when, and how often."""
