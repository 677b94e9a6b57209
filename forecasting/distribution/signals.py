"""Trading signals: price target, direction and recommendation of a predictive distribution.

- **price target**: median price at the target session, ``price * exp(median)``. Half of the
  distribution lies above it, so it always agrees with the probability of a rise. Returns include
  dividends: if the ticker goes ex-dividend before the target session, its traded price is lower by
  about the dividend.
- **expected return**: simple return from the current price to the price target.
- **direction**: bullish if the probability of a rise is at least 0.55, bearish if it is at most
  0.45, else neutral.
- **signal**: BUY or SELL if direction and expected return agree and the absolute expected return
  exceeds the cost of a round trip, else HOLD.
- **confidence**: probability of the more likely direction, between 0.5 and 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from core.errors import ForecastError
from forecasting.distribution.levels import COVERAGES, interval_levels
from forecasting.distribution.predictive import PredictiveDistribution

Direction = Literal["bullish", "bearish", "neutral"]
Recommendation = Literal["BUY", "HOLD", "SELL"]

BULLISH_FROM = 0.55
BEARISH_TO = 0.45
COST_BPS = 10.0
_LEVELS = np.array([0.5, *(level for coverage in COVERAGES for level in interval_levels(coverage))])


@dataclass(frozen=True)
class Signal:
    """Trading signal of one forecast, in units of the price.

    Attributes
    ----------
    price_target, expected_return
        Median price at the target session, and the simple return to it.
    direction, signal, confidence, probability_up
        See `forecasting.distribution.signals` for the rules.
    intervals
        Coverage in percent -> lower and upper price of the central interval.
    """

    price_target: float
    expected_return: float
    direction: Direction
    signal: Recommendation
    confidence: float
    probability_up: float
    intervals: dict[str, tuple[float, float]]


def derive_signal(distribution: PredictiveDistribution, price: float) -> Signal:
    """Return the trading signal of one forecast.

    Parameters
    ----------
    distribution
        Distribution of the log return from the `as_of` session to the target session.
    price
        Close as traded at the `as_of` session.

    Raises
    ------
    ForecastError
        When `price` is not positive and finite.

    Examples
    --------
    >>> from forecasting.distribution.levels import LEVELS
    >>> distribution = PredictiveDistribution(0.01, 0.02, LEVELS, z_quantiles=4 * LEVELS - 2)
    >>> signal = derive_signal(distribution, price=100.0)
    >>> round(signal.price_target, 2), signal.direction, signal.signal
    (101.01, 'bullish', 'BUY')
    >>> [round(bound, 2) for bound in signal.intervals["80"]]
    [97.82, 104.29]
    """
    if not (math.isfinite(price) and price > 0):
        msg = f"`price` must be positive and finite, got {price}; leave the ticker out."
        raise ForecastError(msg)
    # One call for all levels: the service derives thousands of signals in a swap.
    median, *bounds = map(float, distribution.quantile(_LEVELS))
    expected_return = math.expm1(median)
    probability_up = distribution.probability_up()
    direction = direction_of(probability_up)
    return Signal(
        price_target=price * math.exp(median),
        expected_return=expected_return,
        direction=direction,
        signal=signal_of(direction, expected_return),
        confidence=max(probability_up, 1 - probability_up),
        probability_up=probability_up,
        intervals={
            f"{100 * coverage:.0f}": (price * math.exp(low), price * math.exp(high))
            for coverage, low, high in zip(COVERAGES, bounds[::2], bounds[1::2], strict=True)
        },
    )


def direction_of(probability_up: float) -> Direction:
    """Return the direction for a probability of a rise.

    Examples
    --------
    >>> [direction_of(p) for p in (0.55, 0.54, 0.45)]
    ['bullish', 'neutral', 'bearish']
    """
    if probability_up >= BULLISH_FROM:
        return "bullish"
    return "bearish" if probability_up <= BEARISH_TO else "neutral"


def signal_of(
    direction: Direction, expected_return: float, *, cost_bps: float = COST_BPS
) -> Recommendation:
    """Return the recommendation after costs.

    Parameters
    ----------
    direction
        Result of `direction_of`.
    expected_return
        Simple return to the price target.
    cost_bps
        Cost of a round trip in basis points (0.01 %) of the position.

    Examples
    --------
    >>> signal_of("bullish", 0.02), signal_of("bullish", 0.0005), signal_of("bearish", -0.02)
    ('BUY', 'HOLD', 'SELL')
    """
    cost = cost_bps / 10_000
    if direction == "bullish" and expected_return > cost:
        return "BUY"
    if direction == "bearish" and expected_return < -cost:
        return "SELL"
    return "HOLD"
