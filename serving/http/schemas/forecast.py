"""A forecast and its parts."""

from __future__ import annotations

from datetime import date, datetime

from pydantic import BaseModel, Field

from forecasting.distribution.signals import Direction, Recommendation
from serving.http.schemas.explanation import Explanation
from serving.http.schemas.parameters import HorizonLabel


class Prediction(BaseModel):
    """Calibrated ensemble forecast; `forecasting.distribution.signals` defines its fields."""

    price_target: float = Field(
        description="Median price at the target session.", examples=[431.33]
    )
    expected_return: float = Field(
        description="Simple return from the close to the price target.", examples=[0.002]
    )
    direction: Direction
    signal: Recommendation | None = Field(
        description="BUY or SELL if the expected return exceeds a cost of 10 bps, else HOLD. Null"
        " if the data is too old or the target session has closed."
    )
    signal_note: str | None = Field(
        description="Reason why `signal` is null. Null if there is a signal.",
        examples=[None],
    )
    confidence: float = Field(
        description="Probability of the more likely direction, from 0.5 to 1.", examples=[0.518]
    )
    probability_up: float = Field(examples=[0.518])
    intervals: dict[str, tuple[float, float]] = Field(
        description="Coverage in percent, mapped to the lower and upper price.",
        examples=[{"80": (407.28, 456.11), "95": (392.35, 472.77), "99": (374.13, 495.19)}],
    )


class MemberForecast(BaseModel):
    """Forecast of one ensemble member before calibration.

    Members forecast the scale only. They share the expected return, so compare their `scale`.
    """

    price_target: float = Field(description="The same for all members.")
    expected_return: float = Field(description="The same for all members.")
    scale: float = Field(
        description="Volatility of the log return over the horizon, the forecast of the member."
    )


class ModelInfo(BaseModel):
    """Registered model version that made a forecast."""

    name: str
    version: int
    trained_through: date = Field(description="Last session in the training data.")


class Forecast(BaseModel):
    """Response body of every forecast route."""

    ticker: str = Field(examples=["AAPL"])
    as_of: date = Field(
        description="The forecast starts from the close of this session.", examples=["2013-03-01"]
    )
    horizon: HorizonLabel = Field(examples=["1w"])
    target_session: date = Field(examples=["2013-03-08"])
    current_price: float = Field(description="Close as traded at `as_of`.", examples=[430.47])
    prediction: Prediction
    members: dict[str, MemberForecast]
    weights: dict[str, float] = Field(
        description="The same as `scale_weights`, with `naive`, which is always 0. Kept for clients"
        " written before the members shared their expected return."
    )
    scale_weights: dict[str, float] = Field(
        description="Weight of each member in the logarithm of the scale. Weights sum to 1."
    )
    model: ModelInfo
    last_closed_session: date = Field(
        description="Newest session that has closed on the exchange of the ticker."
    )
    data_age_sessions: int = Field(
        description="Number of sessions closed since `as_of`. 0 means up to date."
    )
    timestamp: datetime = Field(
        description="Time of computation (UTC). It changes only with the model or the data."
    )
    explanation: Explanation | None = Field(
        default=None,
        exclude_if=lambda value: value is None,
        description="Present with `include=explanation` only.",
    )
