"""How a call reaches the service: connections, signing, rate limit, retries, and the service's time."""
