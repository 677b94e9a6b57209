"""Whether one forecast's scores are better than another's by more than chance: Diebold-Mariano.

Only paired scores on the same rows can be compared. Scoring belongs to `forecasting.scoring.metrics`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from core.errors import ForecastError

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class DieboldMariano:
    """The test of equal expected loss.

    Attributes
    ----------
    difference
        Mean over sessions of the loss differential; negative when the first forecast is better.
    statistic, p_value
        Of the two-sided test; None when there are too few sessions, or no differential varies.
    lag, sessions
        Autocovariances that were used, and the number of sessions.
    """

    difference: float
    statistic: float | None
    p_value: float | None
    lag: int
    sessions: int

    @property
    def p_greater(self) -> float:
        """P-value of "the first loses no more" against "it loses more": small, it loses more.

        NaN when there are too few sessions; a differential that never varies decides by its sign.
        """
        if self.statistic is None:
            return math.nan if self._too_few else float(self.difference <= 0)
        from scipy import stats  # noqa: PLC0415  only training has it

        return float(stats.t.sf(self.statistic, self.sessions - 1))

    def upper_bound(self, confidence: float = 0.95) -> float:
        """Return the one-sided upper confidence bound of the difference; NaN as in `p_greater`."""
        if self.statistic is None:
            return math.nan if self._too_few else self.difference
        from scipy import stats  # noqa: PLC0415  only training has it

        error = self.difference / self.statistic if self.statistic else 0.0
        return self.difference + error * float(stats.t.ppf(confidence, self.sessions - 1))

    @property
    def _too_few(self) -> bool:
        return self.sessions <= self.lag + 1


def diebold_mariano(differential: Array, sessions: npt.ArrayLike, horizon: int) -> DieboldMariano:
    """Test whether two forecasts over `horizon` sessions lose equally much.

    Losses of one session are averaged over tickers first, because tickers move together; a long-run
    variance over sessions then allows for overlapping targets and volatility clusters (Diebold &
    Mariano 1995, with the small-sample correction of Harvey, Leybourne & Newbold 1997 and the t
    distribution).

    Parameters
    ----------
    differential
        (n,) loss of the first forecast less that of the second, a row a ticker and session.
    sessions
        (n,) as-of session of each row, in any order.
    horizon
        Sessions ahead; fixes the least lag, h - 1.

    Raises
    ------
    ForecastError
        When there is no row.
    """
    if len(differential) == 0:
        msg = "`differential` must hold at least one paired loss, got none."
        raise ForecastError(msg)
    mean = session_means(differential, sessions)
    n, lag = len(mean), newey_west_lag(len(mean), horizon)
    difference = float(mean.mean())
    variance = long_run_variance(mean, lag) / n if n > lag + 1 else 0.0
    correction = (n + 1 - 2 * horizon + horizon * (horizon - 1) / n) / n
    # Losses that differ by rounding alone have a variance that is rounding alone.
    if variance <= (1e-12 * float(np.abs(mean).max())) ** 2 or correction <= 0:
        return DieboldMariano(difference, None, None, lag, n)
    from scipy import stats  # noqa: PLC0415  only training has it

    statistic = difference / math.sqrt(variance) * math.sqrt(correction)
    p_value = float(2 * stats.t.sf(abs(statistic), n - 1))
    return DieboldMariano(difference, statistic, p_value, lag, n)


def standard_error(values: Array, sessions: npt.ArrayLike, horizon: int) -> float | None:
    """Return the standard error of the mean of `values`, robust as in `diebold_mariano`.

    None when there are too few sessions for the lags that the horizon needs.
    """
    mean = session_means(values, sessions)
    lag = newey_west_lag(len(mean), horizon)
    return math.sqrt(long_run_variance(mean, lag) / len(mean)) if len(mean) > lag + 1 else None


def session_means(values: Array, sessions: npt.ArrayLike) -> Array:
    """Return the mean of `values` over the tickers of each session, in session order."""
    _, place = np.unique(np.asarray(sessions), return_inverse=True)
    means: Array = np.bincount(place, weights=values) / np.bincount(place)
    return means


def newey_west_lag(n: int, horizon: int) -> int:
    """Return the lag: the h - 1 sessions that targets overlap, plus Newey & West's (1994) rule."""
    return horizon - 1 + int(4 * (n / 100) ** (2 / 9))


def long_run_variance(series: Array, lag: int) -> float:
    """Return the heteroskedasticity- and autocorrelation-consistent variance (Newey & West 1987).

    Bartlett weights keep it positive.
    """
    centred = series - series.mean()
    n = len(centred)
    variance = float(centred @ centred) / n
    for k in range(1, min(lag, n - 1) + 1):
        variance += 2 * (1 - k / (lag + 1)) * float(centred[k:] @ centred[:-k]) / n
    return variance
