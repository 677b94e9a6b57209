"""Explanation of one forecast: the parts that add up to its price target."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from forecasting.bundle.bundle import Bundle
from forecasting.features.spec import VOLATILITY
from forecasting.horizons import LABEL_OF
from serving.forecasts.responses import ForecastRow, plural, round_float32
from serving.http.schemas.explanation import (
    Explanation,
    MemberAgreement,
    Regime,
    VolatilityRegime,
)

CALIBRATION = "calibration"
_TURBULENT_FROM, _CALM_TO = 1.25, 0.8


def build_explanation(
    bundle: Bundle, row: ForecastRow, horizon: int, window: NDArray[np.float32]
) -> Explanation:
    """Return the contributions to the price target, and the state of the inputs.

    Parameters
    ----------
    window
        (lookback, features) input of the model for this row.
    """
    manifest = bundle.manifest
    column = manifest.horizons.index(horizon)
    means = dict(
        zip(manifest.members, row.output.member_mean[row.at, :, column].tolist(), strict=True)
    )
    weights = manifest.mean_weights[horizon]
    distribution = bundle.distribution(row.output, row.at, horizon)
    contributions = {name: weights[name] * mean for name, mean in means.items()}
    contributions[CALIBRATION] = distribution.median() - sum(contributions.values())
    agreement = MemberAgreement(
        same_direction=len({mean > 0 for mean in means.values()}) == 1,
        spread=round_float32((max(means.values()) - min(means.values())) / distribution.scale),
    )
    volatility = describe_volatility(window[:, manifest.features.index(VOLATILITY)])
    return Explanation(
        log_return=round_float32(distribution.median()),
        contributions={name: round_float32(value) for name, value in contributions.items()},
        agreement=agreement,
        volatility=volatility,
        statements=[
            _state_contributions(contributions, horizon),
            _state_agreement(agreement),
            _state_volatility(volatility),
        ],
    )


def describe_volatility(values: NDArray[np.float32]) -> VolatilityRegime:
    """Compare the last of the volatilities with their median."""
    current, typical = float(values[-1]), float(np.median(values))
    ratio = current / typical
    return VolatilityRegime(
        current=round_float32(current),
        typical=round_float32(typical),
        sessions=len(values),
        ratio=round_float32(ratio),
        regime=regime_of(ratio),
    )


def regime_of(ratio: float) -> Regime:
    """Return the regime of a volatility relative to its typical value.

    Examples
    --------
    >>> [regime_of(ratio) for ratio in (1.25, 1.0, 0.8)]
    ['turbulent', 'normal', 'calm']
    """
    if ratio >= _TURBULENT_FROM:
        return "turbulent"
    return "calm" if ratio <= _CALM_TO else "normal"


def _state_contributions(contributions: dict[str, float], horizon: int) -> str:
    parts = ", ".join(f"{name} {100 * value:+.2f} %" for name, value in contributions.items())
    total = 100 * sum(contributions.values())
    return f"The log return to the {LABEL_OF[horizon]} price target is {total:+.2f} %: {parts}."


def _state_agreement(agreement: MemberAgreement) -> str:
    relation = "agree" if agreement.same_direction else "disagree"
    return (
        f"The members {relation} on the direction; their log returns differ by"
        f" {agreement.spread:.2f} scales of the forecast."
    )


def _state_volatility(volatility: VolatilityRegime) -> str:
    return (
        f"Volatility is {volatility.regime}: {100 * volatility.current:.2f} % a session,"
        f" {volatility.ratio:.2f} times the median of the last"
        f" {plural(volatility.sessions, 'session')}."
    )
