"""A desk with everything around it that a service would make, but in memory and at any instant."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from pydantic import SecretStr
from support.forecasting.bundles import tiny_bundle
from support.registry.in_memory import FakeRegistry
from support.serving.homes import LOOKBACK, TICKERS, sample_snapshot

from forecasting.bundle.bundle import Bundle
from forecasting.snapshot import Snapshot, write_snapshot
from market.settings import MarketSettings
from serving.live.live_state import LiveState
from serving.live.refresher import ChampionRefresher
from serving.models.model_cache import LiveModel, ModelCache
from serving.models.snapshot_cache import SnapshotCache
from serving.provider_status import PriceFeed, Prices

# A Monday before the exchange opens: the last closed session is Friday, 2013-03-01.
NOW = datetime(2013, 3, 4, 12, 0, tzinfo=UTC)


class FakeMetrics:
    """Remembers what was told."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.counts: list[tuple[str, str]] = []

    def count(self, route: str, horizon: str) -> None:
        self.counts.append((route, horizon))

    def write(self) -> None: ...

    def shown(self, version: int, age: int, event: str) -> None:
        self.events.append(f"{event} {version} {age}")

    def refused(self) -> None:
        self.events.append("refused")

    def registry_up(self, *, up: bool) -> None: ...

    def prices(self, prices: Prices) -> None: ...


@dataclass
class RefresherSetup:
    """A watch over a folder, with its clock in the test's hand."""

    folder: Path
    now: datetime = NOW
    registry: FakeRegistry = field(default_factory=FakeRegistry)
    desk: LiveState = field(default_factory=LiveState)
    metrics: FakeMetrics = field(default_factory=FakeMetrics)

    def __post_init__(self) -> None:
        self.cache = ModelCache(self.registry, self.folder / "models")
        self.feed = SnapshotCache(self.folder / "snapshot")
        self.watch = ChampionRefresher(
            self.desk,
            self.registry,
            self.cache,
            self.feed,
            self.metrics,
            prices=PriceFeed(self.settings),
            now=lambda: self.now,
        )

    @property
    def settings(self) -> MarketSettings:
        """Settings with two providers of prices; neither gets a request."""
        return MarketSettings(
            home=self.folder,
            provider="alpha_vantage",
            backups=("yahoo",),
            alpha_vantage_key=SecretStr("demo-key"),
            tickers=TICKERS,
        )

    def register(self, seed: int) -> int:
        folder = self.folder / f"bundle-{seed}"
        return self.registry.add(folder, tiny_bundle(folder, seed=seed, lookback=LOOKBACK))

    def publish(self, snapshot: Snapshot | None = None) -> None:
        write_snapshot(self.folder / "snapshot", snapshot or sample_snapshot())

    def go_live(self, seed: int = 1) -> int:
        version = self.register(seed)
        self.registry.aliases["champion"] = version
        self.publish()
        self.watch.refresh()
        assert self.desk.live is not None, self.desk.troubles
        return version

    @property
    def live_version(self) -> int | None:
        return self.desk.live.book.model.version if self.desk.live else None


def live_model(bundle: Bundle) -> LiveModel:
    """Return a bundle as version 1 of a registry."""
    return LiveModel("stockcast", 1, bundle)
