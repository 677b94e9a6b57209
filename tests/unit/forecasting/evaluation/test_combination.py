from __future__ import annotations

from dataclasses import replace
from datetime import date
from functools import cache
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import scoringrules
from polars.testing import assert_frame_equal
from support.forecasting.folds import synthetic_folds

from core.errors import ForecastError, NotEnoughHistoryError
from forecasting.distribution.levels import LEVELS, REPORTED_COLUMNS
from forecasting.evaluation.combination import combine_folds
from forecasting.evaluation.result import KEY, MODELS, WalkForwardResult
from forecasting.evaluation.walk_forward import FoldForecasts
from forecasting.horizons import HORIZONS
from forecasting.scoring.metrics import coverage


@cache
def combined(scale_factor: float = 1.0) -> WalkForwardResult:
    return combine_folds(synthetic_folds(scale_factor=scale_factor))


def with_outcomes_doubled(folds: list[FoldForecasts], rows: pl.Expr) -> list[FoldForecasts]:
    doubled = pl.when(rows).then(2 * pl.col("log_return") + 0.05).otherwise("log_return")
    return [
        replace(fold, forecasts=fold.forecasts.with_columns(log_return=doubled)) for fold in folds
    ]


def forecasts_of(result: WalkForwardResult, fold: int) -> pl.DataFrame:
    return result.forecasts.filter(fold=fold).select(*KEY, "model", "mean", *REPORTED_COLUMNS)


def test_only_scored_folds_are_returned_with_the_same_rows_for_every_model() -> None:
    forecasts = combined().forecasts
    assert forecasts["fold"].unique().sort().to_list() == [1, 2, 3]
    assert set(forecasts["model"]) == set(MODELS)
    keys = [forecasts.filter(model=model).select(KEY) for model in MODELS]
    for other in keys[1:]:
        assert_frame_equal(keys[0], other)
    assert keys[0].height == 3 * 150 * 3 * len(HORIZONS)
    assert not keys[0].is_duplicated().any()


def test_columns_are_the_documented_ones() -> None:
    documented = [*KEY, "model", "mean", *REPORTED_COLUMNS, "log_return", "crps"]
    assert combined().forecasts.columns == [*documented, "probability_up", "pit"]


@pytest.mark.parametrize("fold", [1, 2, 3])
def test_no_outcome_of_a_fold_or_later_changes_its_forecasts(fold: int) -> None:
    changed = combine_folds(with_outcomes_doubled(synthetic_folds(), pl.col("fold") >= fold))
    assert_frame_equal(forecasts_of(combined(), fold), forecasts_of(changed, fold))
    if fold < 3:
        assert not forecasts_of(combined(), fold + 1).equals(forecasts_of(changed, fold + 1))


def test_outcomes_known_only_inside_a_fold_do_not_calibrate_it() -> None:
    first = synthetic_folds()[2].forecasts["as_of"].min()
    assert isinstance(first, date)
    is_inside = (pl.col("fold") == 1) & (pl.col("target_session") >= first)
    changed = combine_folds(with_outcomes_doubled(synthetic_folds(), is_inside))
    assert_frame_equal(forecasts_of(combined(), 2), forecasts_of(changed, 2))
    assert not forecasts_of(combined(), 3).equals(forecasts_of(changed, 3))


@pytest.mark.parametrize("scale_factor", [0.4, 1.0, 2.5])
def test_members_with_a_wrong_scale_are_calibrated(scale_factor: float) -> None:
    rows = combined(scale_factor).forecasts.filter(horizon=1)
    for model in ("forest", "lstm", "ensemble"):
        own = rows.filter(model=model)
        for level, low, high in ((0.8, "q10", "q90"), (0.95, "q2.5", "q97.5")):
            observed = coverage(*(own[c].to_numpy() for c in ("log_return", low, high)))
            assert observed == pytest.approx(level, abs=0.035)


