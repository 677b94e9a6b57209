"""Properties of a combination: units, order of rows, and later outcomes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.forecasting.unequal_folds import TICKERS, unequal_folds

from forecasting.evaluation.combination import combine_folds
from forecasting.evaluation.result import KEY, WalkForwardResult
from forecasting.evaluation.walk_forward import FoldForecasts
from forecasting.horizons import HORIZONS
from forecasting.models.base import MEMBERS

SIZES = {"n_folds": 2, "test_size": 40}
IN_UNITS = [
    "log_return",
    "unit",
    "location",
    *(f"{member}_scale" for member in MEMBERS),
]


@cache
def combined() -> WalkForwardResult:
    return combine_folds(unequal_folds(**SIZES))


def changed(*columns: pl.Expr) -> WalkForwardResult:
    folds = unequal_folds(**SIZES)
    return combine_folds(
        [
            replace(
                fold,
                forecasts=fold.forecasts.with_columns(columns),
                training=fold.training.with_columns(known_in_training(fold, columns)),
            )
            for fold in folds
        ]
    )


def known_in_training(fold: FoldForecasts, columns: Sequence[pl.Expr]) -> list[pl.Expr]:
    """Changes by fold are changes of later outcomes, which training samples do not have."""
    return [c for c in columns if set(c.meta.root_names()) <= {*fold.training.columns}]


def members(result: WalkForwardResult) -> pl.DataFrame:
    chosen = result.forecasts.filter(pl.col("model").is_in([*MEMBERS, "ensemble"]))
    return chosen.sort("model", *KEY)


@settings(max_examples=8)
@given(ticker=st.sampled_from(TICKERS), factor=st.floats(1e-3, 1e3))
def test_forecasts_of_a_ticker_scale_with_its_unit(ticker: str, factor: float) -> None:
    """A ticker in other units has the same z, so weights and quantiles stay."""
    is_ticker = pl.col("ticker") == ticker
    scaled = changed(
        *(pl.when(is_ticker).then(pl.col(c) * factor).otherwise(c).alias(c) for c in IN_UNITS)
    )
    for horizon in HORIZONS:
        weights = (r.final_weights.scale[horizon] for r in (scaled, combined()))
        first, second = (np.array([w[member] for member in MEMBERS]) for w in weights)
        np.testing.assert_allclose(first, second, atol=1e-4)
    before, after = members(combined()), members(scaled)
    expected = before["mean"] * np.where(before["ticker"] == ticker, factor, 1.0)
    atol = 1e-5 * max(1.0, factor)
    np.testing.assert_allclose(after["mean"], expected, rtol=0.02, atol=atol)


@settings(max_examples=8)
@given(seed=st.integers(0, 1000))
def test_the_order_of_rows_and_folds_does_not_matter(seed: int) -> None:
    folds = [
        replace(fold, forecasts=fold.forecasts.sample(fraction=1.0, shuffle=True, seed=seed))
        for fold in unequal_folds(**SIZES)
    ]
    shuffled = combine_folds(folds[seed % 3 :] + folds[: seed % 3])
    assert members(shuffled).select(KEY).equals(members(combined()).select(KEY))
    for name in ("mean", "q2.5", "q97.5", "crps"):
        np.testing.assert_allclose(
            members(shuffled)[name], members(combined())[name], rtol=1e-4, atol=1e-6
        )


@settings(max_examples=8)
@given(fold=st.sampled_from([1, 2]), change=st.floats(-0.5, 0.5))
def test_outcomes_of_a_fold_do_not_change_its_forecasts(fold: int, change: float) -> None:
    is_later = pl.col("fold") >= fold
    later = changed(
        pl.when(is_later)
        .then(pl.col("log_return") + change)
        .otherwise("log_return")
        .alias("log_return")
    )
    for name in ("mean", "q0.5", "q50", "q99.5"):
        first, second = (members(r).filter(fold=fold)[name] for r in (later, combined()))
        assert first.equals(second)


@settings(max_examples=8)
@given(shift=st.floats(-0.1, 0.1))
def test_quantiles_ascend_and_weights_stay_in_their_range(shift: float) -> None:
    result = changed(pl.col("log_return") + shift * pl.col("unit"))
    for weights in (*result.weights.values(), result.final_weights):
        for horizon in HORIZONS:
            assert sum(weights.scale[horizon].values()) == pytest.approx(1)
            assert min(weights.scale[horizon].values()) >= 0
    for quantiles in result.conformal_quantiles.values():
        assert (np.diff(quantiles) >= 0).all()
