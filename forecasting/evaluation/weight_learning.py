"""Learning the weights of the ensemble from past forecasts.

`forecasting.evaluation.combination` selects the past forecasts and calibrates the result.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from forecasting.distribution.conformal import conformal_quantiles
from forecasting.distribution.levels import LEVELS
from forecasting.distribution.predictive import quantile_surface
from forecasting.models.ensemble import combine_scales
from forecasting.scoring.metrics import crps_from_quantiles

Array = npt.NDArray[np.float64]

# Relative improvement of the CRPS that outweighs moving all weight from the prior to one member.
PRIOR_STRENGTH = 0.005
# Every tenth level is enough to compare weights.
COARSE_LEVELS = LEVELS[4::10]


@dataclass(frozen=True, eq=False)
class PastForecasts:
    """Out-of-sample forecasts for one horizon with known outcomes, in units of the volatility.

    Attributes
    ----------
    outcome, location
        (n,) realised log return, and its expected value.
    scale
        Member -> (n,) scale.
    """

    outcome: Array
    location: Array
    scale: Mapping[str, Array]


def learn_weights(past: PastForecasts, by_member: Mapping[str, float]) -> dict[str, float]:
    """Return the weights of the members' log scales with the smallest calibrated CRPS.

    The CRPS of a combination is the score of its conformally calibrated distribution, relative to
    the score of the prior `by_member`. A penalty on the squared distance from the prior decides
    where the CRPS is flat.
    """
    from scipy.optimize import minimize  # noqa: PLC0415  serving does not install scipy

    members = list(past.scale)
    prior = np.array([by_member[member] for member in members])

    def crps(weights: Array) -> float:
        scale = combine_scales(dict(zip(members, weights, strict=True)), past.scale)
        quantiles = conformal_quantiles((past.outcome - past.location) / scale, COARSE_LEVELS)
        surface = quantile_surface(past.location, scale, quantiles)
        return float(crps_from_quantiles(past.outcome, surface, COARSE_LEVELS).mean())

    reference = crps(prior)

    def loss(weights: Array) -> float:
        distance = float(((weights - prior) ** 2).sum())
        return crps(weights) / reference + PRIOR_STRENGTH * distance

    optimum = minimize(
        loss,
        prior,
        method="SLSQP",
        bounds=[(0.0, 1.0)] * len(members),
        constraints={"type": "eq", "fun": lambda weights: weights.sum() - 1},
        options={"eps": 1e-3, "ftol": 1e-8},
    )
    # The loss is only piecewise smooth, so the search may end at a larger loss than the prior's.
    best = optimum.x if loss(optimum.x) < loss(prior) else prior
    clipped = np.clip(best, 0.0, 1.0)
    return dict(zip(members, (clipped / clipped.sum()).tolist(), strict=True))
