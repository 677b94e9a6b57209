from __future__ import annotations

from datetime import date
from functools import cache

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from support.market.adjusted_bars import PRICES, adjusted_sample, last_rows_of_windows

from forecasting.features.feature_set import (
    MAX_WARMUP,
    VOLATILITY,
    Feature,
    FeatureSet,
    compute_features,
    feature_set,
)

# One named indicator of each kind: bounded, price level, path-dependent, of volume, of both.
NAMED = (
    "trend.aroon_up",
    "momentum.kama",
    "trend.psar_up_indicator",
    "volume.chaikin_money_flow",
    "volume.force_index",
)
FEATURES = feature_set(NAMED)
IN_UNITS_OF_VOLATILITY = [f.name for f in feature_set().features if f.group == "log_volatility"]


@cache
def table() -> pl.DataFrame:
    return compute_features(adjusted_sample(), FEATURES)


@cache
def tables_with_changed_later_bars() -> list[tuple[date, pl.DataFrame]]:
    """Feature tables of bars that are changed after a cutoff."""
    bars = adjusted_sample("AAPL", "FB", "GOOG")
    tables = []
    for cutoff in (date(2008, 9, 26), date(2012, 12, 31), date(2013, 2, 28)):
        later = pl.col("session") > cutoff
        changed = bars.with_columns(
            pl.when(later).then(pl.col("low") / 3).otherwise(pl.col("low")),
            pl.when(later).then(pl.col("high") * 5).otherwise(pl.col("high")),
            pl.when(later).then(pl.col("open") * 2).otherwise(pl.col("open")),
            pl.when(later).then(pl.col("close") / 2).otherwise(pl.col("close")),
            pl.when(later).then(pl.col("volume") * 9).otherwise(pl.col("volume")),
        )
        tables.append((cutoff, compute_features(changed, FEATURES)))
    return tables


@pytest.mark.parametrize("name", FEATURES.names)
def test_changing_later_bars_changes_no_earlier_value(name: str) -> None:
    columns = ["ticker", "session", name]
    for cutoff, changed in tables_with_changed_later_bars():
        tickers = changed["ticker"].unique().to_list()
        is_before = (pl.col("session") <= cutoff) & pl.col("ticker").is_in(tickers)
        expected = table().filter(is_before).select(columns)
        assert_frame_equal(changed.filter(is_before).select(columns), expected, check_exact=True)


@cache
def window_errors(warmup: int, *, named: bool) -> dict[str, float]:
    """Largest difference between windows of `warmup` bars and the whole history, by feature."""
    alike = (f for f in FEATURES.features if f.warmup == warmup and (f.group == "ta") == named)
    chosen = FeatureSet(tuple(alike))
    worst = np.zeros(len(chosen.names))
    step = 151 if named else 11  # `ta` is slow
    for (ticker,), bars in adjusted_sample().partition_by("ticker", as_dict=True).items():
        ends = [*range(MAX_WARMUP, bars.height - 1, step), bars.height - 1]
        whole = table().filter(pl.col("ticker") == ticker).select(chosen.names).to_numpy()[ends]
        windows = last_rows_of_windows(bars, ends, warmup, chosen)
        assert np.isfinite(windows).all()
        worst = np.maximum(worst, np.abs(windows - whole).max(axis=0))
    return dict(zip(chosen.names, worst.tolist(), strict=True))


@pytest.mark.parametrize("feature", FEATURES.features, ids=lambda f: f.name)
def test_a_window_of_warmup_length_has_the_last_row_of_the_whole_history(feature: Feature) -> None:
    errors = window_errors(feature.warmup, named=feature.group == "ta")
    assert errors[feature.name] <= feature.tolerance


@pytest.mark.parametrize("feature", FEATURES.features, ids=lambda f: f.name)
def test_a_tolerance_is_small_against_the_variation_of_the_feature(feature: Feature) -> None:
    values = table()[feature.name].drop_nulls()
    assert feature.tolerance <= 0.03 * values.std()


@pytest.mark.parametrize("feature", FEATURES.features, ids=lambda f: f.name)
def test_values_start_at_the_warmup_and_are_finite_from_there(feature: Feature) -> None:
    for ticker in ("AAPL", "FB"):
        values = table().filter(pl.col("ticker") == ticker)[feature.name]
        assert values.dtype == pl.Float64
        assert values.head(feature.warmup - 1).null_count() == feature.warmup - 1
        assert values[feature.warmup - 1 :].is_finite().all()


def test_the_built_in_features_suffice_and_fit_young_tickers() -> None:
    built_in = feature_set()
    assert len(built_in.names) >= 24
    assert built_in.warmup <= MAX_WARMUP
    assert VOLATILITY in built_in.names
    complete = table().filter(pl.col("ticker") == "FB").drop_nulls()
    assert complete.height == 196 - MAX_WARMUP + 1


