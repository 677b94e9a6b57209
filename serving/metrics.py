"""Prometheus metrics of our own; BentoML's count the requests that pass through it.

No label here can grow with what callers send: no ticker, no path.
"""

from __future__ import annotations

from collections import Counter


class Metrics:
    """The metrics of one process. Made at start-up: BentoML sets their folder after imports."""

    def __init__(self) -> None:
        import prometheus_client  # noqa: PLC0415  # reads its folder at import

        self._forecasts = prometheus_client.Counter(
            "stockcast_forecasts_total",
            "Forecasts answered, by the way they took and their horizon.",
            ["route", "horizon"],
        )
        self._changes = prometheus_client.Counter(
            "stockcast_changes_total", "Changes of what is live, and versions refused.", ["event"]
        )
        self._version = prometheus_client.Gauge(
            "stockcast_champion_version", "Version that answers.", multiprocess_mode="livemax"
        )
        self._age = prometheus_client.Gauge(
            "stockcast_data_age_sessions",
            "Sessions that its exchange has closed since the newest bar.",
            multiprocess_mode="livemax",
        )
        self._registry = prometheus_client.Gauge(
            "stockcast_registry_up", "Whether the registry answers.", multiprocess_mode="livemin"
        )

        self._counted: Counter[tuple[str, str]] = Counter()
        self._written: Counter[tuple[str, str]] = Counter()

    def count(self, route: str, horizon: str) -> None:
        """Count one forecast; `write` makes it visible, because that costs a tenth of an answer."""
        self._counted[route, horizon] += 1

    def write(self) -> None:
        """Make the counts visible; the watch calls it at every look."""
        for key, total in list(self._counted.items()):
            new = total - self._written[key]
            if new:
                self._forecasts.labels(*key).inc(new)
                self._written[key] = total

    def shown(self, version: int, age: int, event: str) -> None:
        """Record what is live now."""
        self._changes.labels(event).inc()
        self._version.set(version)
        self._age.set(age)

    def refused(self) -> None:
        """Count a version that was not fit to go live."""
        self._changes.labels("champion_refused").inc()

    def registry_up(self, *, up: bool) -> None:
        """Record whether the registry answered the last look."""
        self._registry.set(int(up))
