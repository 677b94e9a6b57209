"""Failover between providers, with circuit breakers."""
