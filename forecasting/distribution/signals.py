"""From a predictive distribution to the words of an answer: price target, direction, signal.

The rules that turn numbers into words belong here, and nothing else: no model, no HTTP, no clock.

- **price target**: the median of the price at the target session, ``price * exp(median)``. Half of
  the distribution lies above it, so it always agrees with the probability of a rise. Returns
  include dividends: a stock that goes ex-dividend on the way trades lower by about the dividend.
- **expected return**: the simple return from the current price to the price target.
- **direction**: bullish from a probability of a rise of 0.55, bearish to 0.45, neutral between.
- **signal**: BUY or SELL only where direction and expected return agree and the return is more than
  a round trip costs; HOLD otherwise.
- **confidence**: the probability of the likelier side, between 0.5 and 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from core.errors import ForecastError
from forecasting.distribution.conformal import PredictiveDistribution

Direction = Literal["bullish", "bearish", "neutral"]
Recommendation = Literal["BUY", "HOLD", "SELL"]

BULLISH_FROM = 0.55
BEARISH_TO = 0.45
COST_BPS = 10.0
# The coverage of each interval, under the name it carries in an answer.
COVERAGES: dict[str, float] = {"80": 0.80, "95": 0.95, "99": 0.99}


@dataclass(frozen=True)
class Signal:
    """What a distribution says about a price, in units of that price.

    Attributes
    ----------
    price_target, expected_return
        Median price at the target session, and the simple return to it.
    direction, signal, confidence, probability_up
        See the module's rules.
    intervals
        Coverage in percent -> lowest and highest price of the central interval.
    """

    price_target: float
    expected_return: float
    direction: Direction
    signal: Recommendation
    confidence: float
    probability_up: float
    intervals: dict[str, tuple[float, float]]


def derive_signal(distribution: PredictiveDistribution, price: float) -> Signal:
    """Apply the rules to one forecast.

    Parameters
    ----------
    distribution
        Of the log return from `as_of` to the target session.
    price
        The close as traded at `as_of`; nothing later is used.

    Raises
    ------
    ForecastError
        When `price` is not a positive number.
    """
    if not (math.isfinite(price) and price > 0):
        msg = f"`price` must be positive and finite, got {price}; leave the ticker out."
        raise ForecastError(msg)
    median = distribution.median()
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
            name: _in_prices(distribution.interval(coverage), price)
            for name, coverage in COVERAGES.items()
        },
    )


def direction_of(probability_up: float) -> Direction:
    """Name the side that a probability of a rise speaks for; both bounds belong to their side."""
    if probability_up >= BULLISH_FROM:
        return "bullish"
    return "bearish" if probability_up <= BEARISH_TO else "neutral"


def signal_of(
    direction: Direction, expected_return: float, *, cost_bps: float = COST_BPS
) -> Recommendation:
    """Say what to do after costs: a trade must be likely to win and worth its price.

    Parameters
    ----------
    direction
        From `direction_of`.
    expected_return
        Simple return to the price target.
    cost_bps
        Cost of a round trip in basis points (0.01 %) of the position.
    """
    cost = cost_bps / 10_000
    if direction == "bullish" and expected_return > cost:
        return "BUY"
    if direction == "bearish" and expected_return < -cost:
        return "SELL"
    return "HOLD"


def _in_prices(log_returns: tuple[float, float], price: float) -> tuple[float, float]:
    low, high = log_returns
    return price * math.exp(low), price * math.exp(high)
