"""JWT bearer tokens of a configured issuer.

The keys of the issuer are read at a refresh, never by a request. A token that is signed with a new
key is refused until then.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from typing import Any

import jwt

from core.clock import Clock
from serving.observability.events import log_event
from serving.protection.access import SCOPES, Caller

# Signatures with a key pair only: with a shared secret, this service could sign tokens as well.
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA")
_MAX_AGE_SECONDS = 600.0
# An unknown key id must not let a caller send requests to the issuer through this service.
_MIN_AGE_SECONDS = 10.0
_TIMEOUT_SECONDS = 3.0
_LEEWAY_SECONDS = 30
_MAX_VERIFIED = 1_000
_MAX_SUBJECT = 100
_CLAIMS = ("exp", "iss", "aud", "sub")


class TokenVerifier:
    """Follower of an issuer's keys, which verifies its tokens."""

    def __init__(self, issuer: str, audience: str, jwks_url: str, clock: Clock) -> None:
        self._issuer = issuer
        self._audience = audience
        self._client = jwt.PyJWKClient(jwks_url, cache_jwk_set=False, timeout=_TIMEOUT_SECONDS)
        self._clock = clock
        self._keys: dict[str, jwt.PyJWK] = {}
        self._next_read = 0.0
        self._earliest_read = 0.0
        self._is_down = False
        # Verification takes a quarter of a millisecond, so its result is kept until the expiry.
        self._verified: dict[bytes, tuple[Caller, float]] = {}

    def refresh(self) -> None:
        """Read the keys of the issuer if they are due; keep the old ones if it does not respond."""
        now = self._clock.elapsed()
        if now < self._next_read:
            return
        self._earliest_read, self._next_read = now + _MIN_AGE_SECONDS, now + _MAX_AGE_SECONDS
        try:
            keys = {str(key.key_id): key for key in self._client.get_signing_keys()}
        except jwt.PyJWTError as error:
            self._next_read = self._earliest_read
            if not self._is_down:
                log_event("issuer_keys_not_read", level=logging.WARNING, error=error)
            self._is_down = True
            return
        self._is_down = False
        self._keys, self._verified = keys, {}

    def identify(self, token: str) -> Caller | None:
        """Return the caller with this token, or None for a token that is not valid."""
        digest = hashlib.sha256(token.encode()).digest()
        known = self._verified.get(digest)
        if known is not None:
            caller, expires_at = known
            return caller if self._clock.now().timestamp() < expires_at else None
        try:
            claims = self._verify(token)
        except (jwt.PyJWTError, ValueError, TypeError):
            return None
        if claims is None:
            return None
        caller = Caller(f"token:{claims['sub'][:_MAX_SUBJECT]}", _scopes(claims))
        if len(self._verified) >= _MAX_VERIFIED:
            self._verified.pop(next(iter(self._verified)))
        self._verified[digest] = caller, float(claims["exp"]) + _LEEWAY_SECONDS
        return caller

    def _verify(self, token: str) -> Mapping[str, Any] | None:
        key = self._keys.get(str(jwt.get_unverified_header(token).get("kid")))
        if key is None:
            self._next_read = self._earliest_read
            return None
        claims: Mapping[str, Any] = jwt.decode(
            token,
            key,
            algorithms=ALGORITHMS,
            issuer=self._issuer,
            audience=self._audience,
            leeway=_LEEWAY_SECONDS,
            options={"require": list(_CLAIMS)},
        )
        return claims


def _scopes(claims: Mapping[str, Any]) -> frozenset[str]:
    """Return the scopes of RFC 8693 (`scope`, a text), or of `scp`, a list."""
    given = claims.get("scope", claims.get("scp", ()))
    names = given.split() if isinstance(given, str) else given
    return frozenset(SCOPES).intersection(n for n in names if isinstance(n, str))
