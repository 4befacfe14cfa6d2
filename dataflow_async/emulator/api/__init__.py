"""The API of the emulated service: every call of the contract, from request values to response values."""
