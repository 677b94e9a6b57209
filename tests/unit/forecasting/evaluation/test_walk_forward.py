from __future__ import annotations

import json
from datetime import date
from functools import cache

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from support.forecasting.panels import rows_between, sample_panel

from core.errors import NotEnoughHistoryError
from forecasting.evaluation.walk_forward import FOLD_SCHEMA, FoldForecasts, forecast_fold
from forecasting.models.forest import ForestConfig
from forecasting.models.garch import GarchConfig
from forecasting.models.lstm import LstmConfig
from forecasting.models.training import TrainingConfig, final_rows, fit_members
from forecasting.samples.splits import Fold, WalkForward, forecast_rows
from forecasting.settings import TrainingSettings

CONFIG = TrainingConfig(
    seed=2,
    walk_forward=WalkForward(n_folds=1, test_size=63, min_train_size=200),
    forest=ForestConfig(trees=5),
    lstm=LstmConfig(units=4, epochs=1),
    garch=GarchConfig(paths=200),
)


def fold_of(*, cutoff: date, first: date, last: date) -> Fold:
    sessions = sample_panel("GOOG", "IBM").sessions
    train = sessions[sessions <= np.datetime64(cutoff)]
    inside = (sessions >= np.datetime64(first)) & (sessions <= np.datetime64(last))
    return Fold(3, train, sessions[inside])


# GOOG trades from 2004-08-19: less than a year before the first cutoff, more before the second.
SHORT = fold_of(cutoff=date(2005, 5, 2), first=date(2005, 6, 9), last=date(2005, 7, 29))
LONG = fold_of(cutoff=date(2006, 5, 1), first=date(2006, 6, 8), last=date(2006, 7, 31))


@cache
def forecast_long(*, shaken: bool = False) -> FoldForecasts:
    # The longest target of the last as-of session is known 21 sessions later, on 2006-08-29.
    after = date(2006, 8, 29) if shaken else None
    return forecast_fold(sample_panel("GOOG", "IBM", shaken_after=after), LONG, CONFIG)


@pytest.mark.slow
def test_every_test_session_of_every_ticker_and_horizon_is_forecast_once() -> None:
    forecasts = forecast_long().forecasts
    panel = sample_panel("GOOG", "IBM")
    assert forecasts.schema == FOLD_SCHEMA
    assert forecasts.height == 3 * len(forecast_rows(panel, LONG)) == 3 * 2 * len(LONG.test)
    assert not forecasts.select("ticker", "as_of", "horizon").is_duplicated().any()
    assert forecasts.null_count().sum_horizontal().item() == 0
    assert forecast_long().excluded.is_empty()


@pytest.mark.slow
def test_prices_after_a_fold_do_not_change_its_forecasts() -> None:
    assert_frame_equal(
        forecast_long().forecasts, forecast_long(shaken=True).forecasts, check_exact=True
    )


@pytest.mark.slow
def test_units_and_outcomes_equal_those_of_the_panel() -> None:
    panel = sample_panel("GOOG", "IBM")
    row = rows_between(panel, date(2006, 6, 8), date(2006, 6, 8))[1]
    forecasts = (
        forecast_long().forecasts.filter(ticker="IBM", as_of=date(2006, 6, 8)).sort("horizon")
    )
    np.testing.assert_array_equal(forecasts["log_return"], panel.log_returns[row])
    np.testing.assert_allclose(forecasts["unit"], panel.volatility[row] * np.sqrt([1, 5, 21]))
    targets = forecasts["target_session"].to_numpy().astype("datetime64[D]")
    np.testing.assert_array_equal(targets, panel.target_sessions[row])


@pytest.mark.slow
def test_a_ticker_with_a_short_history_is_excluded_for_every_model() -> None:
    result = forecast_fold(sample_panel("GOOG", "IBM"), SHORT, CONFIG)
    assert result.forecasts["ticker"].unique().to_list() == ["IBM"]
    [(fold, ticker, reason)] = result.excluded.rows()
    assert (fold, ticker) == (3, "GOOG")
    assert reason.startswith("has 1")
    assert reason.endswith("252 needed")


def test_a_fold_without_any_ticker_is_refused_with_the_reasons() -> None:
    with pytest.raises(NotEnoughHistoryError, match=r"fold 3 must have a ticker.*GOOG has 1\d\d"):
        forecast_fold(sample_panel("GOOG"), SHORT, CONFIG)


@pytest.mark.slow
def test_rows_with_unknown_outcomes_are_not_in_the_result() -> None:
    panel = sample_panel("GOOG", "IBM")
    last = panel.sessions[-30:]
    fold = Fold(1, panel.sessions[panel.sessions < last[0] - np.timedelta64(60, "D")], last)
    by_horizon = forecast_fold(panel, fold, CONFIG).forecasts.group_by("horizon").len()
    counts = dict(by_horizon.iter_rows())
    assert counts == {1: 2 * 29, 5: 2 * 25, 21: 2 * 9}


@pytest.mark.slow
def test_final_members_share_one_scaling_and_use_only_known_targets() -> None:
    panel = sample_panel("GOOG", "IBM")
    rows = final_rows(panel)
    assert len(panel) - len(rows) == 2 * 21
    members = fit_members(panel, rows, CONFIG)
    assert members.forest.scaler is members.lstm.scaler is members.scaler


def test_a_configuration_follows_the_settings_and_can_be_json() -> None:
    settings = TrainingSettings(n_folds=6, profile="quick", seed=11, _env_file=None)
    config = TrainingConfig.from_settings(settings)
    assert (config.seed, config.walk_forward.n_folds) == (11, 6)
    assert (config.forest.trees, config.lstm.units, config.lstm.epochs) == (20, 8, 2)
    standard = TrainingConfig.from_settings(TrainingSettings(_env_file=None))
    assert json.dumps(standard.as_dict()) != json.dumps(config.as_dict())
    assert standard == TrainingConfig()


def test_an_empty_fold_frame_keeps_its_schema_in_parquet(tmp_path: object) -> None:
    empty = pl.DataFrame(schema=FOLD_SCHEMA)
    path = f"{tmp_path}/empty.parquet"
    empty.write_parquet(path)
    assert pl.read_parquet(path).schema == FOLD_SCHEMA
