"""Homes with the results of a pipeline run: registered bundles, aliases and a snapshot."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import polars as pl
from support.forecasting.attacks import change_graph
from support.market.bars import sample_bars, xnys
from support.registry.candidates import candidate
from support.registry.databases import copy_empty_database
from support.serving.past_forecasts import history_file

from forecasting.bundle.files import fingerprint, read_files
from forecasting.bundle.manifest import GRAPH_FILE
from forecasting.features.feature_set import compute_features, feature_set
from forecasting.horizons import HORIZONS
from forecasting.price_history import pack_prices
from forecasting.samples.windows import latest_windows
from forecasting.snapshot import Snapshot, write_snapshot
from market.bars.adjustments import adjust_bars
from market.calendars.sessions import Sessions
from registry.client import make_client
from registry.names import BUNDLE_PATH, FINGERPRINT_TAG
from registry.publishing.candidates import log_candidate
from registry.versions import ModelRegistry

NAME = "stockcast"
TICKERS = ("AAPL", "GOOG", "IBM", "MSFT")
LOOKBACK = 20
START = date(2012, 3, 1)


@dataclass(frozen=True)
class TestHome:
    """A home folder, and the changes that a pipeline or a person makes to it."""

    __test__ = False

    path: Path

    @property
    def _database(self) -> Path:
        return self.path / "mlflow" / "mlflow.db"

    @property
    def tracking_uri(self) -> str:
        return f"sqlite:///{self._database}"

    @property
    def registry(self) -> ModelRegistry:
        return ModelRegistry(self.tracking_uri, NAME, self.path / "mlflow" / "artifacts")

    @property
    def snapshots(self) -> Path:
        return self.path / "snapshot"

    def copy(self, path: Path) -> TestHome:
        """Copy the registry database and the snapshot; bundles are read from this home."""
        copy = TestHome(path)
        copy._database.parent.mkdir(parents=True)
        shutil.copyfile(self._database, copy._database)
        if self.snapshots.exists():
            shutil.copytree(self.snapshots, copy.snapshots)
        return copy

    def register(self, seed: int) -> int:
        """Register a tiny bundle as the pipeline does. Each seed gives a different model."""
        if not self._database.exists():
            copy_empty_database(self._database)
        files = history_file(self.path, *TICKERS)
        record = candidate(self.path / "bundles", seed=seed, files=files)
        return log_candidate(self.registry, record).version

    def register_damaged(self, seed: int) -> int:
        """Register a bundle, then truncate its graph in the artefact store."""
        version = self.register(seed)
        graph = self.stored_bundle(version) / GRAPH_FILE
        graph.write_bytes(graph.read_bytes()[:-64])
        return version

    def register_attack(self, seed: int, change: Callable[[onnx.GraphProto], None]) -> int:
        """Register a bundle, then change its graph and fingerprint as an attacker would."""
        version = self.register(seed)
        folder = self.stored_bundle(version)
        change_graph(folder, change)
        self.registry.set_tags(version, {FINGERPRINT_TAG: fingerprint(read_files(folder))})
        return version

    def stored_bundle(self, version: int) -> Path:
        source = self.registry.get(version).source
        return Path(source.removeprefix("file://")) / BUNDLE_PATH

    def move_alias(self, alias: str, version: int) -> None:
        """Move an alias as the MLflow UI does."""
        make_client(self.tracking_uri).set_registered_model_alias(NAME, alias, str(version))

    def publish(self, snapshot: Snapshot | None = None) -> Snapshot:
        """Publish the newest windows of the sample, or `snapshot`."""
        snapshot = snapshot or sample_snapshot()
        write_snapshot(self.snapshots, snapshot)
        return snapshot


def make_home(path: Path, *, seeds: Sequence[int] = (1, 2)) -> TestHome:
    """Create a home with one tiny version for each seed, the first as champion, and a snapshot."""
    home = TestHome(path)
    versions = [home.register(seed) for seed in seeds]
    home.move_alias("champion", versions[0])
    home.publish()
    return home


@cache
def shared_home(folder: Path) -> TestHome:
    """Return a home with champion and challenger, created once for each process. Only read it."""
    home = make_home(folder / "shared-home")
    home.move_alias("challenger", 2)
    return home


@cache
def recent_bars() -> pl.DataFrame:
    """Return real bars of one year, enough for every feature and a window."""
    return sample_bars(*TICKERS, start=START)


def caller_bars(ticker: str = "MSFT", last: int = 252) -> list[dict[str, Any]]:
    """Return real bars as the JSON that a caller sends."""
    rows = recent_bars().filter(pl.col("ticker") == ticker).tail(last)
    columns = ("session", "open", "high", "low", "close", "volume", "adj_close")
    return json.loads(rows.select(columns).with_columns(pl.col("session").cast(str)).write_json())


def two_exchanges() -> Snapshot:
    """Return real windows as of 2012-12-24, one of them under a London ticker.

    On Boxing Day, New York has a session and London does not.
    """
    snapshot = sample_snapshot(date(2012, 12, 24))
    london, at = Sessions("XLON"), snapshot.tickers.index("GOOG")

    def put(values: tuple[Any, ...], value: object) -> tuple[Any, ...]:
        return (*values[:at], value, *values[at + 1 :])

    return replace(
        snapshot,
        tickers=put(snapshot.tickers, "AZN.L"),
        exchanges=put(snapshot.exchanges, "XLON"),
        target_sessions={
            h: put(sessions, london.offset(snapshot.as_of[at], h))
            for h, sessions in snapshot.target_sessions.items()
        },
    )


@cache
def sample_snapshot(last_session: date = date(2013, 3, 1)) -> Snapshot:
    """Return the snapshot of the real sample as of a session."""
    bars = recent_bars().filter(pl.col("session") <= last_session)
    features = feature_set()
    adjusted = adjust_bars(bars)
    keys, windows = latest_windows(compute_features(adjusted, features), LOOKBACK)
    as_of = tuple(keys["session"])
    close = bars.join(keys, on=["ticker", "session"], how="semi")["close"]
    return Snapshot(
        feature_hash=features.hash,
        feature_names=features.names,
        tickers=tuple(keys["ticker"]),
        exchanges=("XNYS",) * keys.height,
        as_of=as_of,
        close=tuple(close),
        target_sessions={h: tuple(xnys().offset(s, h) for s in as_of) for h in HORIZONS},
        windows=np.ascontiguousarray(windows, np.float32),
        data_fingerprint="d" * 64,
        skipped={"FB": "196 bars, and 151 are needed"},
        prices=pack_prices(adjusted, keys.with_columns(close=close)),
    )
