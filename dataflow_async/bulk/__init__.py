"""Launching many runs."""
