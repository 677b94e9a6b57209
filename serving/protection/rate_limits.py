"""Token buckets: each caller may send a burst of requests, and then as many as its bucket refills.

The buckets are in memory. `serving.protection.shared_limits` settles them between processes.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from math import ceil
from threading import Lock

_MINUTE = 60.0
# Callers beyond this number replace the ones that were idle for longest.
_MAX_BUCKETS = 20_000


@dataclass(slots=True)
class Bucket:
    """Tokens at the time `at`; `spent` is the number taken since the last settlement."""

    tokens: float
    at: float
    spent: int = 0


@dataclass(frozen=True, slots=True)
class Allowance:
    """Result of one request for a token.

    Parameters
    ----------
    is_granted
        Whether the request may continue.
    remaining
        Number of requests that are allowed at once.
    full_seconds
        Seconds until the bucket is full again.
    wait_seconds
        Seconds until the next token.
    """

    is_granted: bool
    remaining: int
    full_seconds: int
    wait_seconds: float


class TokenBuckets:
    """One bucket for each caller; `rate` is its number of new tokens per second.

    Parameters
    ----------
    per_minute
        Tokens that a bucket receives in a minute.
    burst
        Tokens of a full bucket.
    elapsed
        Returns a time in seconds that only increases.
    """

    def __init__(self, per_minute: int, burst: int, elapsed: Callable[[], float]) -> None:
        self.per_minute = per_minute
        self.burst = burst
        self.rate = per_minute / _MINUTE
        self.fill_seconds = ceil(burst / self.rate)
        self._elapsed = elapsed
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()
        # The event loop takes tokens, and the refresh thread settles.
        self._lock = Lock()

    def take(self, caller: str) -> Allowance:
        """Take one token of a caller, if there is one."""
        with self._lock:
            bucket = self._refilled(caller)
            is_granted = bucket.tokens >= 1
            if is_granted:
                bucket.tokens -= 1
                bucket.spent += 1
            return Allowance(
                is_granted,
                remaining=max(0, int(bucket.tokens)),
                full_seconds=ceil((self.burst - bucket.tokens) / self.rate),
                wait_seconds=max(0.0, (1 - bucket.tokens) / self.rate),
            )

    def collect_spent(self) -> dict[str, int]:
        """Return the tokens that each caller has taken since the last call."""
        with self._lock:
            spent = {caller: b.spent for caller, b in self._buckets.items() if b.spent}
            for caller in spent:
                self._buckets[caller].spent = 0
            return spent

    def settle(self, caller: str, tokens: float) -> None:
        """Set the tokens of a caller to the number that all processes have left for it."""
        with self._lock:
            bucket = self._refilled(caller)
            bucket.tokens = min(self.burst, tokens) - bucket.spent

    def _refilled(self, caller: str) -> Bucket:
        now = self._elapsed()
        bucket = self._buckets.get(caller)
        if bucket is None:
            bucket = self._buckets[caller] = Bucket(self.burst, now)
            if len(self._buckets) > _MAX_BUCKETS:
                self._buckets.popitem(last=False)
        else:
            self._buckets.move_to_end(caller)
            refilled = bucket.tokens + (now - bucket.at) * self.rate
            bucket.tokens, bucket.at = min(self.burst, refilled), now
        return bucket
