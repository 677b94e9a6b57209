"""How the members become one forecast: the weights, and learning them from earlier folds.

Which rows count as earlier is decided by `forecasting.evaluation.walk_forward`; calibration of the result
belongs to `forecasting.distribution.conformal`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from forecasting.distribution.conformal import conformal_quantiles
from forecasting.distribution.levels import LEVELS
from forecasting.distribution.predictive import quantile_surface
from forecasting.scoring.diebold_mariano import long_run_variance, newey_west_lag
from forecasting.scoring.metrics import crps_from_quantiles

Array = npt.NDArray[np.float64]

# Before anything is learnt.
PRIOR: Mapping[str, float] = {"forest": 0.4, "lstm": 0.6}
# What moving all weight from the prior to one member must win in CRPS, as a share of it.
PRIOR_STRENGTH = 0.005
# Half of the prior goes to the members' location and half to the naive 0, give or take a quarter
# for each member: what is known of daily returns before looking at any.
MEAN_PRIOR: Mapping[str, float] = {member: weight / 2 for member, weight in PRIOR.items()}
MEAN_DOUBT = 0.25
# Every tenth level is enough to tell weights apart.
COARSE_LEVELS = LEVELS[4::10]
_SUM_SLACK = 1e-6


@dataclass(frozen=True)
class EnsembleWeights:
    """For each horizon, how much each member counts.

    Attributes
    ----------
    mean
        Horizon -> member -> weight of its location; none is negative and their sum is at most 1.
        What is missing to 1 belongs to the naive location of 0.
    scale
        Horizon -> member -> weight of its scale; none is negative and their sum is 1.
    """

    mean: dict[int, dict[str, float]]
    scale: dict[int, dict[str, float]]

    def __post_init__(self) -> None:
        for horizon, by_member in self.mean.items():
            _check(f"mean[{horizon}]", by_member, least=0.0)
        for horizon, by_member in self.scale.items():
            _check(f"scale[{horizon}]", by_member, least=1.0)

    @classmethod
    def prior(cls, horizons: Sequence[int]) -> EnsembleWeights:
        """Return the weights that hold before anything is learnt."""
        return cls({h: dict(MEAN_PRIOR) for h in horizons}, {h: dict(PRIOR) for h in horizons})

    def to_document(self) -> dict[str, Any]:
        """Return the weights as a dictionary that `json` can write."""
        return asdict(self)

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> EnsembleWeights:
        """Return the weights of a parsed `to_document`; JSON turns horizons into strings."""
        mean, scale = (
            {int(horizon): dict(weights) for horizon, weights in document[kind].items()}
            for kind in ("mean", "scale")
        )
        return cls(mean=mean, scale=scale)


@dataclass(frozen=True, eq=False)
class PastForecasts:
    """Out-of-sample forecasts of earlier folds for one horizon, in z-space, with their outcomes.

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
    """Return the mean and the scale weights that earlier folds speak for.

    Both are learnt from `past` alone. The location is learnt first, see `learn_mean_weights`; given
    it, `learn_scale_weights` minimises the CRPS.
    """
    mean_weights = learn_mean_weights(past)
    return mean_weights, learn_scale_weights(past, weighted(mean_weights, past.mean))


def learn_mean_weights(past: PastForecasts) -> dict[str, float]:
    """Return how much of each member's location to believe.

    A regression of z on the members' locations, with non-negative coefficients that are drawn
    towards `MEAN_PRIOR`: the posterior mode under a normal prior with deviation `MEAN_DOUBT`. The
    noise that it is weighed against allows for overlapping targets and for tickers that move
    together, so a few lucky months do not count as skill, and members without skill lose their
    weight to the naive location of 0 as evidence gathers.
    """
    from scipy.optimize import nnls  # noqa: PLC0415  only training has it

    members = list(past.mean)
    prior = np.array([MEAN_PRIOR[member] for member in members])
    design = np.column_stack([past.mean[member] for member in members])
    if not design.any():
        return dict.fromkeys(members, 0.0)
    noise = np.sqrt(_noise_variance(past, design @ prior))
    weights, _ = nnls(
        np.vstack([design / noise, np.eye(len(members)) / MEAN_DOUBT]),
        np.concatenate([past.outcome / noise, prior / MEAN_DOUBT]),
    )
    weights = weights / max(1.0, float(weights.sum()))
    return dict(zip(members, weights.tolist(), strict=True))


def _noise_variance(past: PastForecasts, location: Array) -> float:
    """Return the variance of z around `location`, enlarged for dependence between rows.

    With independent rows it is the variance of the errors. In general it is the variance that gives
    the slope of z on `location` its heteroskedasticity- and autocorrelation-consistent error, with
    sessions as clusters.
    """
    errors = location * (past.outcome - location)
    _, place = np.unique(past.sessions, return_inverse=True)
    scores = np.bincount(place, errors).astype(np.float64)
    lag = newey_west_lag(len(scores), past.horizon)
    return len(scores) * long_run_variance(scores, lag) / float(location @ location)


def learn_scale_weights(past: PastForecasts, location: Array) -> dict[str, float]:
    """Return the convex combination of the members' scales with the least calibrated CRPS.

    The CRPS is that of the distribution which conformal calibration makes of the combination, as a
    share of the prior's. A penalty on the distance from the prior decides where the CRPS is flat.
    """
    from scipy.optimize import minimize  # noqa: PLC0415  only training has it

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

    found = minimize(
        loss,
        prior,
        method="SLSQP",
        bounds=[(0.0, 1.0)] * len(members),
        constraints={"type": "eq", "fun": lambda weights: weights.sum() - 1},
        options={"eps": 1e-3, "ftol": 1e-8},
    )
    # Sums over quantiles are only piecewise smooth, so the search may end worse than it began.
    best = found.x if loss(found.x) < loss(prior) else prior
    clean = np.clip(best, 0.0, 1.0)
    return dict(zip(members, (clean / clean.sum()).tolist(), strict=True))


def weighted(weights: Mapping[str, float], values: Mapping[str, Array]) -> Array:
    """Return the weighted sum of the members' values, (n,)."""
    total: Array = np.sum([weight * values[member] for member, weight in weights.items()], axis=0)
    return total


def _check(name: str, by_member: Mapping[str, float], *, least: float) -> None:
    total = sum(by_member.values())
    if min(by_member.values()) < 0 or not least - _SUM_SLACK <= total <= 1 + _SUM_SLACK:
        bound = "equals 1" if least else "is at most 1"
        msg = f"`{name}` must hold weights >= 0 whose sum {bound}, got {dict(by_member)}."
        raise ValueError(msg)
