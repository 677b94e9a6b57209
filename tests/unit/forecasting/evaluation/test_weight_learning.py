"""Learned weights, compared with a recomputation: the CRPS, the prior and the penalty."""

from __future__ import annotations

import numpy as np
import pytest
from support.forecasting.reference_weights import reference_loss

from forecasting.evaluation.weight_learning import PastForecasts, learn_weights

PRIOR = {"forest": 0.4, "lstm": 0.6}


@pytest.mark.parametrize("better", ["forest", "lstm"])
def test_scale_weights_balance_crps_and_squared_distance_from_the_prior(better: str) -> None:
    """The optimum lies inside, where the slope of the CRPS equals that of the penalty."""
    sample = slightly_better(better)
    grid = np.linspace(0, 1, 201)
    expected, alone = (
        grid[np.argmin([loss(sample, weight, penalty) for weight in grid])]
        for penalty in (0.005, 0.0)
    )
    weights = learn_weights(sample, PRIOR)
    assert abs(alone - expected) > 0.1
    assert weights["forest"] == pytest.approx(expected, abs=0.02)


def loss(sample: PastForecasts, forest: float, penalty: float) -> float:
    return reference_loss(
        np.array([forest, 1 - forest]),
        np.array([0.4, 0.6]),
        outcome=sample.outcome,
        location=sample.location,
        scales=np.column_stack([sample.scale["forest"], sample.scale["lstm"]]),
        penalty=penalty,
    )


def slightly_better(member: str) -> PastForecasts:
    """One member's scales explain the outcomes a little better than the other's."""
    rng = np.random.default_rng(3)
    n = 3000
    shared = rng.normal(size=n)
    scale = {
        name: np.exp(0.3 * shared + (0.05 if name == member else 0.12) * rng.normal(size=n))
        for name in ("forest", "lstm")
    }
    outcome = np.exp(0.3 * shared) * rng.normal(size=n)
    return PastForecasts(outcome, np.zeros(n), scale)
