"""Settlement of rate limits between the processes of the service.

Each process counts in its own buckets, so that no request waits for Redis. At every refresh it
subtracts its requests from the shared buckets, and continues with the tokens that are left there.
Until then, each process may admit what its own bucket has.
"""

from __future__ import annotations

from serving.protection.rate_limits import TokenBuckets
from serving.shared_store import SharedStore

# Refills the bucket by the time of Redis, subtracts the requests of one process, and returns the
# tokens that are left. They are as negative as the processes have admitted too many.
_SCRIPT = """
local rate, burst, spent = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1e6
local state = redis.call('HMGET', KEYS[1], 'tokens', 'at')
local tokens, at = tonumber(state[1]) or burst, tonumber(state[2]) or now
tokens = math.max(math.min(burst, tokens + math.max(0, now - at) * rate) - spent, -burst)
redis.call('HSET', KEYS[1], 'tokens', tostring(tokens), 'at', tostring(now))
redis.call('EXPIRE', KEYS[1], math.ceil(2 * burst / rate) + 1)
return tostring(tokens)
"""


class SharedLimits:
    """Follower that settles the buckets of this process with those of all processes."""

    def __init__(self, buckets: TokenBuckets, store: SharedStore) -> None:
        self._buckets = buckets
        self._store = store

    def refresh(self) -> None:
        """Settle the callers since the last call; without Redis, each process limits alone."""
        buckets = self._buckets
        for caller, spent in buckets.collect_spent().items():
            key = f"bucket:{buckets.per_minute}:{buckets.burst}:{caller}"
            left = self._store.run(_SCRIPT, key, (buckets.rate, buckets.burst, spent))
            if left is not None:
                buckets.settle(caller, float(left))
