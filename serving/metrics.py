"""Prometheus metrics of our own; BentoML's count the requests that pass through it.

No label here can grow with what callers send: no ticker, no path.
"""

from __future__ import annotations

from collections.abc import Callable


class Metrics:
    """The metrics of one process. Made at start-up: BentoML sets their folder after imports."""

    def __init__(self) -> None:
        from prometheus_client import Counter, Gauge  # noqa: PLC0415  # reads its folder at import

        self._forecasts = Counter(
            "stockcast_forecasts_total",
            "Forecasts answered, by the way they took and their horizon.",
            ["route", "horizon"],
        )
        self._changes = Counter(
            "stockcast_changes_total", "Changes of what is live, and versions refused.", ["event"]
        )
        self._version = Gauge(
            "stockcast_champion_version", "Version that answers.", multiprocess_mode="livemax"
        )
        self._age = Gauge(
            "stockcast_data_age_sessions",
            "Sessions that the exchange has closed since the newest bar.",
            multiprocess_mode="livemax",
        )
        self._registry = Gauge(
            "stockcast_registry_up", "Whether the registry answers.", multiprocess_mode="livemin"
        )

        self._bound: dict[tuple[str, str], Callable[[], None]] = {}

    def count(self, route: str, horizon: str) -> None:
        """Count one forecast; looking a label up costs more than counting, so it is done once."""
        key = (route, horizon)
        if key not in self._bound:
            self._bound[key] = self._forecasts.labels(route, horizon).inc
        self._bound[key]()

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