def test_no_feature_has_the_name_of_a_target() -> None:
    assert not {f"log_return_{h}" for h in (1, 5, 21)} & set(FEATURES.names)


def test_other_tickers_do_not_change_the_features_of_a_ticker() -> None:
    alone = compute_features(adjusted_sample("IBM"), FEATURES)
    assert_frame_equal(alone, table().filter(pl.col("ticker") == "IBM"), abs_tol=1e-12)


@pytest.mark.parametrize("n_bars", [0, 1, 2, 40])
def test_few_bars_give_nulls_not_errors(n_bars: int) -> None:
    bars = adjusted_sample("AAPL", "IBM").group_by("ticker", maintain_order=True).head(n_bars)
    short = compute_features(bars, FEATURES)
    assert short.height == bars.height
    assert short[VOLATILITY].null_count() == bars.height


def test_features_do_not_depend_on_the_units_of_price_and_volume() -> None:
    bars = adjusted_sample("GOOG", "FB")
    # Powers of two are exact: any other factor breaks ties between up and down moves in ADX.
    scaled = bars.with_columns(pl.col(PRICES) * 2.0**-10, pl.col("volume") * 2.0**6)
    expected = compute_features(bars, FEATURES)
    assert_frame_equal(compute_features(scaled, FEATURES), expected, abs_tol=1e-6)


def flat_bars(n_bars: int = 300, volume: float = 0.0) -> pl.DataFrame:
    head = adjusted_sample("AAPL").head(n_bars)
    return head.with_columns(*(pl.lit(12.34).alias(p) for p in PRICES), volume=pl.lit(volume))


@pytest.mark.parametrize("volume", [0.0, 1e6])
def test_constant_prices_give_neutral_values_and_no_volatility(volume: float) -> None:
    last = compute_features(flat_bars(volume=volume), feature_set()).row(-1, named=True)
    assert last[VOLATILITY] is None
    assert {last[name] for name in IN_UNITS_OF_VOLATILITY} == {None}
    left_out = {"ticker", "session", VOLATILITY, *IN_UNITS_OF_VOLATILITY}
    others = {k: v for k, v in last.items() if k not in left_out}
    moving = {k: v for k, v in others.items() if not k.startswith("weekday") and abs(v) > 1e-9}
    assert moving == {}


def test_features_stay_defined_during_a_trading_halt() -> None:
    bars = adjusted_sample("IBM").tail(400).with_row_index("row")
    is_halted = pl.col("row").is_between(300, 360)
    last_close = bars["close"][299]
    bars = bars.with_columns(
        *(pl.when(is_halted).then(last_close).otherwise(pl.col(p)).alias(p) for p in PRICES),
        volume=pl.when(is_halted).then(0.0).otherwise(pl.col("volume")),
    ).drop("row")
    values = compute_features(bars, feature_set()).tail(101)
    assert values.null_count().sum_horizontal().item() == 0
    assert values.select(pl.col(pl.Float64).is_finite().all()).row(0) == (True,) * len(
        feature_set().names
    )


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    turbulence=st.sampled_from([1e-9, 1e-4, 0.02, 0.5]),
    share_unchanged=st.sampled_from([0.0, 0.3, 0.97]),
    volumes=st.lists(st.sampled_from([0.0, 1.0, 1e4, 1e11]), min_size=1, max_size=4),
)
def test_no_bars_give_nan_or_infinity(
    seed: int, turbulence: float, share_unchanged: float, volumes: list[float]
) -> None:
    rng = np.random.default_rng(seed)
    n = 160
    moves = turbulence * rng.standard_t(2, n) * (rng.random(n) > share_unchanged)
    close = 20 * np.exp(np.clip(np.cumsum(moves), -15, 15))
    bars = adjusted_sample("AAPL").head(n)
    bars = bars.with_columns(
        open=pl.Series(close),
        high=pl.Series(close * (1 + turbulence * rng.random(n))),
        low=pl.Series(close / (1 + turbulence * rng.random(n))),
        close=pl.Series(close),
        volume=pl.Series(rng.choice(volumes, n)),
    )
    values = compute_features(bars, feature_set()).tail(10)
    defined = values.select(pl.col(pl.Float64).drop_nulls().is_finite().all())
    assert all(defined.row(0))
    others = values.drop(VOLATILITY, *IN_UNITS_OF_VOLATILITY)
    assert others.null_count().sum_horizontal().item() == 0
    for name in IN_UNITS_OF_VOLATILITY:
        assert values[name].is_null().equals(values[VOLATILITY].is_null(), check_names=False)
    bounded = values.select("rsi_14", "stochastic_14", "obv_flow_20", "directional_14", "adx_14")
    assert np.abs(bounded.to_numpy()).max() <= 1 + 1e-9
