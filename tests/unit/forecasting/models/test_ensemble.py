from __future__ import annotations

import numpy as np
import pytest

from forecasting.evaluation.weight_learning import PastForecasts, learn_weights
from forecasting.horizons import HORIZONS
from forecasting.models.base import MEMBERS
from forecasting.models.ensemble import PRIOR, EnsembleWeights, combine_scales

TWO = {"forest": 0.4, "lstm": 0.6}


def past(*, true_scale: str = "forest", n: int = 4000, seed: int = 0) -> PastForecasts:
    """Forecasts and outcomes; the scale of the outcomes is that of one member."""
    rng = np.random.default_rng(seed)
    scale = {member: np.exp(0.5 * rng.normal(size=n)) for member in TWO}
    location = np.full(n, 0.02)
    return PastForecasts(location + scale[true_scale] * rng.normal(size=n), location, scale)


@pytest.mark.parametrize("better", TWO)
def test_the_member_with_the_true_scale_gets_the_weight(better: str) -> None:
    weights = learn_weights(past(true_scale=better), TWO)
    assert weights[better] > 0.85
    assert sum(weights.values()) == pytest.approx(1)


def test_equal_scales_keep_the_prior() -> None:
    forecasts = past()
    same = dict.fromkeys(TWO, forecasts.scale["forest"])
    weights = learn_weights(PastForecasts(forecasts.outcome, forecasts.location, same), TWO)
    assert weights == pytest.approx(TWO, abs=1e-3)


def test_learning_is_repeatable() -> None:
    assert learn_weights(past(), TWO) == learn_weights(past(), TWO)


def test_a_constant_factor_of_a_member_changes_no_weight() -> None:
    """Calibration corrects the factor, so it must not decide."""
    forecasts = past()
    scale = {**forecasts.scale, "lstm": 7 * forecasts.scale["lstm"]}
    changed = learn_weights(PastForecasts(forecasts.outcome, forecasts.location, scale), TWO)
    assert changed == pytest.approx(learn_weights(forecasts, TWO), abs=0.01)


def test_scales_are_combined_by_their_logarithms() -> None:
    scales = {"forest": np.array([1.0, 2.0]), "lstm": np.array([8.0, 2.0])}
    combined = combine_scales({"forest": 2 / 3, "lstm": 1 / 3}, scales)
    np.testing.assert_allclose(combined, [2.0, 2.0])


def test_the_prior_names_every_member_at_every_horizon() -> None:
    for horizon in HORIZONS:
        assert tuple(PRIOR[horizon]) == MEMBERS
    assert EnsembleWeights.prior((1, 5)).scale[5] == PRIOR[5]


@pytest.mark.parametrize("by_member", [{"forest": -0.1, "lstm": 1.1}, {"forest": 0.3, "lstm": 0.3}])
def test_weights_outside_their_range_are_refused(by_member: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"scale\[1\]"):
        EnsembleWeights({1: by_member})


def test_weights_equal_themselves_in_json() -> None:
    weights = EnsembleWeights.prior((1, 5))
    assert EnsembleWeights.from_dict(weights.as_dict()) == weights
