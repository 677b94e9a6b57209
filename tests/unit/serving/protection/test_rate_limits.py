"""Token buckets: bursts, refills, the number of callers, and settlement between processes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from serving.protection import rate_limits
from serving.protection.rate_limits import TokenBuckets


class Time:
    """Seconds that a test moves."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@given(
    st.integers(1, 600),
    st.integers(1, 50),
    st.lists(st.floats(0, 5, allow_nan=False), min_size=1, max_size=60),
)
def test_no_window_admits_more_than_the_burst_and_its_refill(
    per_minute: int, burst: int, pauses: list[float]
) -> None:
    time = Time()
    buckets = TokenBuckets(per_minute, burst, time)
    granted = []
    for pause in pauses:
        time.now += pause
        if buckets.take("a").is_granted:
            granted.append(time.now)
    for first in range(len(granted)):
        for last in range(first, len(granted)):
            refill = (granted[last] - granted[first]) * per_minute / 60
            assert last - first + 1 <= burst + refill + 1e-6


def test_a_request_after_the_stated_wait_is_granted() -> None:
    time = Time()
    buckets = TokenBuckets(7, 1, time)
    assert buckets.take("a").is_granted
    refused = buckets.take("a")
    time.now += refused.wait_seconds * 0.99
    assert not buckets.take("a").is_granted
    time.now += refused.wait_seconds * 0.02
    assert buckets.take("a").is_granted


def test_the_number_of_buckets_is_bounded() -> None:
    time = Time()
    buckets = TokenBuckets(60, 1, time)
    limit = rate_limits._MAX_BUCKETS
    for number in range(limit + 10):
        buckets.take(str(number))
    assert len(buckets._buckets) == limit
    assert not buckets.take(str(limit + 9)).is_granted


def test_a_settlement_counts_the_tokens_of_other_processes() -> None:
    buckets = TokenBuckets(60, 10, Time())
    for _ in range(3):
        buckets.take("a")
    assert buckets.collect_spent() == {"a": 3}
    buckets.take("a")
    buckets.settle("a", 2)  # other processes took 5, and this process one more since
    assert [buckets.take("a").is_granted for _ in range(2)] == [True, False]
    assert buckets.collect_spent() == {"a": 2}
