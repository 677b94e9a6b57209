"""Prometheus metrics of our own; BentoML's count the requests that pass through it.

No label here can grow with what callers send: no ticker, no path.
"""

from __future__ import annotations

from collections import Counter

from serving.provider_status import Prices

_MINUTE = 60.0


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

        self._provider = prometheus_client.Gauge(
            "stockcast_provider_up",
            "Whether a provider of prices is asked: 0 after it was down several times in a row.",
            ["provider"],
            multiprocess_mode="livemin",
        )
        self._quota = prometheus_client.Gauge(
            "stockcast_quota_calls",
            "Calls to a provider that count now, and how many may.",
            ["provider", "window", "kind"],
            multiprocess_mode="livemax",
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

    def prices(self, prices: Prices) -> None:
        """Record how the providers are, and their budgets by day and by minute."""
        for state in prices.states:
            self._provider.labels(state.name).set(int(state.state == "closed"))
        for name, usage in prices.usages.items():
            self._record(name, "day", usage.made_today, usage.per_day)
            for window in usage.windows:
                if window.seconds == _MINUTE:
                    self._record(name, "minute", window.made, window.calls)

    def _record(self, provider: str, window: str, made: int, limit: int | None) -> None:
        self._quota.labels(provider, window, "made").set(made)
        if limit is not None:
            self._quota.labels(provider, window, "limit").set(limit)

    def registry_up(self, *, up: bool) -> None:
        """Record whether the registry answered the last look."""
        self._registry.set(int(up))
