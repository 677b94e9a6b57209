"""Forecasts of many tickers in one response, and jobs in the background."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import AliasChoices, BaseModel, ConfigDict, Field

from serving.http.schemas.forecast import Forecast
from serving.http.schemas.parameters import DEFAULT_HORIZON, HorizonLabel
from serving.http.schemas.problem import ProblemBody

MAX_BATCH_TICKERS = 1_000


class BatchRequest(BaseModel):
    """Request for the forecasts of up to 1,000 tickers."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    tickers: list[Annotated[str, Field(max_length=64)]] = Field(
        validation_alias=AliasChoices("tickers", "symbols"),
        min_length=1,
        max_length=MAX_BATCH_TICKERS,
        examples=[["AAPL", "MSFT"]],
    )
    horizon: HorizonLabel = Field(
        DEFAULT_HORIZON, validation_alias=AliasChoices("horizon", "timeframe")
    )


class TickerProblem(ProblemBody):
    """Reason why one ticker of a batch has no forecast."""

    ticker: str = Field(description="The ticker as in the request.")


class BatchForecasts(BaseModel):
    """Response body of ``/predict/batch``."""

    horizon: HorizonLabel
    count: int = Field(description="Number of forecasts.")
    failed: int = Field(description="Number of problems.")
    forecasts: list[Forecast] = Field(description="In the order of the request.")
    problems: list[TickerProblem] = Field(description="One for each ticker without a forecast.")


class Job(BaseModel):
    """State of a job in the background, and its result."""

    id: str
    status: Literal["running", "done", "failed"]
    created_at: datetime
    expires_at: datetime = Field(description="The job is forgotten at this time.")
    result: BatchForecasts | None = Field(description="Null unless `status` is done.")
    problem: ProblemBody | None = Field(description="Null unless `status` is failed.")
