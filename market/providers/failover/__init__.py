"""Several providers as one: the chain, its circuit breaker, its errors."""
