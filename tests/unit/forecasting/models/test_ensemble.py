from __future__ import annotations

import numpy as np
import pytest

from forecasting.models.ensemble import MEAN_PRIOR, PRIOR, EnsembleWeights, weighted_sum
from forecasting.models.weight_learning import (
    PastForecasts,
    learn_mean_weights,
    learn_scale_weights,
    learn_weights,
)

SESSIONS = np.datetime64("2010-01-04") + np.arange(1000)


def past(
    *,
    skill: dict[str, float] | None = None,
    true_scale: str = "forest",
    n_tickers: int = 4,
    spread: float = 0.3,
    horizon: int = 1,
    seed: int = 0,
) -> PastForecasts:
    """Forecasts and outcomes: the location is weighted by `skill`, the scale is one member's."""
    rng = np.random.default_rng(seed)
    n = len(SESSIONS) * n_tickers
    mean = {member: spread * rng.normal(size=n) for member in PRIOR}
    scale = {member: np.exp(0.5 * rng.normal(size=n)) for member in PRIOR}
    location = weighted_sum(skill or dict.fromkeys(PRIOR, 0.0), mean)
    outcome = location + scale[true_scale] * rng.normal(size=n)
    return PastForecasts(horizon, np.repeat(SESSIONS, n_tickers), outcome, mean, scale)


def test_members_without_skill_lose_their_location_to_the_naive_zero() -> None:
    weights = learn_mean_weights(past(spread=0.6))
    assert sum(weights.values()) < 0.1


def test_members_with_negative_skill_get_no_location() -> None:
    weights = learn_mean_weights(past(skill={"forest": -0.5, "lstm": -0.5}))
    assert weights == {"forest": 0.0, "lstm": 0.0}


def test_a_member_with_skill_keeps_its_location() -> None:
    weights = learn_mean_weights(past(skill={"forest": 0.0, "lstm": 1.0}, spread=0.6))
    assert weights["lstm"] > 0.8
    assert weights["forest"] < 0.1


def test_mean_weights_never_exceed_one_in_sum() -> None:
    weights = learn_mean_weights(past(skill={"forest": 3.0, "lstm": 3.0}))
    assert sum(weights.values()) == pytest.approx(1)


def test_little_evidence_leaves_the_prior() -> None:
    weights = learn_mean_weights(past(spread=1e-3))
    assert weights == pytest.approx(dict(MEAN_PRIOR), abs=0.01)


def test_tickers_that_move_together_do_not_count_as_more_evidence() -> None:
    one = past(n_tickers=1, spread=0.1)
    copies = PastForecasts(
        1,
        np.repeat(one.sessions, 20),
        np.repeat(one.outcome, 20),
        {m: np.repeat(v, 20) for m, v in one.mean.items()},
        {m: np.repeat(v, 20) for m, v in one.scale.items()},
    )
    assert learn_mean_weights(copies) == pytest.approx(learn_mean_weights(one), abs=1e-9)


def test_members_with_zero_locations_get_no_weight() -> None:
    assert learn_mean_weights(past(spread=0.0)) == {"forest": 0.0, "lstm": 0.0}


@pytest.mark.parametrize("better", ["forest", "lstm"])
def test_the_member_with_the_true_scale_gets_the_weight(better: str) -> None:
    forecasts = past(true_scale=better)
    weights = learn_scale_weights(forecasts, np.zeros(len(forecasts.outcome)))
    assert weights[better] > 0.85
    assert sum(weights.values()) == pytest.approx(1)


def test_equal_scales_keep_the_prior() -> None:
    forecasts = past()
    same = dict.fromkeys(PRIOR, forecasts.scale["forest"])
    alike = PastForecasts(1, forecasts.sessions, forecasts.outcome, forecasts.mean, same)
    weights = learn_scale_weights(alike, np.zeros(len(forecasts.outcome)))
    assert weights == pytest.approx(dict(PRIOR), abs=1e-3)


def test_learning_is_repeatable() -> None:
    assert learn_weights(past(horizon=5)) == learn_weights(past(horizon=5))


def test_the_prior_is_forty_to_sixty() -> None:
    prior = EnsembleWeights.prior((1, 5))
    assert prior.scale[5] == {"forest": 0.4, "lstm": 0.6}
    assert prior.mean[5] == {"forest": 0.2, "lstm": 0.3}


@pytest.mark.parametrize(
    ("kind", "by_member"),
    [
        ("mean", {"forest": -0.1, "lstm": 0.5}),
        ("mean", {"forest": 0.6, "lstm": 0.6}),
        ("scale", {"forest": 0.3, "lstm": 0.3}),
    ],
)
def test_weights_outside_their_range_are_refused(kind: str, by_member: dict[str, float]) -> None:
    good = {"mean": {1: {"forest": 0.0, "lstm": 0.0}}, "scale": {1: dict(PRIOR)}}
    with pytest.raises(ValueError, match=rf"{kind}\[1\]"):
        EnsembleWeights(**{**good, kind: {1: by_member}})
