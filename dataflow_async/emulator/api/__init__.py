"""The API of the emulated service: 25 calls, from request values to response values."""
