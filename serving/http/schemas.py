"""What goes in and out over HTTP, as pydantic models: validation and the OpenAPI page use them.

Field names, bounds and descriptions belong here. How an answer comes about does not.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from core.tickers import check_ticker
from forecasting.distribution.signals import Direction, Recommendation

HorizonLabel = Literal["1d", "1w", "1m"]
DEFAULT_HORIZON: HorizonLabel = "1d"
MAX_CALLER_BARS = 5_000

Ticker = Annotated[str, AfterValidator(check_ticker)]
Price = Annotated[float, Field(allow_inf_nan=False)]


class CallerBar(BaseModel):
    """One session's bar as the caller knows it: prices as traded, volume in shares."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    session: date
    open: Price
    high: Price
    low: Price
    close: Price
    volume: int
    adj_close: Price | None = Field(
        None, description="Close adjusted for splits and dividends; left out, `close` is used."
    )


class PredictRequest(BaseModel):
    """Which forecast is wanted; with `bars`, it is made from the caller's own prices."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    ticker: Ticker = Field(
        description="Such as AAPL, BRK.B or AZN.L; with `bars` any name, whose suffix tells the"
        " exchange."
    )
    horizon: HorizonLabel = Field(
        DEFAULT_HORIZON, description="1d is one session ahead, 1w five, 1m twenty-one."
    )
    bars: list[CallerBar] | None = Field(
        None,
        min_length=1,
        max_length=MAX_CALLER_BARS,
        description="Daily bars up to the session to forecast from, in any order.",
    )


class Prediction(BaseModel):
    """The ensemble's forecast; `forecasting.distribution.signals` documents every rule behind these words."""

    price_target: float = Field(description="Median price at the target session.")
    expected_return: float = Field(description="Simple return to the price target.")
    direction: Direction
    signal: Recommendation = Field(
        description="BUY or SELL only where the return exceeds 10 bps of cost."
    )
    confidence: float = Field(description="Probability of the likelier side, 0.5 to 1.")
    probability_up: float
    intervals: dict[str, tuple[float, float]] = Field(
        description="Coverage in percent -> lowest and highest price."
    )


class MemberForecast(BaseModel):
    """What one member of the ensemble says on its own, before calibration."""

    price_target: float
    expected_return: float
    scale: float = Field(description="Scale of the log return over the horizon.")


class ModelInfo(BaseModel):
    """Which registered version answered."""

    name: str
    version: int
    trained_through: date = Field(description="The last session that training has seen.")


class Forecast(BaseModel):
    """The answer of every forecast route."""

    ticker: str
    as_of: date = Field(description="The session whose close the forecast starts from.")
    horizon: HorizonLabel
    target_session: date
    current_price: float = Field(description="Close as traded at `as_of`.")
    prediction: Prediction
    members: dict[str, MemberForecast]
    weights: dict[str, float] = Field(
        description="Of each member in the mean; `naive` is the rest, drawn towards no change."
    )
    scale_weights: dict[str, float] = Field(description="Of each member in the scale.")
    model: ModelInfo
    last_closed_session: date = Field(
        description="The newest session that the ticker's exchange has closed."
    )
    data_age_sessions: int = Field(description="Sessions closed since `as_of`: 0 is up to date.")
    timestamp: datetime = Field(
        description="When the forecast was computed (UTC); it stays until model or data change."
    )


class CurrentPrice(BaseModel):
    """The answer of ``/quote/{ticker}``: the price now, or at the last trade; as traded."""

    ticker: str
    price: float
    previous_close: float | None
    volume: int | None
    session: date = Field(description="The session that the price belongs to.")
    source: str = Field(description="The provider that told it.")
    asked_at: datetime = Field(description="When the provider was asked (UTC).")
    age_seconds: float = Field(description="Seconds since then: an answer is kept for a minute.")


class ComparedHorizon(BaseModel):
    """One model's forecast for one horizon."""

    target_session: date
    prediction: Prediction
    members: dict[str, MemberForecast]


class ComparedModel(BaseModel):
    """One version's forecasts for a ticker, beside how it did out of sample."""

    model: ModelInfo
    as_of: date
    horizons: dict[HorizonLabel, ComparedHorizon]
    metrics: dict[str, dict[str, dict[str, float | None]]] = Field(
        description="Model -> horizon in sessions -> metric, out of sample, at training time."
    )


class Comparison(BaseModel):
    """The answer of ``/models/compare/{ticker}``."""

    ticker: str
    current_price: float
    champion: ComparedModel
    challenger: ComparedModel | None
    challenger_note: str | None = Field(description="Why there is no challenger's forecast.")
