"""The naive forecast: no change, with the spread of past returns of the ticker."""

from __future__ import annotations

from typing import Self

import numpy as np

from forecasting.distribution.conformal import conformal_quantiles
from forecasting.distribution.levels import LEVELS
from forecasting.models.base import Array, QuantileForecast, Rows
from forecasting.models.histories import daily_histories, rows_by_ticker
from forecasting.samples.panel import Panel


class NaiveModel:
    """Mean 0, and the empirical quantiles of past log returns over each horizon.

    The distribution of a ticker and horizon consists of the overlapping log returns up to the
    cutoff, centred at their median because a past drift would be a forecast of a change. It is the
    same at every as-of session.

    Attributes
    ----------
    unfitted
        Tickers with less than one year of log returns up to the cutoff, with the reason.
    """

    name = "naive"

    def __init__(self) -> None:
        self.unfitted: dict[str, str] = {}
        self._quantiles: dict[str, Array] = {}

    def fit(self, panel: Panel, rows: Rows) -> Self:
        """Compute the quantiles from log returns up to the last as-of session of `rows`."""
        histories, self.unfitted = daily_histories(panel, rows)
        self._quantiles = {
            ticker: np.stack([_centred_quantiles(daily, h) for h in panel.horizons])
            for ticker, daily in histories.items()
        }
        return self

    def quantiles(self, panel: Panel, rows: Rows) -> QuantileForecast:
        """Return the distribution of the ticker for each of samples `rows`, see `Reference`."""
        shape = (len(rows), len(panel.horizons))
        quantiles = np.empty((*shape, len(LEVELS)))
        for ticker, places in rows_by_ticker(panel, rows, self.unfitted).items():
            quantiles[places] = self._quantiles[ticker]
        return QuantileForecast(np.zeros(shape), quantiles)


def _centred_quantiles(daily: Array, horizon: int) -> Array:
    """Return the quantiles of overlapping sums over `horizon` sessions, minus their median."""
    total = np.concatenate([[0.0], np.cumsum(daily)])
    over_horizon = total[horizon:] - total[:-horizon]
    return conformal_quantiles(over_horizon - np.median(over_horizon), LEVELS)
