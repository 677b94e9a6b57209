"""Quickly fitted members on real prices, and their fused graph."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from support.market.adjusted_bars import adjusted_sample

from forecasting.export.fusion import export_forest, export_linear, export_lstm, fuse
from forecasting.features.feature_set import VOLATILITY, compute_features, feature_set
from forecasting.horizons import HORIZONS
from forecasting.models.ensemble import EnsembleWeights
from forecasting.models.forest import ForestConfig
from forecasting.models.lstm import LstmConfig
from forecasting.models.training import FittedMembers, TrainingConfig, fit_members
from forecasting.samples.panel import Panel, build_panel

# All weights differ, so that tests detect confused members or horizons.
WEIGHTS = EnsembleWeights(
    scale={
        h: {"linear": 0.1, "student": 0.15, "forest": 0.2 + h / 100, "lstm": 0.55 - h / 100}
        for h in HORIZONS
    },
)


@dataclass(frozen=True)
class Fused:
    panel: Panel
    members: FittedMembers
    graph: bytes


def quickly_fused(*, seed: int = 3) -> Fused:
    adjusted = adjusted_sample("AAPL", "IBM", "MSFT")
    panel = build_panel(compute_features(adjusted, feature_set()), adjusted, lookback=20)
    rows = np.flatnonzero(np.isfinite(panel.log_returns).all(axis=1))[:4000]
    config = TrainingConfig(
        seed=seed, forest=ForestConfig(trees=40), lstm=LstmConfig(units=12, epochs=2)
    )
    members = fit_members(panel, rows, config)
    graph = fuse(
        members={
            "linear": export_linear(members.linear),
            "student": export_linear(members.student),
            "forest": export_forest(members.forest),
            "lstm": export_lstm(members.lstm),
        },
        scaler=members.scaler,
        weights=WEIGHTS,
        mean_log_return=0.0004,
        volatility_index=panel.feature_names.index(VOLATILITY),
        horizons=panel.horizons,
        lookback=panel.lookback,
        feature_names=panel.feature_names,
    )
    return Fused(panel, members, graph)
