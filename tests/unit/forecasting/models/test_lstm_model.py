from __future__ import annotations

import subprocess
import sys
from datetime import date
from functools import cache

import numpy as np
import pytest
from support.forecasting.panels import rows_between, sample_panel

from core.errors import ForecastError, NotEnoughHistoryError
from forecasting.models.lstm import LstmConfig, LstmModel, split_validation
from forecasting.models.z_space import fitting_targets
from forecasting.samples.panel import Panel

pytestmark = pytest.mark.slow
FIRST, CUTOFF = date(2004, 1, 1), date(2006, 9, 1)
CONFIG = LstmConfig(units=4, epochs=2)


@cache
def model() -> LstmModel:
    panel = sample_panel("AAPL", "IBM")
    return LstmModel(CONFIG, seed=5).fit(panel, rows_between(panel, FIRST, CUTOFF))


def test_importing_the_module_does_not_import_tensorflow() -> None:
    program = "import sys, forecasting.models.lstm; print({'tensorflow', 'keras'} & {*sys.modules})"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "set()"


def test_the_network_has_one_lstm_layer_with_stable_names() -> None:
    names = [layer.name for layer in model().model.layers]
    assert names == ["window", "dropout", "lstm", "log_scale"]
    assert model().model.output_shape == (None, 3)


def test_an_untrained_network_has_a_reasonable_forecast() -> None:
    panel = sample_panel("AAPL", "IBM")
    rows = rows_between(panel, FIRST, CUTOFF)
    start = LstmModel(LstmConfig(units=4, epochs=1, learning_rate=0.0), seed=1).fit(panel, rows)
    log_scale = np.log(start.scales(panel, rows) / unit_of(panel, rows))
    train, _ = split_validation(panel, rows, start.config.validation_share)
    typical = fitting_targets(panel, train).mean(axis=0)
    np.testing.assert_allclose(log_scale.mean(axis=0), typical, atol=0.05)
    assert log_scale.std(axis=0).max() < 0.1


def test_scales_are_the_raw_outputs_in_the_documented_units() -> None:
    panel = sample_panel("AAPL", "IBM")
    rows = rows_between(panel, date(2007, 1, 3), date(2007, 3, 1))
    raw = np.asarray(model().model(model().scaler.transform(panel.windows(rows))))
    scales = model().scales(panel, rows)
    np.testing.assert_allclose(scales, np.exp(raw) * unit_of(panel, rows), rtol=1e-6)


def test_the_loss_curve_is_recorded() -> None:
    history = model().history
    assert 1 <= len(history.loss) == len(history.val_loss) <= CONFIG.epochs
    assert np.isfinite([history.loss, history.val_loss]).all()


def test_no_training_target_reaches_into_the_validation_sessions() -> None:
    panel = sample_panel("AAPL", "IBM")
    rows = rows_between(panel, FIRST, CUTOFF)
    train, validation = split_validation(panel, rows, 0.15)
    first_validation = panel.sample_sessions[validation].min()
    assert panel.target_sessions[train].max() < first_validation
    sessions = np.unique(panel.sample_sessions[rows])
    assert len(np.unique(panel.sample_sessions[validation])) == int(0.15 * len(sessions))
    assert not set(train) & set(validation)


def test_too_few_sessions_for_a_validation_set_are_refused() -> None:
    panel = sample_panel("AAPL", "IBM")
    with pytest.raises(NotEnoughHistoryError, match="validation set"):
        LstmModel(CONFIG).fit(panel, rows_between(panel, CUTOFF, date(2006, 9, 8)))


def test_an_unfitted_network_raises() -> None:
    with pytest.raises(ForecastError, match="`lstm` must be fitted"):
        LstmModel().model  # noqa: B018


def unit_of(panel: Panel, rows: np.ndarray) -> np.ndarray:
    unit: np.ndarray = panel.volatility[rows][:, None] * np.sqrt([1, 5, 21])
    return unit
