from __future__ import annotations

import numpy as np

from forecasting.distribution.levels import (
    LEVELS,
    REPORTED,
    REPORTED_COLUMNS,
    REPORTED_INDEX,
    interval_levels,
)


def test_reported_levels_have_their_documented_names() -> None:
    np.testing.assert_allclose(LEVELS[REPORTED_INDEX], REPORTED)
    documented = "q0.5 q1 q2.5 q5 q10 q25 q50 q75 q90 q95 q97.5 q99 q99.5"
    assert tuple(documented.split()) == REPORTED_COLUMNS


def test_the_bounds_of_intervals_are_reported_levels() -> None:
    assert [interval_levels(c) for c in (0.8, 0.95, 0.99)] == [
        (0.1, 0.9),
        (0.025, 0.975),
        (0.005, 0.995),
    ]
