"""The effect of each of the 25 calls on the state, and its answer. Requests are validated before."""
