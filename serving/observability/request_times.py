"""Request times of this process: log-spaced histograms by route and status.

Recording costs less than a microsecond, so every request is counted, also on the fast path.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass, field
from http import HTTPStatus
from itertools import accumulate

# Preferred numbers of ISO 3, series R20: neighbours differ by about 12 %.
_R20 = (
    *(1.0, 1.12, 1.25, 1.4, 1.6, 1.8, 2.0, 2.24, 2.5, 2.8),
    *(3.15, 3.55, 4.0, 4.5, 5.0, 5.6, 6.3, 7.1, 8.0, 9.0),
)
# Upper bounds of the buckets in seconds, from 1 microsecond to 90 seconds. A further bucket counts
# longer times.
BOUNDS: tuple[float, ...] = tuple(
    float(f"{mantissa}e{exponent}") for exponent in range(-6, 2) for mantissa in _R20
)


@dataclass(slots=True)
class TimeSeries:
    """Requests of one route with one status: counts by bucket, and the sum of their seconds."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS) + 1))
    seconds: float = 0.0


@dataclass(frozen=True)
class RequestSummary:
    """Times and statuses of a group of requests since the start of the process.

    Parameters
    ----------
    counts
        Number of requests by bucket of `BOUNDS`.
    seconds
        Sum of all times.
    statuses
        Number of requests by HTTP status.
    """

    counts: tuple[int, ...]
    seconds: float
    statuses: dict[int, int]

    @property
    def requests(self) -> int:
        """Number of requests."""
        return sum(self.counts)

    @property
    def error_rate(self) -> float | None:
        """Share of requests with a server error (5xx); None without requests."""
        errors = sum(
            n for status, n in self.statuses.items() if status >= HTTPStatus.INTERNAL_SERVER_ERROR
        )
        return errors / self.requests if self.requests else None

    @property
    def mean(self) -> float | None:
        """Mean time in seconds; None without requests."""
        return self.seconds / self.requests if self.requests else None

    def quantile(self, p: float) -> float | None:
        """Return the time in seconds that a share `p` of the requests does not exceed.

        It is interpolated within a bucket, so its error is at most 12 %. None without requests.
        """
        rank = p * self.requests
        below = 0
        for i, count in enumerate(self.counts):
            if count and below + count >= rank:
                low = BOUNDS[i - 1] if i else 0.0
                high = BOUNDS[min(i, len(BOUNDS) - 1)]
                return low + (high - low) * (rank - below) / count
            below += count
        return None

    def share_within(self, seconds: float) -> float | None:
        """Return the share of requests of at most `seconds`, a value of `BOUNDS`."""
        within = sum(self.counts[: BOUNDS.index(seconds) + 1])
        return within / self.requests if self.requests else None


class RequestTimes:
    """Counts every request of this process. Only the event loop records, any thread may read."""

    def __init__(self) -> None:
        self._series: dict[tuple[str, int], TimeSeries] = {}

    def record(self, route: str, status: int, seconds: float) -> None:
        """Count one request.

        Parameters
        ----------
        route
            Pattern of the route, such as ``/predict/{ticker}``. The number of patterns must be
            bounded.
        status
            HTTP status of the response.
        seconds
            Time from the first byte of the request to the last byte of the response.
        """
        series = self._series.get((route, status))
        if series is None:
            series = self._series[route, status] = TimeSeries()
        series.counts[bisect_left(BOUNDS, seconds)] += 1
        series.seconds += seconds

    def items(self) -> list[tuple[str, int, TimeSeries]]:
        """Return route, status and series of everything that was recorded."""
        return [(route, status, series) for (route, status), series in list(self._series.items())]

    @property
    def routes(self) -> list[str]:
        """All routes with requests, sorted."""
        return sorted({route for route, _, _ in self.items()})

    def summary(self, routes: Iterable[str] | None = None) -> RequestSummary:
        """Return the summary of all requests, or of the requests of `routes`."""
        counts, seconds, statuses = [0] * (len(BOUNDS) + 1), 0.0, dict[int, int]()
        selected = None if routes is None else frozenset(routes)
        for route, status, series in self.items():
            if selected is None or route in selected:
                counts = [a + b for a, b in zip(counts, series.counts, strict=True)]
                seconds += series.seconds
                statuses[status] = statuses.get(status, 0) + sum(series.counts)
        return RequestSummary(tuple(counts), seconds, dict(sorted(statuses.items())))


def merge_buckets(counts: Iterable[int], bounds: Iterable[float]) -> list[int]:
    """Return counts by the coarser buckets with the upper `bounds`, each a value of `BOUNDS`.

    The last value counts the requests above all bounds.
    """
    running = list(accumulate(counts))
    cumulative = [running[BOUNDS.index(bound)] for bound in bounds] + running[-1:]
    return [b - a for a, b in zip([0, *cumulative], cumulative, strict=False)]
