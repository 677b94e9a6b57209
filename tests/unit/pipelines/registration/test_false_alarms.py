"""The paired test keeps its level when targets of 21 sessions overlap."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from forecasting.scoring.diebold_mariano import diebold_mariano
from pipelines.registration.evidence_collection import paired_scores

N_SESSIONS, N_TICKERS, REPETITIONS = 1260, 2, 300
START = np.datetime64("2010-01-04")


def overlapping_losses(horizon: int, seed: int) -> np.ndarray:
    """Losses of `horizon` sessions, as sums of losses that both tickers share: (sessions, tickers).

    The expected loss is that of the reference, so every rejection is a false alarm.
    """
    rng = np.random.default_rng(seed)
    shocks = rng.normal(size=(N_SESSIONS + horizon, 1)) + 0.3 * rng.normal(
        size=(N_SESSIONS + horizon, N_TICKERS)
    )
    sums = np.cumsum(shocks, axis=0)
    return 1000 + (sums[horizon:] - sums[:-horizon])


def frame(losses: np.ndarray, horizon: int) -> pl.DataFrame:
    days = np.repeat(START + np.arange(N_SESSIONS), N_TICKERS)
    return pl.DataFrame(
        {
            "ticker": ["A", "B"] * N_SESSIONS,
            "as_of": days,
            "target_session": days + horizon,
            "horizon": np.full(len(days), horizon),
            "crps": losses.ravel(),
        }
    )


def test_a_one_sided_test_at_21_sessions_has_few_false_alarms() -> None:
    """Regression: with horizon 1, 17.7 % of the tests at the 5 % level were false alarms."""
    reference = frame(np.full((N_SESSIONS, N_TICKERS), 1000.0), 21)
    alarms = [
        paired_scores(frame(overlapping_losses(21, seed), 21), reference)[21].p_worse < 0.05
        for seed in range(REPETITIONS)
    ]
    assert 0.01 < np.mean(alarms) < 0.105


@pytest.mark.parametrize("horizon", [5, 21])
def test_the_paired_test_uses_its_own_horizon(horizon: int) -> None:
    losses = overlapping_losses(horizon, seed=1)
    reference = frame(np.full(losses.shape, 1000.0), horizon)
    score = paired_scores(frame(losses, horizon), reference)[horizon]
    by_session = losses.mean(axis=1) - 1000
    expected = diebold_mariano(by_session, np.arange(N_SESSIONS), horizon)
    short = diebold_mariano(by_session, np.arange(N_SESSIONS), 1)
    assert score.p_worse == pytest.approx(expected.p_greater)
    assert score.upper_bound == pytest.approx(expected.upper_bound())
    assert abs(short.upper_bound() / expected.upper_bound() - 1) > 0.05
