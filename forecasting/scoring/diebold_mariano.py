"""Test of equal predictive accuracy (Diebold and Mariano).

References
----------
.. [1] Diebold, F. X. and Mariano, R. S. (1995). Comparing predictive accuracy. Journal of Business
       and Economic Statistics 13, 253-263.
.. [2] Harvey, D., Leybourne, S. and Newbold, P. (1997). Testing the equality of prediction mean
       squared errors. International Journal of Forecasting 13, 281-291.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from core.errors import ForecastError
from forecasting.scoring.long_run import long_run_variance, newey_west_lag, session_means

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class DieboldMariano:
    """Result of the test of equal expected loss.

    Attributes
    ----------
    difference
        Mean loss differential over sessions; negative when the first forecast is better.
    statistic, p_value
        Statistic and p-value of the two-sided test. None when there are too few sessions, or when
        the differential does not vary.
    lag, sessions
        Number of autocovariances, and number of sessions.
    """

    difference: float
    statistic: float | None
    p_value: float | None
    lag: int
    sessions: int

    @property
    def p_greater(self) -> float:
        """P-value of the one-sided test; a small value means that the first loss is greater.

        NaN when there are too few sessions. When the differential does not vary, 1 if it is at
        most 0, else 0.
        """
        if self.statistic is None:
            return math.nan if self._has_too_few_sessions else float(self.difference <= 0)
        from scipy import stats  # noqa: PLC0415  serving does not install scipy

        return float(stats.t.sf(self.statistic, self.sessions - 1))

    def upper_bound(self, confidence: float = 0.95) -> float:
        """Return the one-sided upper confidence bound of the difference.

        NaN when there are too few sessions. When the differential does not vary, the difference
        itself.
        """
        if self.statistic is None:
            return math.nan if self._has_too_few_sessions else self.difference
        from scipy import stats  # noqa: PLC0415  serving does not install scipy

        error = self.difference / self.statistic if self.statistic else 0.0
        return self.difference + error * float(stats.t.ppf(confidence, self.sessions - 1))

    @property
    def _has_too_few_sessions(self) -> bool:
        return self.sessions <= self.lag + 1


def diebold_mariano(differential: Array, sessions: npt.ArrayLike, horizon: int) -> DieboldMariano:
    """Test whether two forecasts over `horizon` sessions have the same expected loss [1]_.

    The losses of one session are averaged over tickers first, because tickers move together. The
    long-run variance over sessions accounts for overlapping targets and volatility clusters. The
    statistic has the small-sample correction and the t distribution of [2]_.

    Parameters
    ----------
    differential
        (n,) loss of the first forecast minus loss of the second, one row per ticker and session.
    sessions
        (n,) as-of session of each row, in any order.
    horizon
        Sessions ahead. The lag is at least ``horizon - 1``.

    Raises
    ------
    ForecastError
        When `differential` is empty.

    Examples
    --------
    The first forecast loses 0.2 less on average, on 100 sessions:

    >>> noise = np.random.default_rng(0).normal(size=100)
    >>> test = diebold_mariano(noise - 0.2 - noise.mean(), np.arange(100), horizon=1)
    >>> round(test.difference, 2), round(test.statistic, 2), round(test.p_value, 3), test.lag
    (-0.2, -1.88, 0.064, 4)
    """
    if len(differential) == 0:
        msg = "`differential` must contain at least one paired loss, got 0."
        raise ForecastError(msg)
    mean = session_means(differential, sessions)
    n, lag = len(mean), newey_west_lag(len(mean), horizon)
    difference = float(mean.mean())
    variance = long_run_variance(mean, lag) / n if n > lag + 1 else 0.0
    correction = (n + 1 - 2 * horizon + horizon * (horizon - 1) / n) / n
    # When losses differ only by rounding errors, the variance is a rounding error too.
    if variance <= (1e-12 * float(np.abs(mean).max())) ** 2 or correction <= 0:
        return DieboldMariano(difference, None, None, lag, n)
    from scipy import stats  # noqa: PLC0415  serving does not install scipy

    statistic = difference / math.sqrt(variance) * math.sqrt(correction)
    p_value = float(2 * stats.t.sf(abs(statistic), n - 1))
    return DieboldMariano(difference, statistic, p_value, lag, n)
