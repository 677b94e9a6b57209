"""Learned weights, compared with a recomputation: the noise, the prior and the penalty."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from support.forecasting.reference_weights import (
    reference_mean_weights,
    reference_noise,
    reference_scale_weights,
)

from forecasting.models.weight_learning import (
    PastForecasts,
    learn_mean_weights,
    learn_scale_weights,
)

N_SESSIONS, N_TICKERS = 240, 3


@cache
def past(horizon: int = 21, *, spread: float = 0.15) -> PastForecasts:
    """Overlapping outcomes of tickers that move together. The forest has a little skill."""
    rng = np.random.default_rng(11)
    sessions = np.datetime64("2010-01-04") + np.arange(N_SESSIONS)
    noise = rng.normal(size=N_SESSIONS + horizon)[:, None] + 0.5 * rng.normal(
        size=(N_SESSIONS + horizon, N_TICKERS)
    )
    sums = np.cumsum(noise, axis=0)
    outcome = ((sums[horizon:] - sums[:-horizon]) / np.sqrt(1.25 * horizon)).ravel()
    shape = len(outcome)
    forest = spread * (outcome + 2 * rng.normal(size=shape))
    mean = {"forest": forest, "lstm": 0.5 * forest + spread * rng.normal(size=shape)}
    scale = {name: np.exp(0.2 * rng.normal(size=shape)) for name in ("forest", "lstm")}
    return PastForecasts(horizon, np.repeat(sessions, N_TICKERS), outcome, mean, scale)


def stacked(by_member: dict[str, np.ndarray]) -> np.ndarray:
    return np.column_stack([by_member["forest"], by_member["lstm"]])


@pytest.mark.parametrize("spread", [0.02, 0.15, 0.6])
@pytest.mark.parametrize("horizon", [1, 5, 21])
def test_mean_weights_are_the_posterior_mode(horizon: int, spread: float) -> None:
    sample = past(horizon, spread=spread)
    expected = reference_mean_weights(
        sample.outcome, stacked(dict(sample.mean)), sample.sessions, horizon
    )
    weights = learn_mean_weights(sample)
    assert [weights["forest"], weights["lstm"]] == pytest.approx(expected, abs=1e-7)


def test_noise_counts_overlap_and_tickers_of_one_session_once() -> None:
    """The example has an effect: with other sessions or another horizon, the noise differs."""
    sample = past(21)
    location = stacked(dict(sample.mean)) @ [0.2, 0.3]
    noise = reference_noise(sample.outcome, location, sample.sessions, 21)
    without_overlap = reference_noise(sample.outcome, location, sample.sessions, 1)
    as_independent = reference_noise(sample.outcome, location, np.arange(len(sample.outcome)), 21)
    assert abs(noise / without_overlap - 1) > 0.2
    assert abs(noise / as_independent - 1) > 0.2


@pytest.mark.parametrize("better", ["forest", "lstm"])
def test_scale_weights_balance_crps_and_squared_distance_from_the_prior(better: str) -> None:
    """The optimum lies inside, where the slope of the CRPS equals that of the penalty."""
    sample = slightly_better(better)
    location = np.zeros(len(sample.outcome))
    expected = reference_scale_weights(sample.outcome, location, stacked(dict(sample.scale)))
    weights = learn_scale_weights(sample, location)
    # The CRPS alone has its optimum at a weight of 0.85 or 0.12 of the forest.
    assert expected[0] == pytest.approx({"forest": 0.53, "lstm": 0.32}[better], abs=0.01)
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
    sessions = np.datetime64("2010-01-04") + np.arange(n)
    return PastForecasts(1, sessions, outcome, dict.fromkeys(scale, np.zeros(n)), scale)
