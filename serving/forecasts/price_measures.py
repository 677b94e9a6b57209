"""Measures of a ticker's closes: returns, averages, volatility, drawdown, and its market."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forecasting.price_history import PriceSeries
from serving.forecasts.responses import round_float32
from serving.http.schemas.explanation import Regime
from serving.http.schemas.market import Drawdown, MarketExposure, PriceRange, Volatility

_YEAR = 252
_VOLATILITY_SPAN = 21
_SPANS = {"1w": 5, "1m": 21, "3m": 63, "6m": 126, "1y": 252}
_AVERAGES = (20, 50, 200)
_MIN_COMMON_SESSIONS = 60
_BLOCK = 250
# Above the rounding of float32 closes, far below the variance of any traded price.
_MIN_VARIANCE = 1e-12
_CALM_TO, _TURBULENT_ABOVE = 0.25, 0.75

Floats = NDArray[np.float64]


def measure_returns(closes: Floats) -> dict[str, float | None]:
    """Return the simple return over each span, or None if the history is shorter."""
    return {
        name: round_float32(closes[-1] / closes[-1 - span] - 1) if len(closes) > span else None
        for name, span in _SPANS.items()
    }


def measure_averages(closes: Floats) -> dict[str, float | None]:
    """Return the simple moving averages of the closes."""
    return {
        str(span): round_float32(float(closes[-span:].mean())) if len(closes) >= span else None
        for span in _AVERAGES
    }


def measure_range(closes: Floats) -> PriceRange:
    """Return the lowest and the highest close of at most one year."""
    year = closes[-_YEAR:]
    return PriceRange(low=round_float32(float(year.min())), high=round_float32(float(year.max())))


def measure_volatility(closes: Floats) -> Volatility | None:
    """Return the realised volatility and its rank in the history, or None without a month."""
    returns = np.diff(np.log(closes))
    if len(returns) < _VOLATILITY_SPAN:
        return None
    spans = np.lib.stride_tricks.sliding_window_view(returns, _VOLATILITY_SPAN)
    history = spans.std(axis=1, ddof=1) * np.sqrt(_YEAR)
    current = float(history[-1])
    rank = float((history <= current).mean())
    return Volatility(
        annualised=round_float32(current),
        rank=round_float32(rank),
        sessions=len(history),
        regime=_regime_of(rank),
    )


def _regime_of(rank: float) -> Regime:
    if rank > _TURBULENT_ABOVE:
        return "turbulent"
    return "calm" if rank <= _CALM_TO else "normal"


def measure_drawdown(series: PriceSeries) -> Drawdown:
    """Return the present and the largest fall of the close from its previous peak."""
    peaks = np.maximum.accumulate(series.closes)
    falls = series.closes / peaks - 1
    peak = int(np.flatnonzero(series.closes == peaks)[-1])
    return Drawdown(
        current=round_float32(float(falls[-1])),
        maximum=round_float32(float(falls.min())),
        peak_session=series.sessions[peak].item(),
    )


@dataclass(frozen=True, eq=False)
class UniverseReturns:
    """Sums of the log returns of all tickers, by session.

    `total` and `count` start at the session `first` (days since 1970), one entry for each day.
    """

    first: int
    total: Floats
    count: NDArray[np.int64]

    @classmethod
    def of_prices(cls, prices: NDArray[Any]) -> UniverseReturns:
        """Add up the returns in `prices`, see `forecasting.price_history.pack_prices`."""
        days = prices["session"][np.isfinite(prices["close"])]
        first, last = (int(days.min()), int(days.max())) if days.size else (0, 0)
        total = np.zeros(last - first + 1)
        count = np.zeros(last - first + 1, np.int64)
        # In blocks, because float64 returns of thousands of tickers would need tens of megabytes.
        for start in range(0, len(prices), _BLOCK):
            block = prices[start : start + _BLOCK]
            returns = np.diff(np.log(block["close"].astype(np.float64)), axis=1)
            known = np.isfinite(returns)
            place = block["session"][:, 1:][known] - first
            total += np.bincount(place, weights=returns[known], minlength=len(total))
            count += np.bincount(place, minlength=len(count))
        return cls(first, total, count)

    def exposure(self, series: PriceSeries) -> MarketExposure | None:
        """Return beta and correlation with the mean of the other tickers.

        None if they have fewer than 60 sessions in common or no variance.
        """
        own = np.diff(np.log(series.closes))
        place = series.sessions[1:].astype(np.int64) - self.first
        others = self.count[place] - 1
        common = others > 0
        if common.sum() < _MIN_COMMON_SESSIONS:
            return None
        own, place = own[common], place[common]
        market = (self.total[place] - own) / others[common]
        covariance = np.cov(own, market)
        if covariance.diagonal().min() < _MIN_VARIANCE:
            return None
        correlation = covariance[0, 1] / np.sqrt(covariance[0, 0] * covariance[1, 1])
        return MarketExposure(
            beta=round_float32(float(covariance[0, 1] / covariance[1, 1])),
            correlation=round_float32(float(correlation)),
            sessions=len(own),
            tickers=int(others.max()),
        )
