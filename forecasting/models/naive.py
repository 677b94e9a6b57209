"""The naive forecast: no change, with the spread that the ticker's past returns had.

It knows nothing of the present market; whatever cannot beat it is not worth running.
"""

from __future__ import annotations

from typing import Self

import numpy as np

from forecasting.distribution.conformal import conformal_quantiles
from forecasting.distribution.levels import LEVELS
from forecasting.models.base import (
    Array,
    QuantileForecast,
    Rows,
    daily_histories,
    rows_by_ticker,
)
from forecasting.samples.panel import Panel


class NaiveModel:
    """Mean 0, and the empirical quantiles of the ticker's h-session log returns up to the cutoff.

    The past returns overlap and are recentred on a median of zero: a past drift would be a forecast
    of a change. The distribution of one ticker and horizon is the same at every as-of session.

    Attributes
    ----------
    refused
        Tickers with less than a year of log returns up to the cutoff, with the reason.
    """

    name = "naive"

    def __init__(self) -> None:
        self.refused: dict[str, str] = {}
        self._quantiles: dict[str, Array] = {}

    def fit(self, panel: Panel, rows: Rows) -> Self:
        """Take each ticker's log returns up to the last as-of session of `rows`."""
        histories, self.refused = daily_histories(panel, rows)
        self._quantiles = {
            ticker: np.stack([_spread(daily, h) for h in panel.horizons])
            for ticker, daily in histories.items()
        }
        return self

    def quantiles(self, panel: Panel, rows: Rows) -> QuantileForecast:
        """Return the same distribution for every as-of session of a ticker, see `Reference`."""
        shape = (len(rows), len(panel.horizons))
        quantiles = np.empty((*shape, len(LEVELS)))
        for ticker, places in rows_by_ticker(panel, rows, self.refused).items():
            quantiles[places] = self._quantiles[ticker]
        return QuantileForecast(np.zeros(shape), quantiles)


def _spread(daily: Array, horizon: int) -> Array:
    """Return the quantiles of overlapping sums over `horizon` sessions, around their median."""
    total = np.concatenate([[0.0], np.cumsum(daily)])
    over_horizon = total[horizon:] - total[:-horizon]
    return conformal_quantiles(over_horizon - np.median(over_horizon), LEVELS)
