"""Properties of calibrated quantiles, and their recomputation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.forecasting.reference_weights import reference_calibration

from forecasting.distribution.conformal import calibrate
from forecasting.distribution.levels import LEVELS

Residuals = dict[int, np.ndarray]


@st.composite
def samples(draw: st.DrawFn) -> tuple[Residuals, dict[int, int]]:
    """Residuals of up to three horizons, some with ties, and their numbers of sessions."""
    values = st.one_of(st.floats(-20, 20, allow_subnormal=False), st.sampled_from([0.0, 1.0]))
    residuals, sessions = {}, {}
    for horizon in draw(st.sampled_from([(1,), (1, 5), (1, 5, 21), (5, 21)])):
        drawn = draw(st.lists(values, min_size=30, max_size=60))
        repeats = draw(st.sampled_from([1, 7]))
        residuals[horizon] = np.concatenate(
            [np.array(drawn) * (1 + i / 10) for i in range(repeats)]
        )
        sessions[horizon] = draw(st.integers(1, 2000))
    return residuals, sessions


EXAMPLES = settings(max_examples=25)


@EXAMPLES
@given(samples())
def test_quantiles_equal_a_recomputation(sample: tuple[Residuals, dict[int, int]]) -> None:
    found, expected = calibrate(*sample, LEVELS), reference_calibration(*sample)
    assert found.keys() == expected.keys()
    for horizon, quantiles in found.items():
        np.testing.assert_allclose(quantiles, expected[horizon], rtol=1e-9, atol=1e-9)


@EXAMPLES
@given(samples(), st.floats(0.01, 100), st.floats(-50, 50))
def test_location_is_removed_and_scale_is_kept(
    sample: tuple[Residuals, dict[int, int]], scale: float, shift: float
) -> None:
    residuals, sessions = sample
    moved = calibrate({h: scale * z + shift for h, z in residuals.items()}, sessions, LEVELS)
    for horizon, quantiles in calibrate(residuals, sessions, LEVELS).items():
        np.testing.assert_allclose(moved[horizon], scale * quantiles, atol=1e-8 * (1 + scale))


@EXAMPLES
@given(samples())
def test_mirrored_residuals_give_mirrored_quantiles(
    sample: tuple[Residuals, dict[int, int]],
) -> None:
    residuals, sessions = sample
    mirrored = calibrate({h: -z for h, z in residuals.items()}, sessions, LEVELS)
    for horizon, quantiles in calibrate(residuals, sessions, LEVELS).items():
        np.testing.assert_allclose(mirrored[horizon], -quantiles[::-1], atol=1e-9)


@EXAMPLES
@given(samples(), st.integers(0, 2**32 - 1))
def test_order_does_not_matter_and_quantiles_ascend_around_zero(
    sample: tuple[Residuals, dict[int, int]], seed: int
) -> None:
    residuals, sessions = sample
    rng = np.random.default_rng(seed)
    shuffled = calibrate({h: rng.permutation(z) for h, z in residuals.items()}, sessions, LEVELS)
    for horizon, quantiles in calibrate(residuals, sessions, LEVELS).items():
        np.testing.assert_array_equal(shuffled[horizon], quantiles)
        assert (np.diff(quantiles) >= -1e-12).all()
        assert quantiles.mean() == pytest.approx(0, abs=1e-9)


@EXAMPLES
@given(samples())
def test_longer_horizons_do_not_change_the_shortest(
    sample: tuple[Residuals, dict[int, int]],
) -> None:
    residuals, sessions = sample
    shortest = min(residuals)
    alone = calibrate({shortest: residuals[shortest]}, sessions, LEVELS)
    np.testing.assert_array_equal(calibrate(residuals, sessions, LEVELS)[shortest], alone[shortest])
