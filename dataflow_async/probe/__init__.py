"""Observes what a real account answers where the contract notes are uncertain, and reports it without private text.

questions -> exchanges -> facts -> findings, one for each ruling; only `sender` does I/O.
"""
