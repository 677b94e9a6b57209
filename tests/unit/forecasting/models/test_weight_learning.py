"""Learned weights, compared with a recomputation: the CRPS, the prior and the penalty."""

from __future__ import annotations

import numpy as np
import pytest
from support.forecasting.reference_weights import reference_weights

from forecasting.models.weight_learning import PastForecasts, learn_weights


def stacked(by_member: dict[str, np.ndarray]) -> np.ndarray:
    return np.column_stack([by_member["forest"], by_member["lstm"]])


@pytest.mark.parametrize("better", ["forest", "lstm"])
def test_scale_weights_balance_crps_and_squared_distance_from_the_prior(better: str) -> None:
    """The optimum lies inside, where the slope of the CRPS equals that of the penalty."""
    sample = slightly_better(better)
    expected = reference_weights(sample.outcome, sample.location, stacked(dict(sample.scale)))
    weights = learn_weights(sample)
    alone = reference_weights(
        sample.outcome, sample.location, stacked(dict(sample.scale)), penalty=0
    )
    assert abs(alone[0] - expected[0]) > 0.1
    assert [weights["forest"], weights["lstm"]] == pytest.approx(expected, abs=0.02)


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
