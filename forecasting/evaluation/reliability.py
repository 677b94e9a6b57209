"""Reliability of forecasts: PIT, calibration error of the confidence, and coverage by year.

References
----------
.. [1] Gneiting, T., Balabdaoui, F. and Raftery, A. E. (2007). Probabilistic forecasts, calibration
       and sharpness. Journal of the Royal Statistical Society B 69, 243-268.
.. [2] Naeini, M. P., Cooper, G. F. and Hauskrecht, M. (2015). Obtaining well calibrated
       probabilities using Bayesian binning. AAAI Conference on Artificial Intelligence, 2901-2907.
"""

from __future__ import annotations

from typing import TypedDict

import numpy as np
import numpy.typing as npt
import polars as pl

from forecasting.distribution.levels import COVERAGES, column_of, interval_levels

Array = npt.NDArray[np.float64]

PIT_BINS = 10
# Confidence lies between one half and one.
CONFIDENCE_EDGES = np.linspace(0.5, 1.0, 11)
_HALF = 0.5


class Reliability(TypedDict):
    """Reliability of one model at one horizon, see `measure_reliability`."""

    pit: list[float]
    confidence_error: float | None
    by_year: dict[str, dict[str, float]]


def measure_reliability(rows: pl.DataFrame) -> Reliability:
    """Measure the reliability of the forecasts of one model at one horizon.

    Parameters
    ----------
    rows
        Rows of `WalkForwardResult.forecasts`.

    Returns
    -------
    Reliability
        ``pit`` holds the share of outcomes in each tenth of their forecast distributions, 0.1 each
        for calibrated forecasts [1]_. ``confidence_error`` is `confidence_error`. ``by_year`` maps
        the year of the as-of session to the number of forecasts and the coverages.
    """
    counts, _ = np.histogram(rows["pit"].to_numpy(), bins=PIT_BINS, range=(0.0, 1.0))
    return {
        "pit": (counts / max(1, rows.height)).tolist(),
        "confidence_error": confidence_error(
            rows["probability_up"].to_numpy(), rows["log_return"].to_numpy()
        ),
        "by_year": _by_year(rows),
    }


def confidence_error(probability_up: Array, outcome: Array) -> float | None:
    """Return the expected calibration error of the confidence in the more likely direction [2]_.

    It is the mean distance between confidence and share of correct directions over bins of the
    confidence, weighted by their rows. Rows without a direction or a move are left out; None
    without other rows.

    Examples
    --------
    >>> probability_up = np.array([0.75, 0.75, 0.25, 0.25])
    >>> confidence_error(probability_up, outcome=np.array([0.1, 0.1, -0.1, 0.1]))
    0.0
    """
    is_call = (probability_up != _HALF) & (outcome != 0)
    if not is_call.any():
        return None
    up = probability_up[is_call]
    confidence = np.maximum(up, 1 - up)
    hit = (up > _HALF) == (outcome[is_call] > 0)
    place = np.digitize(confidence, CONFIDENCE_EDGES)
    gaps = np.bincount(place, weights=hit - confidence)
    return float(np.abs(gaps).sum() / len(hit))


def _by_year(rows: pl.DataFrame) -> dict[str, dict[str, float]]:
    inside = []
    for level in COVERAGES:
        low, high = (column_of(bound) for bound in interval_levels(level))
        is_inside = pl.col("log_return").is_between(low, high)
        inside.append(is_inside.mean().alias(f"coverage_{100 * level:.0f}"))
    years = (
        rows.group_by(year=pl.col("as_of").dt.year().cast(pl.String))
        .agg(pl.len().alias("forecasts"), *inside)
        .sort("year")
    )
    return {str(year.pop("year")): year for year in years.to_dicts()}
