"""A home as the pipeline leaves it: a registry with bundles, aliases, and a published snapshot."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path

import numpy as np
import polars as pl
from mlflow import MlflowClient
from support.bars import sample_bars, xnys
from support.bundles import tiny_bundle

from forecasting.bundle import Bundle
from forecasting.features import compute_features, feature_set
from forecasting.horizons import HORIZONS
from forecasting.panel import latest_windows
from forecasting.snapshot import Snapshot, write_snapshot
from market.adjustments import adjust_bars
from registry.client import make_client
from registry.names import BUNDLE_PATH, CUTOFF_TAG, FINGERPRINT_TAG
from registry.versions import ModelRegistry

NAME = "stockcast"
TICKERS = ("AAPL", "GOOG", "IBM", "MSFT")
LOOKBACK = 20
START = date(2012, 3, 1)


@dataclass(frozen=True)
class TestHome:
    """A folder that may be served, and what tests do to it."""

    __test__ = False

    path: Path

    @property
    def tracking_uri(self) -> str:
        return f"sqlite:///{self.path / 'mlflow' / 'mlflow.db'}"

    @property
    def client(self) -> MlflowClient:
        return make_client(self.tracking_uri)

    @property
    def registry(self) -> ModelRegistry:
        return ModelRegistry(self.tracking_uri, NAME)

    @property
    def snapshots(self) -> Path:
        return self.path / "snapshot"

    def register(self, bundle: Bundle, folder: Path, *, fingerprint: str | None = None) -> int:
        """Register a bundle's folder as the next version."""
        if not self.client.search_registered_models():
            self.client.create_registered_model(NAME)
        source = self.path / "mlflow" / "artifacts" / folder.name
        shutil.copytree(folder, source / BUNDLE_PATH)
        tags = {
            FINGERPRINT_TAG: fingerprint or bundle.fingerprint,
            CUTOFF_TAG: bundle.manifest.cutoff.isoformat(),
        }
        return int(self.client.create_model_version(NAME, str(source), tags=tags).version)

    def register_tiny(self, seed: int, **fields: object) -> int:
        """Register a tiny bundle; another seed is another model."""
        folder = self.path / "bundles" / f"seed-{seed}"
        bundle = tiny_bundle(folder, seed=seed, lookback=LOOKBACK, **fields)
        return self.register(bundle, folder)

    def register_wrong(self, seed: int) -> int:
        """Register a bundle whose files were changed on the way."""
        folder = self.path / "bundles" / f"wrong-{seed}"
        bundle = tiny_bundle(folder, seed=seed, lookback=LOOKBACK)
        graph = folder / "ensemble.onnx"
        graph.write_bytes(graph.read_bytes()[:-64])
        return self.register(bundle, folder)

    def move(self, alias: str, version: int) -> None:
        """Move an alias as the MLflow UI does."""
        self.client.set_registered_model_alias(NAME, alias, str(version))

    def publish(self, snapshot: Snapshot | None = None) -> Snapshot:
        """Publish the sample's newest windows, or the given ones."""
        snapshot = snapshot or sample_snapshot()
        write_snapshot(self.snapshots, snapshot)
        return snapshot


def make_home(path: Path, *, seeds: Sequence[int] = (1, 2)) -> TestHome:
    """Lay out a home with one tiny version a seed, the first of them champion, and a snapshot."""
    home = TestHome(path)
    versions = [home.register_tiny(seed) for seed in seeds]
    home.move("champion", versions[0])
    home.publish()
    return home


@cache
def recent_bars() -> pl.DataFrame:
    """Real bars of a year: enough for every feature and a window."""
    return sample_bars(*TICKERS, start=START)


@cache
def sample_snapshot(last_session: date = date(2013, 3, 1)) -> Snapshot:
    """The snapshot of the real sample as of a session."""
    bars = recent_bars().filter(pl.col("session") <= last_session)
    features = feature_set()
    keys, windows = latest_windows(compute_features(adjust_bars(bars), features), LOOKBACK)
    as_of = tuple(keys["session"])
    close = bars.join(keys, on=["ticker", "session"], how="semi")["close"]
    return Snapshot(
        feature_hash=features.hash,
        feature_names=features.names,
        tickers=tuple(keys["ticker"]),
        as_of=as_of,
        close=tuple(close),
        target_sessions={h: tuple(xnys().offset(s, h) for s in as_of) for h in HORIZONS},
        windows=np.ascontiguousarray(windows, np.float32),
        exchange="XNYS",
        data_fingerprint="d" * 64,
        skipped={"FB": "196 bars, and 151 are needed"},
    )
