"""Accuracy of past forecasts, against hand-made outcomes."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from serving.forecasts.accuracy import describe_past, measure_accuracy


def past(outcomes: list[float], medians: list[float]) -> pl.DataFrame:
    """Return forecasts with the intervals +-1 % and +-2 % around their medians."""
    sessions = [date(2013, 1, 1) + timedelta(days=day) for day in range(len(outcomes))]
    median = np.array(medians)
    return pl.DataFrame(
        {
            "as_of": sessions,
            "target_session": [session + timedelta(days=1) for session in sessions],
            "log_return": outcomes,
            "q50": median,
            "q10": median - 0.01,
            "q90": median + 0.01,
            "q2.5": median - 0.02,
            "q97.5": median + 0.02,
            "crps": [0.005] * len(outcomes),
        }
    )


def test_coverage_direction_and_error_follow_from_the_outcomes() -> None:
    rows = past([0.005, -0.015, 0.03, 0.005, 0.0], [0.001, 0.001, 0.001, -0.001, 0.001])
    accuracy = measure_accuracy(rows)
    assert accuracy.coverage == {"80": 0.6, "95": 0.8}
    # The last outcome has no sign.
    assert (accuracy.direction, accuracy.direction_base_rate) == (0.5, 0.75)
    errors = np.abs(np.expm1(rows["log_return"]) - np.expm1(rows["q50"]))
    assert accuracy.mean_absolute_error == pytest.approx(errors.mean(), rel=1e-6)
    naive = np.abs(np.expm1(rows["log_return"])).mean()
    assert accuracy.mean_absolute_error_naive == pytest.approx(naive, rel=1e-6)
    assert (accuracy.forecasts, accuracy.crps) == (5, 0.005)
    assert (accuracy.first_as_of, accuracy.last_as_of) == (date(2013, 1, 1), date(2013, 1, 5))


def test_without_signs_there_is_no_direction() -> None:
    accuracy = measure_accuracy(past([0.0, 0.0], [0.001, 0.0]))
    assert (accuracy.direction, accuracy.direction_base_rate) == (None, None)


def test_a_past_forecast_is_in_simple_returns() -> None:
    described = describe_past(past([0.1], [-0.05]).row(0, named=True))
    assert described.actual_return == pytest.approx(np.expm1(0.1), rel=1e-6)
    assert described.expected_return == pytest.approx(np.expm1(-0.05), rel=1e-6)
    assert described.intervals["95"][0] == pytest.approx(np.expm1(-0.07), rel=1e-6)
