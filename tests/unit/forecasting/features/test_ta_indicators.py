from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import polars as pl
import pytest
from support.market.adjusted_bars import adjusted_sample, last_rows_of_windows
from ta import momentum, trend, volume

from core.errors import SettingsError
from forecasting.features.admission import Compute, Units, admit_indicator
from forecasting.features.feature_set import MAX_WARMUP, FeatureSet, compute_features, feature_set
from forecasting.features.ta_indicators import available_indicators, named_indicator

Bars = Mapping[str, np.ndarray]

NOT_ADMITTED = {
    "others.cumulative_return": "has not settled after 130 bars",
    "trend.adx": "has not settled after 130 bars",
    "trend.psar_down": "has no value on",
    "trend.psar_up": "has no value on",
    "trend.stc": "has not settled after 130 bars",
    "volume.acc_dist_index": "has not settled after 130 bars",
    "volume.negative_volume_index": "has not settled after 130 bars",
    "volume.on_balance_volume": "has not settled after 130 bars",
    "volume.volume_price_trend": "has not settled after 130 bars",
}


def values_of(name: str, ticker: str) -> np.ndarray:
    feature = named_indicator(name)
    return compute_features(adjusted_sample(ticker), FeatureSet((feature,)))[
        feature.name
    ].to_numpy()


def test_a_named_indicator_follows_the_built_in_features() -> None:
    features = feature_set(("trend.aroon_up", "trend.aroon_up", "momentum.kama"))
    assert features.names[-2:] == ("ta_trend_aroon_up", "ta_momentum_kama")
    assert features.names[:-2] == feature_set().names


def test_a_bounded_indicator_equals_the_output_of_ta() -> None:
    bars = adjusted_sample("IBM").to_pandas()
    expected = trend.aroon_up(bars["high"], bars["low"]).to_numpy()
    values = values_of("trend.aroon_up", "IBM")
    assert np.isnan(values[: MAX_WARMUP - 1]).all()
    np.testing.assert_array_equal(values[MAX_WARMUP - 1 :], expected[MAX_WARMUP - 1 :])


def test_a_price_level_is_divided_by_the_close() -> None:
    bars = adjusted_sample("IBM").to_pandas()
    expected = (momentum.kama(bars["close"]) / bars["close"]).to_numpy()
    values = values_of("momentum.kama", "IBM")
    np.testing.assert_allclose(values[MAX_WARMUP - 1 :], expected[MAX_WARMUP - 1 :], rtol=1e-12)


def test_an_indicator_of_price_times_volume_is_divided_by_both() -> None:
    bars = adjusted_sample("IBM").to_pandas()
    force = volume.force_index(bars["close"], bars["volume"])
    expected = (force / bars["close"] / bars["volume"].rolling(20).mean()).to_numpy()
    values = values_of("volume.force_index", "IBM")
    np.testing.assert_allclose(values[MAX_WARMUP - 1 :], expected[MAX_WARMUP - 1 :], rtol=1e-9)


@pytest.mark.parametrize(("name", "reason"), NOT_ADMITTED.items())
def test_an_indicator_without_the_properties_of_a_feature_is_refused_with_the_reason(
    name: str, reason: str
) -> None:
    with pytest.raises(SettingsError, match=f"`extra_indicators`: '{name}' {reason}"):
        feature_set((name,))


def test_an_unknown_name_is_refused_with_similar_names() -> None:
    with pytest.raises(SettingsError, match=r"'trend.arun_up'.*did you mean trend.aroon_up"):
        feature_set(("trend.arun_up",))


@pytest.mark.parametrize("name", ["", "os.system", "trend.__class__", "trend._ema", "wrapper.x"])
def test_only_functions_of_ta_that_take_bars_can_be_named(name: str) -> None:
    with pytest.raises(SettingsError, match="is not an indicator of `ta`"):
        feature_set((name,))


def of_close(function: Callable[[np.ndarray], np.ndarray]) -> Compute:
    return lambda bars: function(bars["close"])


def with_gap(close: np.ndarray) -> np.ndarray:
    return np.where(np.arange(len(close)) == 300, np.nan, close)


@pytest.mark.parametrize(
    ("compute", "reason"),
    [
        (of_close(lambda close: np.append(close[1:], close[-1])), "looks ahead"),
        (of_close(lambda close: close / close.max()), "looks ahead"),
        (of_close(np.cumsum), "has not settled"),
        (of_close(lambda close: close - close[0]), "has not settled"),
        (of_close(with_gap), "has no value on"),
        (of_close(np.log), "depends on the unit of the close"),
        (lambda bars: np.log(bars["volume"]), "depends on the unit of the volume"),
    ],
    ids=["next-close", "share-of-maximum", "sum", "since-start", "gap", "log-price", "log-volume"],
)
def test_each_check_refuses_an_indicator_that_fails_it(compute: Compute, reason: str) -> None:
    with pytest.raises(SettingsError, match=reason):
        admit_indicator("test.indicator", compute)


@pytest.mark.parametrize(
    ("compute", "units"),
    [
        (of_close(lambda close: close), Units(1, 0)),
        (lambda bars: bars["close"] / bars["open"], Units(0, 0)),
        (lambda bars: bars["close"] * bars["volume"], Units(1, 1)),
        (lambda bars: bars["high"] * bars["low"] / bars["volume"], Units(2, -1)),
    ],
    ids=["price", "ratio", "turnover", "ease"],
)
def test_the_checks_detect_the_units(compute: Compute, units: Units) -> None:
    assert admit_indicator("test.indicator", compute).units == units


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(set(available_indicators()) - set(NOT_ADMITTED)))
def test_every_admitted_indicator_has_the_properties_on_real_bars(name: str) -> None:
    features = FeatureSet((named_indicator(name),))
    feature = features.features[0]
    for ticker in ("AAPL", "FB"):
        bars = adjusted_sample(ticker).tail(480)
        whole = compute_features(bars, features)[feature.name]
        assert whole.tail(bars.height - MAX_WARMUP + 1).is_finite().all()
        ends = [*range(MAX_WARMUP, bars.height - 1, 71), bars.height - 1]
        windows = last_rows_of_windows(bars, ends, MAX_WARMUP, features)[:, 0]
        assert np.abs(windows - whole.to_numpy()[ends]).max() <= feature.tolerance
        cut = bars.height - 40
        early = compute_features(bars.head(cut), features)[feature.name]
        np.testing.assert_allclose(early.to_numpy(), whole.head(cut).to_numpy(), rtol=1e-9)


def test_other_tickers_do_not_change_an_indicator() -> None:
    features = FeatureSet((named_indicator("volume.force_index"),))
    together = compute_features(adjusted_sample("AAPL", "FB", "IBM"), features)
    for ticker in ("AAPL", "FB", "IBM"):
        alone = values_of("volume.force_index", ticker)
        expected = together.filter(pl.col("ticker") == ticker)["ta_volume_force_index"].to_numpy()
        np.testing.assert_array_equal(expected, alone)
