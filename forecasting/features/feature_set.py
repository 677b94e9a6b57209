"""Selects features, hashes the selection, and computes the feature table.

Training and serving call the same functions. Scaling is fitted, so it belongs to
`forecasting.samples.scaling` and the bundle. Targets are in `forecasting.samples.targets`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import polars as pl

from forecasting.features.built_in import built_in_features
from forecasting.features.expressions import BARS, shared_columns
from forecasting.features.spec import MAX_WARMUP, VOLATILITY, Feature
from forecasting.features.ta_indicators import named_indicator

__all__ = ["MAX_WARMUP", "VOLATILITY", "Feature", "FeatureSet", "compute_features", "feature_set"]


@dataclass(frozen=True)
class FeatureSet:
    """An ordered list of features with a version hash."""

    features: tuple[Feature, ...]

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the columns, in the order of the models' inputs."""
        return tuple(feature.name for feature in self.features)

    @cached_property
    def warmup(self) -> int:
        """Bars that a ticker needs until every feature of the set has a value."""
        return max(feature.warmup for feature in self.features)

    @cached_property
    def inputs(self) -> frozenset[str]:
        """Columns that the expressions read."""
        return frozenset(n for f in self.features for n in f.expression.meta.root_names())

    @cached_property
    def hash(self) -> str:
        """SHA-256 of names, order, warm-ups and definitions; equal on every machine."""
        parts = [[f.name, f.warmup, f.definition] for f in self.features]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def feature_set(extra_indicators: Sequence[str] = ()) -> FeatureSet:
    """Return the built-in features, followed by named indicators of the ``ta`` package.

    Parameters
    ----------
    extra_indicators
        Names such as ``trend.aroon_up``: module and function of ``ta``. Repeated names count once.

    Raises
    ------
    SettingsError
        When ``ta`` has no such function, or when the indicator looks ahead, has no finite warm-up
        or has no unit-free form; see `forecasting.features.admission`.

    Examples
    --------
    >>> features = feature_set(["trend.aroon_up"])
    >>> len(features.names), features.names[0], features.names[-1], features.warmup
    (55, 'log_return_past_1', 'ta_trend_aroon_up', 130)
    >>> features.hash == feature_set().hash
    False
    """
    named = (named_indicator(name) for name in dict.fromkeys(extra_indicators))
    return FeatureSet((*built_in_features(), *named))


def compute_features(adjusted: pl.DataFrame, features: FeatureSet) -> pl.DataFrame:
    """Compute every feature for every bar.

    Parameters
    ----------
    adjusted
        Adjusted bars of one or more tickers, sorted by ticker and session: ``ticker session open
        high low close volume``, without nulls.
    features
        Features to compute.

    Returns
    -------
    polars.DataFrame
        Key ``(ticker, session)`` in the order of `adjusted`, and one Float64 column per feature. A
        row contains only information known at the close of its session. Values are null, never NaN
        or infinite, before the warm-up of a feature and where the feature is undefined.

    Examples
    --------
    >>> from datetime import date
    >>> close = [100.0, 110.0, 99.0]
    >>> bars = pl.DataFrame(
    ...     {
    ...         "ticker": ["ABC"] * 3,
    ...         "session": [date(2024, 1, day) for day in (2, 3, 4)],
    ...         **{name: close for name in ("open", "high", "low", "close")},
    ...         "volume": [1e6] * 3,
    ...     }
    ... )
    >>> table = compute_features(bars, feature_set())
    >>> table["log_return_past_1"].round(4).to_list()
    [None, 0.0953, -0.1054]
    >>> table["ewma_volatility"].null_count()
    3
    """
    by_ticker = adjusted["ticker"].n_unique() > 1
    frame = adjusted
    for selection in _selections(features, by_ticker=by_ticker):
        frame = frame.select(selection)
    return frame


@lru_cache(maxsize=16)
def _selections(features: FeatureSet, *, by_ticker: bool) -> tuple[list[pl.Expr], ...]:
    """Return the columns to select in turn: shared columns, raw values, values after warm-up.

    Cached because building the expressions takes as long as evaluating them on one window.
    """

    def scoped(expression: pl.Expr) -> pl.Expr:
        return expression.over("ticker") if by_ticker else expression

    bars, key = pl.col(BARS), [pl.col("ticker"), pl.col("session")]
    shared = {n: e for n, e in shared_columns().items() if n in features.inputs | {BARS}}
    inputs = [pl.all(), *(scoped(e).alias(name) for name, e in shared.items())]
    raw = [scoped(f.expression).cast(pl.Float64).alias(f.name) for f in features.features]
    defined = [
        pl.when((bars >= f.warmup) & pl.col(f.name).is_finite()).then(pl.col(f.name)).alias(f.name)
        for f in features.features
    ]
    return inputs, [*key, bars, *raw], [*key, *defined]
