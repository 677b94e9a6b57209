"""The state of a service with an in-memory registry and a clock that the test moves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from pydantic import SecretStr
from support.clocks.moving_clock import MovingClock
from support.forecasting.bundles import tiny_bundle
from support.registry.in_memory import FakeRegistry
from support.serving.homes import LOOKBACK, TICKERS, sample_snapshot

from forecasting.bundle.bundle import Bundle
from forecasting.snapshot import SNAPSHOT_FOLDER, Snapshot, write_snapshot
from market.providers.status import ProviderState
from serving.models.model_cache import LiveModel, Verify
from serving.observability.request_times import RequestTimes
from serving.settings import ServingSettings
from serving.state import MODEL_FOLDER, build_state

# A Monday before the exchange opens: the last closed session is Friday, 2013-03-01.
NOW = datetime(2013, 3, 4, 12, 0, tzinfo=UTC)


class RecordedRequests(list[tuple[str, int, float]]):
    """Each request, and the summary of all."""

    def __init__(self) -> None:
        super().__init__()
        self.times = RequestTimes()

    def cache_hit_rate(self, _: str) -> float | None:
        return None


class FakeMetrics:
    """Records the calls. Real metrics can be created only once in a process."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.counts: list[tuple[str, str]] = []
        self.requests = RecordedRequests()
        self.cache_reads: list[tuple[str, bool]] = []

    def count_forecast(self, route: str, horizon: str) -> None:
        self.counts.append((route, horizon))

    def record_request(self, route: str, status: int, seconds: float) -> None:
        self.requests.append((route, status, seconds))
        self.requests.times.record(route, status, seconds)

    @property
    def forecast_counts(self) -> Counter[tuple[str, str]]:
        return Counter(self.counts)

    def count_cache_read(self, cache: str, hit: bool) -> None:  # noqa: FBT001
        self.cache_reads.append((cache, hit))

    def write(self) -> None: ...

    def record_published(self, version: int, age_sessions: int, event: str) -> None:
        self.events.append(f"{event} {version} {age_sessions}")

    def count_refused(self) -> None:
        self.events.append("refused")

    def set_registry_up(self, *, up: bool) -> None: ...

    def set_providers(self, states: Sequence[ProviderState]) -> None: ...


def accept(_: Mapping[str, bytes]) -> None:
    """Skip the child process, which takes a second. `Bundle.from_files` finds damage as well."""


class ServiceSetup:
    """Service state over a folder. A second setup on the same folder and registry is a restart."""

    def __init__(
        self,
        folder: Path,
        *,
        registry: FakeRegistry | None = None,
        verify: Verify = accept,
        **settings: object,
    ) -> None:
        self.folder = folder
        self._settings = settings
        self.clock = MovingClock(NOW)
        self.registry = registry or FakeRegistry()
        self.metrics = FakeMetrics()
        self.state = build_state(
            *(self.settings, self.clock, self.registry, self.metrics),  # type: ignore[arg-type]
            verify=verify,
        )
        self.live = self.state.live

    @property
    def settings(self) -> ServingSettings:
        """Settings with two price providers. No test sends a request to them."""
        return ServingSettings(
            home=self.folder,
            provider="alpha_vantage",
            backups=("yahoo",),
            alpha_vantage_key=SecretStr("demo-key"),
            tickers=TICKERS,
            **self._settings,  # type: ignore[arg-type]
        )

    @property
    def models_folder(self) -> Path:
        return self.folder / MODEL_FOLDER

    def register(self, seed: int) -> int:
        folder = self.folder / f"bundle-{seed}"
        return self.registry.add(folder, tiny_bundle(folder, seed=seed, lookback=LOOKBACK))

    def publish(self, snapshot: Snapshot | None = None) -> None:
        write_snapshot(self.folder / SNAPSHOT_FOLDER, snapshot or sample_snapshot())

    def set_champion(self, version: int) -> None:
        self.registry.aliases["champion"] = version

    def refresh(self) -> None:
        self.state.refresher.refresh()

    def go_live(self, seed: int = 1) -> int:
        """Register and publish a champion with the sample's snapshot; return its version."""
        version = self.register(seed)
        self.set_champion(version)
        self.publish()
        self.refresh()
        assert self.live.forecasts is not None, self.live.issues
        return version


def live_model(bundle: Bundle) -> LiveModel:
    """Return a bundle as version 1 of a registry."""
    return LiveModel("stockcast", 1, bundle)
