"""Prometheus metrics of requests, forecasts, model and providers.

No label depends on the requests of callers, such
as ticker or path, because the number of time series must be bounded.
"""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from market.providers.status import ProviderState
from market.quota.budgets import Usage
from serving.observability.events import log_event
from serving.observability.metric_files import reserve_metric_files
from serving.observability.request_metrics import RequestMetrics

_MINUTE = 60.0


class Metrics:
    """Metrics of one process. Create it at start-up, after BentoML has set the metrics folder.

    Attributes
    ----------
    requests
        Times of requests, and reads of caches.
    record_request
        Counts one request by pattern of the route, status and seconds, see `RequestTimes.record`.
    """

    def __init__(self) -> None:
        import prometheus_client  # noqa: PLC0415  # reads its folder at import
        from prometheus_client import values  # noqa: PLC0415

        try:
            if folder := os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
                reserve_metric_files(Path(folder))
        except OSError as error:
            # Values in memory. `/metrics` does not export them, and the forecasts go on.
            values.ValueClass = values.MutexValue
            fix = f"free the disk of {folder} and restart"
            log_event("metrics_not_exported", level=logging.WARNING, error=error, fix=fix)
        self.requests = RequestMetrics()
        self.record_request = self.requests.times.record
        self._forecasts = prometheus_client.Counter(
            "stockcast_forecasts_total",
            "Forecasts served, by route (fast_path, rest, typed, bars) and horizon.",
            ["route", "horizon"],
        )
        self._changes = prometheus_client.Counter(
            "stockcast_changes_total", "Changes of the live forecasts, and refusals.", ["event"]
        )
        self._version = prometheus_client.Gauge(
            "stockcast_champion_version", "Version that is live.", multiprocess_mode="livemax"
        )
        self._age = prometheus_client.Gauge(
            "stockcast_data_age_sessions",
            "Sessions that the exchange has closed since the newest bar.",
            multiprocess_mode="livemax",
        )
        self._registry = prometheus_client.Gauge(
            "stockcast_registry_up",
            "1 if the registry responded at the last refresh, else 0.",
            multiprocess_mode="livemin",
        )
        self._provider = prometheus_client.Gauge(
            "stockcast_provider_up",
            "1 if the circuit breaker of a price provider is closed, else 0.",
            ["provider"],
            multiprocess_mode="livemin",
        )
        self._quota = prometheus_client.Gauge(
            "stockcast_quota_calls",
            "Calls to a price provider in the current window (made), and their limit.",
            ["provider", "window", "kind"],
            multiprocess_mode="livemax",
        )
        self._counted: Counter[tuple[str, str]] = Counter()
        self._written: Counter[tuple[str, str]] = Counter()

    def count_forecast(self, route: str, horizon: str) -> None:
        """Count one forecast. `write` exports the counts, as that is too slow for each request."""
        self._counted[route, horizon] += 1

    def count_cache_read(self, cache: str, hit: bool) -> None:  # noqa: FBT001  # a callback's value
        """Count one read of a cache, and whether the cache had the value."""
        self.requests.count_cache_read(cache, hit=hit)

    @property
    def forecast_counts(self) -> dict[tuple[str, str], int]:
        """Number of forecasts by route and horizon."""
        return dict(self._counted)

    def write(self) -> None:
        """Export the counts of requests and forecasts; called at every refresh."""
        self.requests.write()
        for key, total in list(self._counted.items()):
            new = total - self._written[key]
            if new:
                self._forecasts.labels(*key).inc(new)
                self._written[key] = total

    def record_published(self, version: int, age_sessions: int, event: str) -> None:
        """Record a change of the live forecasts."""
        self._changes.labels(event).inc()
        self._version.set(version)
        self._age.set(age_sessions)

    def count_refused(self) -> None:
        """Count a refused version."""
        self._changes.labels("champion_refused").inc()

    def set_providers(self, states: Sequence[ProviderState]) -> None:
        """Record the status of each provider, and its budgets for a day and a minute."""
        for state in states:
            if state.breaker is not None:
                self._provider.labels(state.name).set(int(state.breaker.state == "closed"))
            if state.usage is not None:
                self._set_usage(state.name, state.usage)

    def set_registry_up(self, *, up: bool) -> None:
        """Record whether the registry responded."""
        self._registry.set(int(up))

    def _set_usage(self, provider: str, usage: Usage) -> None:
        self._set_quota(provider, "day", usage.made_today, usage.per_day)
        for window in usage.windows:
            if window.seconds == _MINUTE:
                self._set_quota(provider, "minute", window.made, window.calls)

    def _set_quota(self, provider: str, window: str, made: int, limit: int | None) -> None:
        self._quota.labels(provider, window, "made").set(made)
        if limit is not None:
            self._quota.labels(provider, window, "limit").set(limit)
