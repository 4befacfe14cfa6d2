"""What the service speaks of, as frozen values. Pure: no I/O, no clock."""
