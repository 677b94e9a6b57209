"""Quantile levels of predictive distributions, and their column names in tables."""

from __future__ import annotations

import numpy as np

LEVELS = np.linspace(0.005, 0.995, 199)
LEVELS.flags.writeable = False

# Levels in the public file `forecasts.parquet`.
REPORTED: tuple[float, ...] = (
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    0.75,
    0.9,
    0.95,
    0.975,
    0.99,
    0.995,
)
COVERAGES: tuple[float, ...] = (0.8, 0.95, 0.99)


def column_of(level: float) -> str:
    """Return the name of the column with the quantile at `level`.

    Examples
    --------
    >>> column_of(0.975)
    'q97.5'
    """
    return f"q{round(100 * level, 6):g}"


REPORTED_COLUMNS: tuple[str, ...] = tuple(column_of(level) for level in REPORTED)
# Positions of the reported levels in `LEVELS`.
REPORTED_INDEX = np.array([int(np.argmin(np.abs(LEVELS - level))) for level in REPORTED])
REPORTED_INDEX.flags.writeable = False


def interval_levels(coverage: float) -> tuple[float, float]:
    """Return the lower and the upper level of the central interval with `coverage`.

    Examples
    --------
    >>> interval_levels(0.95)
    (0.025, 0.975)
    """
    return round((1 - coverage) / 2, 9), round((1 + coverage) / 2, 9)
