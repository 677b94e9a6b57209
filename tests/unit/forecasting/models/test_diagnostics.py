from __future__ import annotations

from pathlib import Path

import numpy as np
from support.forecasting.panels import rows_between, sample_panel

from forecasting.models.diagnostics import FeatureImportance, TrainingHistory
from forecasting.models.forest import ForestConfig, ForestModel


def test_diagnostics_equal_themselves_after_saving_and_loading(tmp_path: Path) -> None:
    importance = FeatureImportance(["gap", "rsi_14"], [0.25, 0.75])
    history = TrainingHistory(loss=[1.5, 1.25], val_loss=[1.5, 1.375])
    importance.save(tmp_path)
    history.save(tmp_path)
    assert FeatureImportance.load(tmp_path) == importance
    assert TrainingHistory.load(tmp_path) == history


def test_a_forest_states_the_importance_of_every_feature() -> None:
    panel = sample_panel("AAPL", "IBM")
    rows = rows_between(panel, *panel.keys["session"][[0, 999]])
    forest = ForestModel(ForestConfig(trees=3)).fit(panel, rows)
    importance = forest.importance(panel.feature_names)
    assert tuple(importance.names) == panel.feature_names
    np.testing.assert_allclose(sum(importance.values), 1.0)
