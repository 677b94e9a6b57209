"""Features, compared with the independent implementation of the indicators in `ta`."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from arch.univariate import EWMAVariance
from support.market.adjusted_bars import adjusted_sample
from ta import momentum, others, trend, volatility, volume

from forecasting.features.feature_set import compute_features, feature_set

# Row from which the start of the averages, which differs between TA-Lib and `ta`, has no effect.
SETTLED = 500
BY_NAME = {feature.name: feature for feature in feature_set().features}


Oracle = Callable[[pd.DataFrame], pd.Series]


def from_bars(function: Callable[..., pd.Series], **parameters: int) -> Oracle:
    return lambda b: function(b["high"], b["low"], b["close"], **parameters)


def from_close(function: Callable[..., pd.Series], **parameters: int) -> Oracle:
    return lambda b: function(b["close"], **parameters)


def log_roc(span: int) -> Oracle:
    return lambda b: np.log1p(momentum.roc(b["close"], span) / 100)


def over_sma(span: int) -> Oracle:
    return lambda b: b["close"] / trend.sma_indicator(b["close"], span) - 1


def over_close(indicator: Oracle) -> Oracle:
    return lambda b: indicator(b) / b["close"]


def directional(b: pd.DataFrame) -> pd.Series:
    return (from_bars(trend.adx_pos)(b) - from_bars(trend.adx_neg)(b)) / 100


def close_to_high(b: pd.DataFrame) -> pd.Series:
    return np.log(b["close"] / from_bars(volatility.donchian_channel_hband, window=63)(b))


def obv_flow(b: pd.DataFrame) -> pd.Series:
    flow = volume.on_balance_volume(b["close"], b["volume"]).diff(20)
    # `ta` adds the volume of an unchanged close; TA-Lib and Granville leave it out.
    unchanged = (b["close"].diff() == 0).rolling(20).max() == 1
    return (flow / b["volume"].rolling(20).sum()).mask(unchanged)


ORACLE: dict[str, Oracle] = {
    **{f"log_return_past_{span}": log_roc(span) for span in (1, 2, 5, 10, 21)},
    "log_return_past_1_lag_1": lambda b: others.daily_log_return(b["close"]).shift(1) / 100,
    **{f"close_to_sma_{span}": over_sma(span) for span in (5, 20, 50)},
    "macd": over_close(from_close(trend.macd)),
    "macd_histogram": over_close(from_close(trend.macd_diff)),
    "adx_14": lambda b: from_bars(trend.adx)(b) / 100,
    "directional_14": directional,
    "close_to_high_63": close_to_high,
    "rsi_14": lambda b: momentum.rsi(b["close"]) / 50 - 1,
    "bollinger_position_20": lambda b: 2 * volatility.bollinger_pband(b["close"]) - 1,
    "stochastic_14": lambda b: from_bars(momentum.stoch)(b) / 50 - 1,
    "cci_20": lambda b: from_bars(trend.cci)(b) / 100,
    "atr_14": over_close(from_bars(volatility.average_true_range)),
    "obv_flow_20": obv_flow,
}


def both(name: str, ticker: str) -> tuple[np.ndarray, np.ndarray]:
    bars = adjusted_sample(ticker)
    ours = compute_features(bars, feature_set())[name].to_numpy()
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        theirs = ORACLE[name](bars.to_pandas()).to_numpy()
    return ours, theirs


def test_every_indicator_with_a_counterpart_is_compared() -> None:
    without = {"gap", "volume_ratio_20", "volume_trend_5_50", "weekday_sin", "weekday_cos"}
    ours = {"volatility", "log_volatility"}
    volatilities = {n for n, f in BY_NAME.items() if f.group in ours} - {"atr_14"}
    assert set(BY_NAME) == set(ORACLE) | without | volatilities


@pytest.mark.parametrize("ticker", ["AAPL", "GOOG", "IBM", "MSFT"])
@pytest.mark.parametrize("name", ORACLE)
def test_a_settled_feature_equals_ta(name: str, ticker: str) -> None:
    ours, theirs = both(name, ticker)
    difference = np.abs(ours - theirs)[SETTLED:]
    assert np.isfinite(difference).mean() > 0.5
    assert np.nanmax(difference) < 1e-9


@pytest.mark.parametrize("ticker", ["AAPL", "FB", "GOOG"])
@pytest.mark.parametrize("name", ORACLE)
def test_a_feature_equals_ta_within_its_tolerance_from_its_warmup_on(
    name: str, ticker: str
) -> None:
    ours, theirs = both(name, ticker)
    difference = np.abs(ours - theirs)[BY_NAME[name].warmup :]
    # Both may differ from the settled value by the tolerance, in opposite directions.
    assert np.nanmax(difference) <= 2 * BY_NAME[name].tolerance


@pytest.mark.parametrize("ticker", ["AAPL", "IBM"])
def test_ewma_volatility_equals_the_riskmetrics_model_of_arch(ticker: str) -> None:
    bars = adjusted_sample(ticker)
    log_return = np.diff(np.log(bars["close"].to_numpy()))
    # sigma2[t] of `arch` is the forecast for t from the returns before t.
    variance = np.empty(len(log_return) + 1)
    parameters, backcast = np.array([]), log_return[:50].var()
    bounds = np.tile([0.0, np.inf], (len(variance), 1))
    EWMAVariance(lam=0.94).compute_variance(
        parameters, np.append(log_return, 0.0), variance, backcast, bounds
    )
    ours = compute_features(bars, feature_set())["ewma_volatility"].to_numpy()
    relative = ours[SETTLED:] / np.sqrt(variance[SETTLED:]) - 1
    # The feature leaves out returns older than 120 sessions: 0.94 ** 120 = 0.06 % of the weight in
    # the variance, half of that in the volatility, more after turbulent times.
    assert np.abs(relative).max() < 0.005
    assert np.median(np.abs(relative)) < 3e-4
