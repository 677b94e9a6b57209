"""Prices, the analysis of a ticker, and the list of all tickers."""

from __future__ import annotations

from datetime import date, datetime

from pydantic import BaseModel, Field

from serving.http.schemas.explanation import Regime


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
        description="Seconds since `fetched_at`. A price is cached for a minute by default."
    )


class Indicator(BaseModel):
    """One input of the model at `as_of`."""

    name: str
    group: str
    value: float
    description: str


class PriceRange(BaseModel):
    """Lowest and highest close of the last 252 sessions."""

    low: float
    high: float


class Volatility(BaseModel):
    """Realised volatility over 21 sessions, relative to the ticker's own history."""

    annualised: float = Field(description="Standard deviation of log returns, times sqrt(252).")
    rank: float = Field(description="Share of the history that is not higher, from 0 to 1.")
    sessions: int = Field(description="Length of the history.")
    regime: Regime = Field(description="calm up to a rank of 0.25, turbulent above 0.75.")


class Drawdown(BaseModel):
    """Fall of the close from its previous peak, within the published prices."""

    current: float = Field(description="0 at a peak, -0.2 at 20 % below it.")
    maximum: float
    peak_session: date = Field(description="Session of the last peak.")


class MarketExposure(BaseModel):
    """Relation to the mean log return of the other tickers of the universe."""

    beta: float
    correlation: float
    sessions: int = Field(description="Number of sessions in common.")
    tickers: int = Field(description="Number of other tickers in the mean.")


class ClosingPrices(BaseModel):
    """Closes adjusted for splits and dividends, on the level of the newest close as traded."""

    sessions: list[date]
    closes: list[float]


class Analysis(BaseModel):
    """Response body of ``/analysis/{ticker}``."""

    ticker: str
    exchange: str = Field(description="MIC of the exchange.")
    as_of: date
    current_price: float = Field(description="Close as traded at `as_of`.")
    data_age_sessions: int
    returns: dict[str, float | None] = Field(
        description="Simple return over 1w, 1m, 3m, 6m and 1y; null if the history is shorter."
    )
    moving_averages: dict[str, float | None] = Field(
        description="Mean close over 20, 50 and 200 sessions; null if the history is shorter."
    )
    price_range: PriceRange
    volatility: Volatility | None
    drawdown: Drawdown
    market: MarketExposure | None = Field(
        description="Null with fewer than 60 sessions in common with another ticker."
    )
    indicators: list[Indicator] = Field(description="All inputs of the model at `as_of`.")
    prices: ClosingPrices | None = Field(
        default=None,
        exclude_if=lambda value: value is None,
        description="Present with `include=prices` only.",
    )


class FollowedTicker(BaseModel):
    """One ticker of the published snapshot."""

    ticker: str
    name: str | None = Field(description="Company name, if the universe file has it.")
    exchange: str | None = Field(description="MIC of the exchange. Null without a forecast.")
    as_of: date | None = Field(description="Newest session. Null without a forecast.")
    current_price: float | None = Field(description="Close as traded at `as_of`.")
    data_age_sessions: int | None
    reason: str | None = Field(description="Reason why there is no forecast, otherwise null.")


class Universe(BaseModel):
    """Response body of ``/universe``."""

    count: int = Field(description="Number of tickers that match.")
    tickers: list[FollowedTicker] = Field(description="Sorted by ticker, at most `limit`.")
