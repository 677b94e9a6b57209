"""Current price of a ticker."""

from __future__ import annotations

from datetime import date, datetime

from pydantic import BaseModel, Field


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
