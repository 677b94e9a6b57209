"""Explanation of one forecast: the parts that make up the width of its range."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from forecasting.bundle.bundle import Bundle
from forecasting.distribution.levels import interval_levels
from forecasting.features.spec import VOLATILITY
from serving.forecasts.responses import ForecastRow, build_members, plural, round_float32
from serving.http.schemas.explanation import (
    Explanation,
    MemberAgreement,
    Regime,
    VolatilityRegime,
)

CALIBRATION = "calibration"
_COVERAGE = 0.8
_TURBULENT_FROM, _CALM_TO = 1.25, 0.8


def build_explanation(
    bundle: Bundle, row: ForecastRow, horizon: int, window: NDArray[np.float32]
) -> Explanation:
    """Return the contributions to the width of the 80 % range, and the state of the inputs.

    The reference is a normal distribution with the EWMA volatility at `as_of` times the square root
    of the horizon. The members forecast their scales in the same unit.

    Parameters
    ----------
    window
        (lookback, features) input of the model for this row.
    """
    manifest = bundle.manifest
    volatilities = window[:, manifest.features.index(VOLATILITY)]
    unit = float(volatilities[-1]) * math.sqrt(horizon)
    scales = {name: member.scale for name, member in build_members(bundle, row, horizon).items()}
    low, high = bundle.distribution(row.output, row.at, horizon).interval(_COVERAGE)
    width_ratio = (high - low) / (unit * _normal_width())
    weights = manifest.scale_weights[horizon]
    contributions = {name: weights[name] * math.log(scale / unit) for name, scale in scales.items()}
    contributions[CALIBRATION] = math.log(width_ratio) - sum(contributions.values())
    agreement = compare_scales(scales)
    volatility = describe_volatility(volatilities)
    return Explanation(
        width_ratio=round_float32(width_ratio),
        contributions={name: round_float32(value) for name, value in contributions.items()},
        agreement=agreement,
        volatility=volatility,
        statements=[
            _state_width(width_ratio, contributions, horizon),
            _state_agreement(agreement),
            _state_volatility(volatility),
        ],
    )


def compare_scales(scales: dict[str, float]) -> MemberAgreement:
    """Compare the scales of the members, which differ in nothing else.

    Examples
    --------
    >>> compare_scales({"linear": 0.02, "forest": 0.03, "lstm": 0.025}).model_dump()
    {'narrowest': 'linear', 'widest': 'forest', 'ratio': 1.5}
    """
    narrowest, widest = min(scales, key=scales.__getitem__), max(scales, key=scales.__getitem__)
    ratio = round_float32(scales[widest] / scales[narrowest])
    return MemberAgreement(narrowest=narrowest, widest=widest, ratio=ratio)


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


def _normal_width() -> float:
    """Return the width of the central interval of a standard normal distribution."""
    low, high = (NormalDist().inv_cdf(level) for level in interval_levels(_COVERAGE))
    return high - low


def _state_width(width_ratio: float, contributions: dict[str, float], horizon: int) -> str:
    relation = "wider" if width_ratio >= 1 else "narrower"
    factors = ", ".join(f"{name} x {math.exp(part):.3f}" for name, part in contributions.items())
    return (
        f"The 80 % range of the log return over {plural(horizon, 'session')} is"
        f" {100 * abs(width_ratio - 1):.1f} % {relation} than a normal distribution with the"
        f" present volatility implies. Factors: {factors}."
    )


def _state_agreement(agreement: MemberAgreement) -> str:
    return (
        f"The scales of the members differ by a factor of {agreement.ratio:.2f}: that of"
        f" {agreement.narrowest} is the smallest, that of {agreement.widest} the largest."
    )


def _state_volatility(volatility: VolatilityRegime) -> str:
    return (
        f"Volatility is {volatility.regime}: {100 * volatility.current:.2f} % a session,"
        f" {volatility.ratio:.2f} times the median of the last"
        f" {plural(volatility.sessions, 'session')}."
    )
