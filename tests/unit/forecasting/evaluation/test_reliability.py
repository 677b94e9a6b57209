"""Reliability of forecasts, recomputed in plain Python."""

from __future__ import annotations

from datetime import date

import numpy as np
import polars as pl
import pytest
from support.forecasting.scored_forecasts import scored_forecasts

from forecasting.distribution.levels import LEVELS
from forecasting.distribution.predictive import PredictiveDistribution, cdf_of_surface
from forecasting.evaluation.reliability import confidence_error, measure_reliability


def rows() -> pl.DataFrame:
    return scored_forecasts().filter(model="ensemble", horizon=5)


def test_pit_counts_the_outcomes_in_each_tenth_of_their_distributions() -> None:
    pit = measure_reliability(rows())["pit"]
    assert sum(pit) == pytest.approx(1)
    below = (rows()["log_return"] < rows()["q10"]).mean()
    assert pit[0] == pytest.approx(below, abs=0.002)
    above = (rows()["log_return"] > rows()["q90"]).mean()
    assert pit[-1] == pytest.approx(above, abs=0.002)


def test_the_probability_of_a_rise_is_that_of_the_served_distribution() -> None:
    rng = np.random.default_rng(0)
    quantiles = np.sort(rng.normal(size=(20, len(LEVELS))), axis=1)
    values = rng.normal(size=20)
    found = cdf_of_surface(values, quantiles, LEVELS)
    served = [
        PredictiveDistribution(0.0, 1.0, LEVELS, row).cdf(float(value))
        for row, value in zip(quantiles, values, strict=True)
    ]
    np.testing.assert_allclose(found, served, atol=1e-12)


def test_coverage_is_given_for_every_year() -> None:
    by_year = measure_reliability(rows())["by_year"]
    years = rows().group_by(pl.col("as_of").dt.year()).len()
    assert {int(year): scores["forecasts"] for year, scores in by_year.items()} == dict(
        years.iter_rows()
    )
    first = rows().filter(pl.col("as_of") <= date(2015, 12, 31))
    inside = first["log_return"].is_between(first["q2.5"], first["q97.5"]).mean()
    assert by_year["2015"]["coverage_95"] == pytest.approx(inside)


def test_the_confidence_error_is_the_mean_distance_of_confidence_and_hits() -> None:
    probability_up = np.array([0.52] * 50 + [0.28] * 50)
    outcome = np.concatenate([np.repeat([1.0, -1.0], 25), np.repeat([1.0, -1.0], [10, 40])])
    # Confidence 0.52 hits 25 of 50, confidence 0.72 hits 40 of 50.
    expected = 0.5 * abs(0.52 - 0.5) + 0.5 * abs(0.72 - 0.8)
    assert confidence_error(probability_up, outcome) == pytest.approx(expected)


def test_a_model_without_a_direction_has_no_confidence_error() -> None:
    assert confidence_error(np.full(9, 0.5), np.ones(9)) is None
