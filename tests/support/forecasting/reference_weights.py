"""Weights and calibration of an ensemble, computed a second time, with other libraries.

The constants are written out, because a test must notice when one of them changes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import scoringrules
from scipy.optimize import lsq_linear
from scipy.stats import t as student
from statsmodels.stats.sandwich_covariance import S_hac_simple

LEVELS = np.arange(1, 200) / 200
COARSE = np.arange(1, 40, 2) / 40


def reference_mean_weights(
    outcome: np.ndarray, means: np.ndarray, sessions: np.ndarray, horizon: int
) -> np.ndarray:
    """Return the weights of the locations, (members,): forest and LSTM."""
    prior, deviation = np.array([0.2, 0.3]), 0.25
    noise = reference_noise(outcome, means @ prior, sessions, horizon)
    rows = np.vstack([means, np.eye(2) * math.sqrt(noise) / deviation])
    goal = np.concatenate([outcome, prior * math.sqrt(noise) / deviation])
    weights = lsq_linear(rows, goal, bounds=(0, np.inf), tol=1e-14).x
    return weights / max(1.0, weights.sum())


def reference_noise(
    outcome: np.ndarray, location: np.ndarray, sessions: np.ndarray, horizon: int
) -> float:
    """Return the noise variance, from the HAC covariance of `statsmodels` over session sums."""
    score = location * (outcome - location)
    sums = np.array([score[sessions == session].sum() for session in np.unique(sessions)])
    lag = horizon - 1 + math.floor(4 * (len(sums) / 100) ** (2 / 9))
    total = S_hac_simple((sums - sums.mean())[:, None], nlags=lag)[0, 0]
    return float(total / (location**2).sum())


def reference_scale_weights(
    outcome: np.ndarray, location: np.ndarray, scales: np.ndarray, *, steps: int = 200
) -> np.ndarray:
    """Return the weights of the scales with the smallest loss on a grid."""
    losses = {
        forest: scale_loss(forest, outcome, location, scales)
        for forest in np.linspace(0, 1, steps + 1)
    }
    best = min(losses, key=lambda forest: losses[forest])
    return np.array([best, 1 - best])


def scale_loss(
    forest: float, outcome: np.ndarray, location: np.ndarray, scales: np.ndarray
) -> float:
    """Return the CRPS relative to that of the prior, plus the penalty."""

    def crps(weight: float) -> float:
        scale = scales @ [weight, 1 - weight]
        z = reference_conformal((outcome - location) / scale, COARSE)
        surface = location[:, None] + scale[:, None] * z
        return float(scoringrules.crps_quantile(outcome, surface, COARSE).mean())

    return crps(forest) / crps(0.4) + 0.005 * 2 * (forest - 0.4) ** 2


def reference_calibration(
    residuals: Mapping[int, np.ndarray], sessions: Mapping[int, int]
) -> dict[int, np.ndarray]:
    """Return the quantiles of Z for each horizon."""
    own = {h: reference_conformal(z - np.median(z), LEVELS) for h, z in residuals.items()}
    share = {h: sessions[h] / h / (sessions[h] / h + 25) for h in own} | {min(own): 1.0}
    return {h: share[h] * own[h] + (1 - share[h]) * own[min(own)] for h in own}


def reference_conformal(residuals: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """Return the split-conformal quantiles; levels are multiples of 1/200."""
    ordered, n = np.sort(residuals), len(residuals)
    median = float(np.median(ordered))
    return np.array([_quantile(ordered, n, median, round(200 * level)) for level in levels])


def _quantile(ordered: np.ndarray, n: int, median: float, level: int) -> float:
    """Return the quantile at level / 200, with whole numbers for the ranks."""
    below, above = level * (n + 1) // 200, -(-level * (n + 1) // 200)
    if level == 100:
        return float(ordered[below - 1] + ordered[above - 1]) / 2
    rank = below if level < 100 else above
    if 1 <= rank <= n:
        return float(ordered[rank - 1])
    outermost = ordered[0] if level < 100 else ordered[-1]
    stretch = student.ppf(level / 200, 4) / student.ppf(1 / (n + 1), 4)
    return float(median + (outermost - median) * abs(stretch))
