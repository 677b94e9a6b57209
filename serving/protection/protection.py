"""All protections of one process, from its settings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from core.clock import Clock
from serving.protection.guard import Guard
from serving.protection.key_ring import KeyRing
from serving.protection.keys import KeyStore
from serving.protection.load import LoadLimiter
from serving.protection.rate_limits import TokenBuckets
from serving.protection.shared_limits import SharedLimits
from serving.protection.tokens import TokenVerifier
from serving.settings import ServingSettings
from serving.shared_store import SharedStore


class Refreshed(Protocol):
    """A part that reads its source at every refresh."""

    def refresh(self) -> None:
        """Read the source once."""
        ...


@dataclass(frozen=True)
class Protection:
    """Guard and limits of one process.

    Parameters
    ----------
    followers
        Parts that read keys and settle limits at every refresh, `keys` among them.
    request_seconds
        Longest time until a response starts.
    cors_origins
        Origins of web pages that may use the API.
    """

    guard: Guard
    keys: KeyRing
    load: LoadLimiter
    followers: Sequence[Refreshed]
    request_seconds: float
    cors_origins: tuple[str, ...]


def build_protection(
    settings: ServingSettings, clock: Clock, store: SharedStore | None
) -> Protection:
    """Build the protections; the first refresh reads the keys."""
    keys = KeyRing(KeyStore(settings.home), clock)
    buckets = _buckets(settings, clock)
    tokens = _tokens(settings, clock)
    shared = SharedLimits(buckets, store) if buckets and store else None
    return Protection(
        guard=Guard(settings.access, keys, buckets, tokens),
        keys=keys,
        load=LoadLimiter(settings.max_concurrency, settings.max_delay_seconds),
        followers=[part for part in (keys, tokens, shared) if part is not None],
        request_seconds=settings.request_seconds,
        cors_origins=settings.cors_origins,
    )


def _buckets(settings: ServingSettings, clock: Clock) -> TokenBuckets | None:
    per_minute = settings.rate_limit
    if not per_minute:
        return None
    return TokenBuckets(per_minute, settings.rate_burst or per_minute, clock.elapsed)


def _tokens(settings: ServingSettings, clock: Clock) -> TokenVerifier | None:
    issuer, audience = settings.jwt_issuer, settings.jwt_audience
    if issuer is None or audience is None:
        return None
    url = settings.jwt_jwks_url or f"{issuer.rstrip('/')}/.well-known/jwks.json"
    return TokenVerifier(issuer, audience, url, clock)
