"""Weights and calibration of an ensemble, computed a second time, with other libraries.

The constants are written out, because a test must notice when one of them changes.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import scoringrules
from scipy.stats import t as student

LEVELS = np.arange(1, 200) / 200
COARSE = np.arange(1, 40, 2) / 40


def reference_loss(
    weights: np.ndarray,
    prior: np.ndarray,
    *,
    outcome: np.ndarray,
    location: np.ndarray,
    scales: np.ndarray,
    penalty: float = 0.005,
) -> float:
    """Return the CRPS of weighted log scales relative to that of the prior, plus the penalty."""

    def crps(of: np.ndarray) -> float:
        scale = np.prod(scales**of, axis=1)
        z = reference_conformal((outcome - location) / scale, COARSE)
        surface = location[:, None] + scale[:, None] * z
        return float(scoringrules.crps_quantile(outcome, surface, COARSE).mean())

    return crps(weights) / crps(prior) + penalty * float(((weights - prior) ** 2).sum())


def reference_calibration(
    residuals: Mapping[int, np.ndarray], sessions: Mapping[int, int]
) -> dict[int, np.ndarray]:
    """Return the quantiles of Z for each horizon."""
    own = {}
    for h, z in residuals.items():
        quantiles = reference_conformal(z - np.mean(z), LEVELS)
        mixed = 0.75 * quantiles - 0.25 * np.flip(quantiles)
        own[h] = mixed - np.mean(mixed)
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
