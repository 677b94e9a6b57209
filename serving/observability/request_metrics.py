"""Prometheus metrics of requests and caches, exported from counts of this process.

Writing to the metric files takes microseconds, so requests are counted in memory and exported at
every refresh.
"""

from __future__ import annotations

from collections import Counter

from serving.observability.request_times import RequestTimes, TimeSeries, merge_buckets

# Upper bounds in seconds. The fast path takes some 10 microseconds.
_BOUNDS = (
    *(1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3),
    *(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
)


class RequestMetrics:
    """Counts requests and cache reads, and exports the counts."""

    def __init__(self) -> None:
        import prometheus_client  # noqa: PLC0415  # reads its folder at import

        self.times = RequestTimes()
        self._cache_reads: Counter[tuple[str, str]] = Counter()
        self._written_reads: Counter[tuple[str, str]] = Counter()
        self._written_times: dict[tuple[str, int], TimeSeries] = {}
        self._seconds = prometheus_client.Histogram(
            "stockcast_request_seconds",
            "Time of a request, by pattern of the route.",
            ["route"],
            buckets=_BOUNDS,
        )
        self._requests = prometheus_client.Counter(
            "stockcast_requests_total", "Requests, by route and HTTP status.", ["route", "status"]
        )
        self._reads = prometheus_client.Counter(
            "stockcast_cache_reads_total", "Reads of a cache (hit, miss).", ["cache", "result"]
        )

    def count_cache_read(self, cache: str, *, hit: bool) -> None:
        """Count one read of a cache, such as ``forecasts`` or ``quotes``."""
        self._cache_reads[cache, "hit" if hit else "miss"] += 1

    def cache_hit_rate(self, cache: str) -> float | None:
        """Return the share of reads that the cache had a value for; None without reads."""
        hits, misses = self._cache_reads[cache, "hit"], self._cache_reads[cache, "miss"]
        return hits / (hits + misses) if hits + misses else None

    def write(self) -> None:
        """Export everything that was counted since the last call."""
        for key, total in list(self._cache_reads.items()):
            self._reads.labels(*key).inc(total - self._written_reads[key])
            self._written_reads[key] = total
        for route, status, series in self.times.items():
            written = self._written_times.get((route, status)) or TimeSeries()
            current = TimeSeries(list(series.counts), series.seconds)
            new = [b - a for a, b in zip(written.counts, current.counts, strict=True)]
            if any(new):
                self._requests.labels(route, str(status)).inc(sum(new))
                self._add_times(route, new, current.seconds - written.seconds)
                self._written_times[route, status] = current

    def _add_times(self, route: str, counts: list[int], seconds: float) -> None:
        # `observe` takes one request at a time, and a poll may have tens of thousands of them.
        histogram = self._seconds.labels(route)
        for bucket, count in zip(
            histogram._buckets,  # noqa: SLF001
            merge_buckets(counts, _BOUNDS),
            strict=True,
        ):
            bucket.inc(count)
        histogram._sum.inc(seconds)  # noqa: SLF001
