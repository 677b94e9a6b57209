"""Request and response bodies as pydantic models, used for validation and for OpenAPI."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, WithJsonSchema

from core.tickers import check_ticker
from forecasting.distribution.signals import Direction, Recommendation

HorizonLabel = Literal["1d", "1w", "1m"]
DEFAULT_HORIZON: HorizonLabel = "1d"
MAX_CALLER_BARS = 5_000

TICKER_SCHEMA = {"type": "string", "pattern": r"^\^?[A-Za-z0-9][A-Za-z0-9.&=_-]{0,23}$"}
# Bounds of the numbers of a caller. The sum of the volumes of all bars fits in 64 bits.
MAX_PRICE = 1e12
MAX_VOLUME = 10**15
FIRST_SESSION, LAST_SESSION = date(1900, 1, 1), date(2100, 12, 31)

Ticker = Annotated[str, AfterValidator(check_ticker), WithJsonSchema(TICKER_SCHEMA)]
Price = Annotated[float, Field(gt=0, le=MAX_PRICE, allow_inf_nan=False)]


class CallerBar(BaseModel):
    """One daily bar from the caller: prices as traded, volume in shares."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    session: date = Field(ge=FIRST_SESSION, le=LAST_SESSION)
    open: Price
    high: Price
    low: Price
    close: Price
    volume: int = Field(ge=0, le=MAX_VOLUME)
    adj_close: Price | None = Field(
        None, description="Close adjusted for splits and dividends. Defaults to `close`."
    )


class PredictRequest(BaseModel):
    """Request for one forecast. With `bars`, the forecast uses these bars only."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    ticker: Ticker = Field(
        description="For example AAPL, BRK.B or AZN.L. With `bars`, any ticker is accepted and its"
        " suffix selects the exchange."
    )
    horizon: HorizonLabel = Field(
        DEFAULT_HORIZON, description="1d is 1 session ahead, 1w is 5 sessions, 1m is 21 sessions."
    )
    bars: list[CallerBar] | None = Field(
        None,
        min_length=1,
        max_length=MAX_CALLER_BARS,
        description="Daily bars in any order. The forecast starts from the last session.",
    )


class Prediction(BaseModel):
    """Calibrated ensemble forecast; `forecasting.distribution.signals` defines its fields."""

    price_target: float = Field(description="Median price at the target session.")
    expected_return: float = Field(description="Simple return from the close to the price target.")
    direction: Direction
    signal: Recommendation | None = Field(
        description="BUY or SELL if the expected return exceeds a cost of 10 bps, else HOLD. Null"
        " if the data is too old or the target session has closed."
    )
    signal_note: str | None = Field(
        description="Reason why `signal` is null. Null if there is a signal."
    )
    confidence: float = Field(
        description="Probability of the more likely direction, from 0.5 to 1."
    )
    probability_up: float
    intervals: dict[str, tuple[float, float]] = Field(
        description="Coverage in percent, mapped to the lower and upper price."
    )


class MemberForecast(BaseModel):
    """Forecast of one ensemble member before calibration."""

    price_target: float
    expected_return: float
    scale: float = Field(description="Scale of the log return over the horizon.")


class ModelInfo(BaseModel):
    """Registered model version that made a forecast."""

    name: str
    version: int
    trained_through: date = Field(description="Last session in the training data.")


class Forecast(BaseModel):
    """Response body of every forecast route."""

    ticker: str
    as_of: date = Field(description="Session whose close is the start of the forecast.")
    horizon: HorizonLabel
    target_session: date
    current_price: float = Field(description="Close as traded at `as_of`.")
    prediction: Prediction
    members: dict[str, MemberForecast]
    weights: dict[str, float] = Field(
        description="Weight of each member in the mean. `naive` is the weight of no change."
    )
    scale_weights: dict[str, float] = Field(description="Weight of each member in the scale.")
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


class CurrentPrice(BaseModel):
    """Response body of ``/quote/{ticker}``: the price of the last trade, as traded."""

    ticker: str
    price: float
    previous_close: float | None
    volume: int | None
    session: date = Field(description="Session of the price.")
    source: str = Field(description="Provider of the price.")
    fetched_at: datetime = Field(description="Time of the request to the provider (UTC).")
    age_seconds: float = Field(
        description="Seconds since `fetched_at`. The service caches a price for one minute."
    )


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
