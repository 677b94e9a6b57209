"""Runs of the pipeline that a request has started."""

from __future__ import annotations

from pydantic import BaseModel, Field


class StartedRun(BaseModel):
    """A run of a Dagster job."""

    job: str
    run_id: str
    status: str = Field(description="State in Dagster, such as QUEUED.")
    url: str = Field(description="Page of the run in Dagster.")
    ticker: str | None = Field(description="Ticker of the request; the model serves all tickers.")
