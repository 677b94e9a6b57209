"""Comparison of champion and challenger."""

from __future__ import annotations

from datetime import date

from pydantic import BaseModel, Field

from serving.http.schemas.forecast import MemberForecast, ModelInfo, Prediction
from serving.http.schemas.parameters import HorizonLabel


class ComparedHorizon(BaseModel):
    """Forecast of one model for one horizon."""

    target_session: date
    prediction: Prediction
    members: dict[str, MemberForecast]


class ComparedModel(BaseModel):
    """Forecasts of one model version for a ticker, with its out-of-sample metrics."""

    model: ModelInfo
    as_of: date
    horizons: dict[HorizonLabel, ComparedHorizon]
    metrics: dict[str, dict[str, dict[str, float | None]]] = Field(
        description="Out-of-sample metrics at training time, by model, horizon in sessions and"
        " metric name."
    )


class Comparison(BaseModel):
    """Response body of ``/models/compare/{ticker}``."""

    ticker: str
    current_price: float
    champion: ComparedModel
    challenger: ComparedModel | None
    challenger_note: str | None = Field(
        description="Reason why `challenger` is null. Null if there is a challenger."
    )
