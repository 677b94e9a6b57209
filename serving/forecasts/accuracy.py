"""Accuracy of past forecasts of one ticker."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from forecasting.forecast_history import BOUNDS, MEDIAN
from serving.forecasts.responses import round_float32
from serving.http.schemas.history import Accuracy, PastForecast

Floats = NDArray[np.float64]


def measure_accuracy(rows: pl.DataFrame) -> Accuracy:
    """Return the accuracy of forecasts with the columns of `forecasting.forecast_history`."""
    outcome, median = _column(rows, "log_return"), _column(rows, MEDIAN)
    has_sign = (outcome != 0) & (median != 0)
    rises, calls = outcome[has_sign] > 0, median[has_sign] > 0
    actual = np.expm1(outcome)
    return Accuracy(
        forecasts=rows.height,
        first_as_of=rows["as_of"][0],
        last_as_of=rows["as_of"][-1],
        direction=_mean(rises == calls) if rises.size else None,
        direction_base_rate=max(_mean(rises), _mean(~rises)) if rises.size else None,
        coverage={
            level: _mean((_column(rows, low) <= outcome) & (outcome <= _column(rows, high)))
            for level, (low, high) in BOUNDS.items()
        },
        mean_absolute_error=_mean(np.abs(actual - np.expm1(median))),
        mean_absolute_error_naive=_mean(np.abs(actual)),
        crps=_mean(_column(rows, "crps")),
    )


def describe_past(row: dict[str, Any]) -> PastForecast:
    """Return one row of `forecasting.forecast_history` as simple returns."""
    return PastForecast(
        as_of=row["as_of"],
        target_session=row["target_session"],
        expected_return=_simple(row[MEDIAN]),
        intervals={
            level: (_simple(row[low]), _simple(row[high])) for level, (low, high) in BOUNDS.items()
        },
        actual_return=_simple(row["log_return"]),
    )


def _column(rows: pl.DataFrame, name: str) -> Floats:
    return rows[name].to_numpy().astype(np.float64)


def _mean(values: NDArray[Any]) -> float:
    return round_float32(float(values.mean()))


def _simple(log_return: float) -> float:
    return round_float32(float(np.expm1(log_return)))
