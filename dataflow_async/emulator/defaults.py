"""Every number of the emulator that is a choice, each with its unit and its reason."""
