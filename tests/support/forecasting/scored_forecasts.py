"""Scored forecasts without models, as the walk-forward leaves them."""

from __future__ import annotations

from functools import cache

import polars as pl
from support.forecasting.folds import synthetic_folds

from forecasting.evaluation.combination import combine_folds


@cache
def scored_forecasts(seed: int = 4) -> pl.DataFrame:
    """Every model's forecasts of three scored folds; another seed is another market."""
    return combine_folds(synthetic_folds(seed=seed)).forecasts
