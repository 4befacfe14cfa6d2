"""The emulated service over HTTP."""
