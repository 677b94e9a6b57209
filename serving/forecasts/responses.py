"""One forecast as an answer: from a row of the bundle's output to the fields that go over HTTP.

Units, rounding and names belong here. Where windows and prices come from does not.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from datetime import date, datetime

from forecasting.bundle.bundle import Bundle
from forecasting.bundle.graph import BundleOutput
from forecasting.distribution.signals import derive_signal
from forecasting.horizons import LABEL_OF
from serving.http.schemas import Forecast, HorizonLabel, MemberForecast, Prediction
from serving.models.model_cache import LiveModel

# The graph computes in float32: later digits would be noise.
_DIGITS = 7


@dataclass(frozen=True)
class ForecastRow:
    """One window's place in an output, with what is known at its `as_of`."""

    ticker: str
    exchange: str
    as_of: date
    close: float
    targets: dict[int, date]
    output: BundleOutput
    at: int


@dataclass(frozen=True)
class Freshness:
    """When a forecast was computed, and how old its data is by its exchange's calendar."""

    computed_at: datetime
    last_closed: date
    age: int


def build_forecast(model: LiveModel, row: ForecastRow, horizon: int, clock: Freshness) -> Forecast:
    """Return the answer for one ticker and horizon."""
    manifest = model.bundle.manifest
    return Forecast(
        ticker=row.ticker,
        as_of=row.as_of,
        horizon=label_of(horizon),
        target_session=row.targets[horizon],
        current_price=round_significant(row.close),
        prediction=build_prediction(model.bundle, row, horizon),
        members=build_members(model.bundle, row, horizon),
        weights=_with_naive(manifest.mean_weights[horizon]),
        scale_weights=manifest.scale_weights[horizon],
        model=model.info,
        last_closed_session=clock.last_closed,
        data_age_sessions=clock.age,
        timestamp=clock.computed_at,
    )


def build_prediction(bundle: Bundle, row: ForecastRow, horizon: int) -> Prediction:
    """Return the ensemble's calibrated forecast in prices."""
    outlook = derive_signal(bundle.distribution(row.output, row.at, horizon), row.close)
    return Prediction(
        **{
            **asdict(outlook),
            "price_target": round_significant(outlook.price_target),
            "expected_return": round_significant(outlook.expected_return),
            "confidence": round_significant(outlook.confidence),
            "probability_up": round_significant(outlook.probability_up),
            "intervals": {
                k: (round_significant(lo), round_significant(hi))
                for k, (lo, hi) in outlook.intervals.items()
            },
        }
    )


def build_members(bundle: Bundle, row: ForecastRow, horizon: int) -> dict[str, MemberForecast]:
    """Return what each member says on its own, uncalibrated."""
    column = bundle.manifest.horizons.index(horizon)
    means = row.output.member_mean[row.at, :, column].tolist()
    scales = row.output.member_scale[row.at, :, column].tolist()
    return {
        name: MemberForecast(
            price_target=round_significant(row.close * math.exp(mean)),
            expected_return=round_significant(math.expm1(mean)),
            scale=round_significant(scale),
        )
        for name, mean, scale in zip(bundle.manifest.members, means, scales, strict=True)
    }


def label_of(horizon: int) -> HorizonLabel:
    """Return the name that a horizon carries over HTTP."""
    label: HorizonLabel = LABEL_OF[horizon]  # type: ignore[assignment]
    return label


def round_significant(value: float) -> float:
    """Round to the digits that the model's arithmetic has."""
    return float(f"{value:.{_DIGITS}g}")


def _with_naive(weights: dict[str, float]) -> dict[str, float]:
    return {**weights, "naive": round_significant(max(0.0, 1 - sum(weights.values())))}
