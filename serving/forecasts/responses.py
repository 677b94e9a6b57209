"""Response fields of one forecast: units, rounding and names."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date, datetime

from core.settings import variable_name
from forecasting.bundle.bundle import Bundle
from forecasting.bundle.graph import BundleOutput
from forecasting.distribution.signals import derive_signal
from forecasting.horizons import LABEL_OF
from serving.http.schemas.forecast import Forecast, MemberForecast, Prediction
from serving.http.schemas.parameters import HorizonLabel
from serving.models.model_cache import LiveModel

# The graph computes in float32, so later digits are noise.
_SIGNIFICANT_DIGITS = 7
MAX_AGE_SETTING = variable_name("max_data_age_sessions")


@dataclass(frozen=True)
class ForecastRow:
    """Model output of one ticker: row `at` of `output`, with the close at `as_of`."""

    ticker: str
    exchange: str
    as_of: date
    close: float
    targets: dict[int, date]
    output: BundleOutput
    at: int


@dataclass(frozen=True)
class Freshness:
    """Time of computation, and age of the data on the exchange's calendar.

    A forecast has no trading signal if its data is older than `max_age_sessions` or of unknown age
    because of a `calendar_fault`, or if its target session has closed.
    """

    computed_at: datetime
    last_closed_session: date
    age_sessions: int
    max_age_sessions: int
    calendar_fault: str | None = None

    def signal_note(self, target_session: date) -> str | None:
        """Return the reason why a forecast has no signal, or None if it has one."""
        if self.calendar_fault is not None:
            return f"The age of the data is unknown: {self.calendar_fault}"
        if self.age_sessions > self.max_age_sessions:
            return (
                f"The last bar is {plural(self.age_sessions, 'session')} old, and the limit is"
                f" {self.max_age_sessions} ({MAX_AGE_SETTING})."
            )
        if target_session <= self.last_closed_session:
            return f"The target session {target_session} has closed."
        return None


def plural(count: int, noun: str) -> str:
    """Return the count with its noun, such as ``2 sessions``."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def build_forecast(
    model: LiveModel, row: ForecastRow, horizon: int, freshness: Freshness
) -> Forecast:
    """Return the response body for one ticker and horizon."""
    weights = model.bundle.manifest.scale_weights[horizon]
    return Forecast(
        ticker=row.ticker,
        as_of=row.as_of,
        horizon=horizon_label(horizon),
        target_session=row.targets[horizon],
        current_price=round_float32(row.close),
        prediction=build_prediction(model.bundle, row, horizon, freshness),
        members=build_members(model.bundle, row, horizon),
        weights={**weights, "naive": 0.0},
        scale_weights=weights,
        model=model.info,
        last_closed_session=freshness.last_closed_session,
        data_age_sessions=freshness.age_sessions,
        timestamp=freshness.computed_at,
    )


def build_prediction(
    bundle: Bundle, row: ForecastRow, horizon: int, freshness: Freshness
) -> Prediction:
    """Return the calibrated forecast of the ensemble in prices."""
    note = freshness.signal_note(row.targets[horizon])
    signal = derive_signal(bundle.distribution(row.output, row.at, horizon), row.close)
    return Prediction(
        price_target=round_float32(signal.price_target),
        expected_return=round_float32(signal.expected_return),
        direction=signal.direction,
        signal=signal.signal if note is None else None,
        signal_note=note,
        confidence=round_float32(signal.confidence),
        probability_up=round_float32(signal.probability_up),
        intervals={
            coverage: (round_float32(low), round_float32(high))
            for coverage, (low, high) in signal.intervals.items()
        },
    )


def build_members(bundle: Bundle, row: ForecastRow, horizon: int) -> dict[str, MemberForecast]:
    """Return the forecast of each ensemble member before calibration."""
    column = bundle.manifest.horizons.index(horizon)
    means = row.output.member_mean[row.at, :, column].tolist()
    scales = row.output.member_scale[row.at, :, column].tolist()
    return {
        name: MemberForecast(
            price_target=round_float32(row.close * math.exp(mean)),
            expected_return=round_float32(math.expm1(mean)),
            scale=round_float32(scale),
        )
        for name, mean, scale in zip(bundle.manifest.members, means, scales, strict=True)
    }


def horizon_label(horizon: int) -> HorizonLabel:
    """Return the label of a horizon in requests and responses."""
    label: HorizonLabel = LABEL_OF[horizon]  # type: ignore[assignment]
    return label


def round_float32(value: float) -> float:
    """Round to the significant digits of float32."""
    return float(f"{value:.{_SIGNIFICANT_DIGITS}g}")
