"""Training targets end before the first test session, also without a purged gap."""

from __future__ import annotations

import numpy as np
import pytest
from support.forecasting.panels import sample_panel

from forecasting.evaluation import walk_forward
from forecasting.evaluation.walk_forward import forecast_fold
from forecasting.models.training import TrainingConfig
from forecasting.samples.splits import Fold, training_rows


def fold_without_gap() -> Fold:
    """Training sessions that end right before the test sessions, as without the purge."""
    sessions = sample_panel("GOOG", "IBM").sessions
    return Fold(1, sessions[:300], sessions[300:340])


def test_a_target_on_the_first_test_session_is_not_trained_on() -> None:
    """Regression: with `<=` in place of `<`, the last training target was a test close."""
    panel, fold = sample_panel("GOOG", "IBM"), fold_without_gap()
    rows = training_rows(panel, fold)
    last = panel.target_sessions.max(axis=1)
    on_first = np.flatnonzero((last == fold.test[0]) & np.isin(panel.sample_sessions, fold.train))
    one_earlier = np.flatnonzero(last == fold.train[-1])
    assert len(on_first) == len(one_earlier) == 2  # both tickers
    assert not np.isin(on_first, rows).any()
    assert np.isin(one_earlier, rows).all()


def test_the_longest_target_decides() -> None:
    panel, fold = sample_panel("GOOG", "IBM"), fold_without_gap()
    assert panel.horizons == (1, 5, 21)
    newest = panel.sample_sessions[training_rows(panel, fold)].max()
    assert newest == fold.train[-22]


class RowsSeenError(Exception):
    """Ends a fold as soon as the rows of every model are known."""


def test_every_model_of_a_fold_is_fitted_without_targets_in_the_test(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    panel, fold = sample_panel("GOOG", "IBM"), fold_without_gap()
    fitted: dict[str, np.ndarray] = {}

    def recorder(name: str) -> type:
        class Model:
            unfitted: dict[str, str] = {}  # noqa: RUF012  read only

            def __init__(self, *_: object, **__: object) -> None: ...

            def fit(self, _: object, rows: np.ndarray) -> Model:
                fitted[name] = rows
                return self

        return Model

    def fit_members(_: object, rows: np.ndarray, __: object) -> None:
        fitted["members"] = rows
        raise RowsSeenError

    monkeypatch.setattr(walk_forward, "NaiveModel", recorder("naive"))
    monkeypatch.setattr(walk_forward, "GarchModel", recorder("garch"))
    monkeypatch.setattr(walk_forward, "fit_members", fit_members)
    with pytest.raises(RowsSeenError):
        forecast_fold(panel, fold, TrainingConfig())

    assert set(fitted) == {"naive", "garch", "members"}
    for rows in fitted.values():
        assert len(rows) > 100
        assert (panel.target_sessions[rows] < fold.test[0]).all()
        assert np.isin(panel.sample_sessions[rows], fold.train).all()
