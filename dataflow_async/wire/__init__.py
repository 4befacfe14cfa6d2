"""How calls and answers look on the wire. Pure: no I/O, no clock of its own, no asyncio."""
