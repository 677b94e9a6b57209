"""The valid API keys of a home, in memory, so that a request reads no file."""

from __future__ import annotations

import hmac

from core.clock import Clock
from serving.protection.access import Caller
from serving.protection.keys import PREFIX, ApiKey, KeyStore, digest_of

_PARTS = 3
# An unknown id takes as long as a wrong secret.
_NO_DIGEST = bytes(32)


class KeyRing:
    """Keys that `refresh` has read; a new or revoked key takes effect at the next refresh."""

    def __init__(self, store: KeyStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._keys: dict[str, ApiKey] = {}

    def refresh(self) -> None:
        """Read the keys again."""
        now = self._clock.now()
        self._keys = {key.id: key for key in self._store.list() if key.is_valid(now)}

    def identify(self, key: str) -> Caller | None:
        """Return the caller with this key, or None for a key that is not valid."""
        parts = key.split("_", _PARTS - 1)
        if len(parts) != _PARTS or parts[0] != PREFIX:
            return None
        stored = self._keys.get(parts[1])
        expected = stored.digest if stored else _NO_DIGEST
        is_equal = hmac.compare_digest(digest_of(parts[2]), expected)
        if stored is None or not is_equal or not stored.is_valid(self._clock.now()):
            return None
        return Caller(f"key:{stored.id}", frozenset({stored.scope}))
