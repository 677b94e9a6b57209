"""Adjusted bars -> feature table: one list of expressions for training and for serving.

Belongs here: choosing the list, its version hash, and applying it to many tickers or to one window.
Does not belong here: the formulas (`forecasting.features.built_in`, `forecasting.features.ta_indicators`), scaling
(fitted, so it travels in the bundle), and targets.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import polars as pl

from forecasting.features.built_in import BARS, basis, built_in_features
from forecasting.features.spec import MAX_WARMUP, VOLATILITY, Feature
from forecasting.features.ta_indicators import named_indicator

__all__ = ["MAX_WARMUP", "VOLATILITY", "Feature", "FeatureSet", "compute_features", "feature_set"]


@dataclass(frozen=True)
class FeatureSet:
    """An ordered list of features and its version."""

    features: tuple[Feature, ...]

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Column names, in the order in which models see them."""
        return tuple(feature.name for feature in self.features)

    @cached_property
    def warmup(self) -> int:
        """Bars that a ticker needs before every feature of the set is known."""
        return max(feature.warmup for feature in self.features)

    @cached_property
    def inputs(self) -> frozenset[str]:
        """Columns that the expressions read."""
        return frozenset(n for f in self.features for n in f.expression.meta.root_names())

    @cached_property
    def hash(self) -> str:
        """SHA-256 over names, order, definitions and warm-ups; equal on every machine."""
        parts = [[f.name, f.warmup, f.definition] for f in self.features]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def feature_set(extra_indicators: Sequence[str] = ()) -> FeatureSet:
    """Return the built-in features, followed by indicators of ``ta`` asked for by name.

    Parameters
    ----------
    extra_indicators
        Names such as ``trend.aroon_up``: module and function of ``ta``; a repeated one counts once.

    Raises
    ------
    SettingsError
        When ``ta`` has no such function (near names are given), or the indicator looks ahead, has
        no finite warm-up or no unit-free form; see `forecasting.features.ta_indicators`.
    """
    named = (named_indicator(name) for name in dict.fromkeys(extra_indicators))
    return FeatureSet((*built_in_features(), *named))


def compute_features(adjusted: pl.DataFrame, features: FeatureSet) -> pl.DataFrame:
    """Compute every feature for every bar.

    Parameters
    ----------
    adjusted
        Adjusted bars of one or many tickers, sorted by ticker and session: ``ticker session open
        high low close volume``, without nulls.
    features
        The list to apply.

    Returns
    -------
    polars.DataFrame
        Key ``(ticker, session)`` as given, and one Float64 column a feature. A row holds what was
        known at that session's close and nothing later. Null, never NaN or infinite, before a
        feature's warm-up and where it is undefined.
    """
    many = adjusted["ticker"].n_unique() > 1
    frame = adjusted
    for stage in _stages(features, many=many):
        frame = frame.select(stage)
    return frame


@lru_cache(maxsize=16)
def _stages(features: FeatureSet, *, many: bool) -> tuple[list[pl.Expr], ...]:
    """Return what to select, stage by stage: shared inputs, values, values that are known.

    Kept, because on one window to make the expressions takes as long as to compute them.
    """

    def scoped(expression: pl.Expr) -> pl.Expr:
        return expression.over("ticker") if many else expression

    bars, key = pl.col(BARS), [pl.col("ticker"), pl.col("session")]
    shared = {n: e for n, e in basis().items() if n in features.inputs | {BARS}}
    inputs = [pl.all(), *(scoped(e).alias(name) for name, e in shared.items())]
    values = [scoped(f.expression).cast(pl.Float64).alias(f.name) for f in features.features]
    known = [
        pl.when((bars >= f.warmup) & pl.col(f.name).is_finite()).then(pl.col(f.name)).alias(f.name)
        for f in features.features
    ]
    return inputs, [*key, bars, *values], [*key, *known]
