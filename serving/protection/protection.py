"""All protections of one process, from its settings."""

from __future__ import annotations

from dataclasses import dataclass

from core.clock import Clock
from serving.protection.guard import Guard
from serving.protection.key_ring import KeyRing
from serving.protection.keys import KeyStore
from serving.protection.load import LoadLimiter
from serving.protection.rate_limits import TokenBuckets
from serving.settings import ServingSettings


@dataclass(frozen=True)
class Protection:
    """Guard, limits and keys of one process."""

    guard: Guard
    keys: KeyRing
    load: LoadLimiter
    request_seconds: float


def build_protection(settings: ServingSettings, clock: Clock) -> Protection:
    """Build the protections; the first refresh reads the keys."""
    keys = KeyRing(KeyStore(settings.home), clock)
    limit = settings.rate_limit
    burst = settings.rate_burst or limit
    buckets = TokenBuckets(limit, burst, clock.elapsed) if limit else None
    return Protection(
        guard=Guard(settings.access, keys, buckets),
        keys=keys,
        load=LoadLimiter(settings.max_concurrency, settings.max_delay_seconds),
        request_seconds=settings.request_seconds,
    )
