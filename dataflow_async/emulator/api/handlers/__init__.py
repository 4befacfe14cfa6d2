"""The effect of each call on the state, and its answer. Requests are validated before."""
