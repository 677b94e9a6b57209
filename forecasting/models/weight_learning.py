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
from forecasting.models.ensemble import (
    MEAN_PRIOR,
    MEAN_PRIOR_DEVIATION,
    PRIOR,
    weighted_sum,
)
from forecasting.scoring.long_run import long_run_variance, newey_west_lag
from forecasting.scoring.metrics import crps_from_quantiles

Array = npt.NDArray[np.float64]

# Relative improvement of the CRPS that outweighs moving all weight from the prior to one member.
PRIOR_STRENGTH = 0.005
# Every tenth level is enough to compare weights.
COARSE_LEVELS = LEVELS[4::10]


@dataclass(frozen=True, eq=False)
class PastForecasts:
    """Out-of-sample forecasts for one horizon with known outcomes, in z-space.

    Attributes
    ----------
    horizon
        Sessions ahead.
    sessions
        (n,) as-of session of each row.
    outcome
        (n,) realised z, not clipped.
    mean, scale
        Member -> (n,) location and scale of z.
    """

    horizon: int
    sessions: npt.NDArray[np.datetime64]
    outcome: Array
    mean: Mapping[str, Array]
    scale: Mapping[str, Array]


def learn_weights(past: PastForecasts) -> tuple[dict[str, float], dict[str, float]]:
    """Return the mean weights and the scale weights, learned from past forecasts.

    The mean weights are learned first (`learn_mean_weights`). The scale weights then minimise the
    CRPS around the weighted location (`learn_scale_weights`).
    """
    mean_weights = learn_mean_weights(past)
    return mean_weights, learn_scale_weights(past, weighted_sum(mean_weights, past.mean))


def learn_mean_weights(past: PastForecasts) -> dict[str, float]:
    """Return the weight of each member's location.

    The weights are the coefficients of a non-negative regression of z on the locations of the
    members. They are the posterior mode under a normal prior with mean `MEAN_PRIOR` and standard
    deviation `MEAN_PRIOR_DEVIATION`. The noise variance of the regression accounts for overlapping
    targets and for tickers that move together, so a few lucky months do not count as skill. The
    weight of members without skill moves to the naive location of 0 as outcomes accumulate.
    """
    from scipy.optimize import nnls  # noqa: PLC0415  serving does not install scipy

    members = list(past.mean)
    prior = np.array([MEAN_PRIOR[member] for member in members])
    design = np.column_stack([past.mean[member] for member in members])
    if not design.any():
        return dict.fromkeys(members, 0.0)
    noise = np.sqrt(_noise_variance(past, design @ prior))
    weights, _ = nnls(
        np.vstack([design / noise, np.eye(len(members)) / MEAN_PRIOR_DEVIATION]),
        np.concatenate([past.outcome / noise, prior / MEAN_PRIOR_DEVIATION]),
    )
    weights = weights / max(1.0, float(weights.sum()))
    return dict(zip(members, weights.tolist(), strict=True))


def _noise_variance(past: PastForecasts, location: Array) -> float:
    """Return the variance of z around `location`, enlarged for dependence between rows.

    For independent rows it is the variance of the errors. In general it is the variance for which
    the slope of z on `location` has its heteroskedasticity- and autocorrelation-consistent standard
    error, clustered by session.
    """
    errors = location * (past.outcome - location)
    _, place = np.unique(past.sessions, return_inverse=True)
    scores = np.bincount(place, errors).astype(np.float64)
    lag = newey_west_lag(len(scores), past.horizon)
    return len(scores) * long_run_variance(scores, lag) / float(location @ location)


def learn_scale_weights(past: PastForecasts, location: Array) -> dict[str, float]:
    """Return the convex combination of the members' scales with the smallest calibrated CRPS.

    The CRPS of a combination is the score of its conformally calibrated distribution, relative to
    the score of the prior. A penalty on the squared distance from the prior decides where the CRPS
    is flat.
    """
    from scipy.optimize import minimize  # noqa: PLC0415  serving does not install scipy

    members = list(past.scale)
    prior = np.array([PRIOR[member] for member in members])
    scales = np.column_stack([past.scale[member] for member in members])

    def crps(weights: Array) -> float:
        scale = scales @ weights
        quantiles = conformal_quantiles((past.outcome - location) / scale, COARSE_LEVELS)
        surface = quantile_surface(location, scale, quantiles)
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