@pytest.mark.parametrize("fold", [2, 3])
def test_the_shape_of_a_fold_is_learned_from_its_own_training_samples(fold: int) -> None:
    wide = pl.col("location") + 3 * (pl.col("log_return") - pl.col("location"))
    folds = synthetic_folds()
    folds[2] = replace(folds[2], training=folds[2].training.with_columns(log_return=wide))
    width = (pl.col("q99") - pl.col("q1")).mean()
    before, after = (
        result.forecasts.filter(fold=fold, model="ensemble", horizon=1).select(width).item()
        for result in (combined(), combine_folds(folds))
    )
    if fold == 2:
        assert after > 1.3 * before
    else:
        assert after == before


def test_quantiles_never_cross() -> None:
    quantiles = combined().forecasts.select(REPORTED_COLUMNS).to_numpy()
    assert (np.diff(quantiles, axis=1) >= 0).all()


def test_crps_is_that_of_all_199_levels() -> None:
    fold = synthetic_folds()[2].forecasts.filter(horizon=5).sort("ticker", "as_of")
    expected = scoringrules.crps_quantile(
        fold["log_return"].to_numpy(), fold["garch_quantiles"].to_numpy(), LEVELS
    )
    scored = combined().forecasts.filter(model="garch", fold=2, horizon=5).sort("ticker", "as_of")
    np.testing.assert_allclose(scored["crps"].to_numpy(), expected)


def test_final_weights_and_quantiles_are_learned_from_all_folds() -> None:
    result = combined()
    assert set(result.weights) == {1, 2, 3}
    assert set(result.final_weights.scale) == set(HORIZONS)
    for quantiles in result.conformal_quantiles.values():
        assert len(quantiles) == len(LEVELS)
        assert (np.diff(quantiles) >= 0).all()
    last = with_outcomes_doubled(synthetic_folds(), pl.col("fold") == 3)
    changed = combine_folds(last).conformal_quantiles
    assert not np.allclose(changed[1], result.conformal_quantiles[1])


def test_folds_read_from_parquet_give_the_same_result(tmp_path: Path) -> None:
    loaded = []
    for fold in reversed(synthetic_folds()):
        fold.save(tmp_path)
        loaded.append(FoldForecasts.load(tmp_path))
    again = combine_folds(loaded)
    assert_frame_equal(again.forecasts, combined().forecasts)
    assert again.final_weights == combined().final_weights


def test_a_result_equals_itself_after_saving_and_loading(tmp_path: Path) -> None:
    combined().save(tmp_path)
    loaded = WalkForwardResult.load(tmp_path)
    assert_frame_equal(loaded.forecasts, combined().forecasts)
    assert_frame_equal(loaded.excluded, combined().excluded)
    assert loaded.weights == combined().weights
    assert loaded.final_weights == combined().final_weights
    assert loaded.conformal_quantiles.keys() == combined().conformal_quantiles.keys()
    for horizon, quantiles in combined().conformal_quantiles.items():
        np.testing.assert_array_equal(loaded.conformal_quantiles[horizon], quantiles)


def test_scale_weights_are_listed_fold_by_fold() -> None:
    weights = combined().scale_weights()
    assert list(weights) == sorted(HORIZONS)
    assert weights[5] == [combined().weights[fold].scale[5] for fold in (1, 2, 3)]


def test_a_fold_with_too_few_known_outcomes_is_excluded() -> None:
    # One ticker and 40 test sessions: 19 targets over 21 sessions are known before fold 1.
    result = combine_folds(synthetic_folds(test_size=40, tickers=("AAA",)))
    assert result.excluded.rows() == [(1, None, "only 19 outcomes were known before it; 30 needed")]
    assert result.forecasts["fold"].unique().sort().to_list() == [2, 3]


def test_a_walk_forward_without_enough_outcomes_is_refused() -> None:
    with pytest.raises(NotEnoughHistoryError, match="`test_size` must leave 30 known outcomes"):
        combine_folds(synthetic_folds(n_folds=1, test_size=25, tickers=("AAA",)))


def test_a_missing_fold_is_refused() -> None:
    with pytest.raises(ForecastError, match=r"folds 0, 1 and so on, each once, got \[0, 2, 3\]"):
        combine_folds([fold for i, fold in enumerate(synthetic_folds()) if i != 1])
