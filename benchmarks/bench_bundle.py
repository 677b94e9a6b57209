"""The bundle and its native models, scikit-learn and Keras, on the same windows.

The models are fitted on the real sample with the sizes of the standard profile and fewer epochs,
which does not change the time of a forecast. The native side scales, calls `predict` of both
members and applies the weights, as a service without bundles would.
"""

from __future__ import annotations

import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.timing import compare
from forecasting.bundle.bundle import Bundle, write_bundle
from forecasting.bundle.manifest import Manifest
from forecasting.bundle.sealing import sha256
from forecasting.distribution.levels import LEVELS
from forecasting.export.fusion import export_forest, export_linear, export_lstm, fuse
from forecasting.features.feature_set import VOLATILITY, compute_features, feature_set
from forecasting.models.base import MEMBERS
from forecasting.models.ensemble import EnsembleWeights
from forecasting.models.training import FittedMembers, TrainingConfig, fit_members
from forecasting.models.z_space import MAX_LOG_SCALE, MIN_LOG_SCALE
from forecasting.samples.panel import Panel, build_panel
from forecasting.samples.splits import WalkForward
from market.bars.adjustments import adjust_bars
from market.providers.sample.provider import SampleProvider

LOOKBACK = 20
BATCH = 500
TIMED_CALLS = 5000
# A native call takes hundreds of times longer. A turn with one bundle call would mostly measure the
# cold caches after it, while a service runs many calls in a row.
CALLS_PER_TURN = 100
TARGET_MILLISECONDS, TARGET_RATIO = 0.1, 300


class Native:
    """The fitted members, run by their own libraries."""

    def __init__(self, members: FittedMembers, panel: Panel) -> None:
        self.members = members
        self.root = np.sqrt(panel.horizons)
        self.volatility = panel.feature_names.index(VOLATILITY)
        prior = EnsembleWeights.prior(panel.horizons).scale
        self.weights = np.array([[prior[h][m] for h in panel.horizons] for m in MEMBERS])

    def run(self, windows: np.ndarray) -> np.ndarray:
        """Return the ensemble's scale, (n, horizons)."""
        scaled = self.members.scaler.transform(windows)
        row = scaled[:, -1]
        linear = (self.members.linear, self.members.student)
        members = np.stack(
            [
                *(row @ member.coefficients + member.intercept for member in linear),
                self.members.forest.estimator.predict(row),
                self.members.lstm.model.predict(scaled, verbose=0),
            ]
        )
        log_scale = (np.clip(members, MIN_LOG_SCALE, MAX_LOG_SCALE) * self.weights[:, None]).sum(0)
        unit = windows[:, -1, self.volatility, None] * self.root
        return np.exp(log_scale) * unit


def fit(panel: Panel, *, quick: bool) -> FittedMembers:
    """Fit the members with the sizes of the standard or the quick profile."""
    rows = np.flatnonzero(np.isfinite(panel.log_returns).all(axis=1))
    config = TrainingConfig.for_profile(
        "quick" if quick else "standard", seed=7, walk_forward=WalkForward()
    )
    return fit_members(panel, rows, replace(config, lstm=replace(config.lstm, epochs=1)))


def bundle_of(members: FittedMembers, panel: Panel, folder: Path) -> Bundle:
    """Fuse the members and write a bundle with placeholder calibration."""
    weights = EnsembleWeights.prior(panel.horizons)
    graph = fuse(
        members={
            "linear": export_linear(members.linear),
            "student": export_linear(members.student),
            "forest": export_forest(members.forest),
            "lstm": export_lstm(members.lstm),
        },
        scaler=members.scaler,
        weights=weights,
        mean_log_return=0.0,
        volatility_index=panel.feature_names.index(VOLATILITY),
        horizons=panel.horizons,
        lookback=panel.lookback,
        feature_names=panel.feature_names,
    )
    manifest = Manifest(
        name="benchmark",
        features=panel.feature_names,
        feature_hash=feature_set().hash,
        lookback=panel.lookback,
        warmup=feature_set().warmup,
        horizons=panel.horizons,
        members=MEMBERS,
        mean_weights=weights.scale,
        scale_weights=weights.scale,
        quantile_levels=tuple(LEVELS.tolist()),
        conformal_quantiles=dict.fromkeys(panel.horizons, tuple((4 * LEVELS - 2).tolist())),
        cutoff=panel.sessions[-1].astype(object),
        tickers=tuple(panel.keys["ticker"].unique().sort()),
        exchange="XNYS",
        data_fingerprint=sha256(panel.windows(np.arange(8)).tobytes()),
        code_version="benchmark",
        settings={},
        metrics={},
    )
    return write_bundle(folder, graph, manifest, panel.windows(np.arange(8)))


def sample_panel() -> Panel:
    """Return the panel of every ticker of the real sample."""
    provider = SampleProvider()
    bars = pl.concat([provider.fetch(ticker) for ticker in sorted(provider.tickers())])
    adjusted = adjust_bars(bars)
    return build_panel(compute_features(adjusted, feature_set()), adjusted, LOOKBACK)


def time_calls(bundle: Bundle, windows: np.ndarray) -> np.ndarray:
    """Return the milliseconds of single calls with different windows."""
    elapsed = np.empty(TIMED_CALLS)
    for i in range(TIMED_CALLS):
        window = windows[i % len(windows)][None]
        started = time.perf_counter()
        bundle.run(window)
        elapsed[i] = time.perf_counter() - started
    return elapsed * 1e3


def main(*, quick: bool = False) -> None:
    """Fit, fuse, compare the forecasts of both sides, and time them in turns."""
    panel = sample_panel()
    members = fit(panel, quick=quick)
    with tempfile.TemporaryDirectory() as folder:
        bundle = bundle_of(members, panel, Path(folder, "bundle"))
    native = Native(members, panel)
    windows = panel.windows(np.arange(len(panel) - 1000, len(panel)))
    batch, one = windows[:BATCH], windows[:1]

    ours, scale = bundle.run(windows), native.run(windows)
    difference = np.abs(ours.scale - scale).max()
    print(
        f"{len(members.forest.estimator.estimators_)} trees,"
        f" LSTM of {members.lstm.config.units} units,"
        f" window of {LOOKBACK} sessions x {len(panel.feature_names)} features;"
        f" 1,000 real windows differ by at most {difference:.1e}"
    )

    def single_calls() -> None:
        for i in range(CALLS_PER_TURN):
            bundle.run(windows[i][None])

    single = compare(single_calls, lambda: native.run(one), repeats=2 if quick else 40)
    in_batch = compare(
        lambda: bundle.run(batch), lambda: native.run(batch), repeats=2 if quick else 15
    )
    calls = time_calls(bundle, windows)
    report("one window", single.median_a / CALLS_PER_TURN, single.median_b)
    report(f"{BATCH} windows", in_batch.median_a, in_batch.median_b)
    p50, p99 = np.percentile(calls, [50, 99])
    print(f"bundle, one window, {TIMED_CALLS:,} calls: p50 {p50:.3f} ms, p99 {p99:.3f} ms")
    print(
        f"targets: p50 below {TARGET_MILLISECONDS} ms,"
        f" one window at least {TARGET_RATIO} times faster"
    )


def report(label: str, bundle_seconds: float, native_seconds: float) -> None:
    """Print medians and their ratio."""
    print(
        f"{label}: bundle {bundle_seconds * 1e3:.3f} ms, native {native_seconds * 1e3:.2f} ms,"
        f" {native_seconds / bundle_seconds:.0f} times faster"
    )
