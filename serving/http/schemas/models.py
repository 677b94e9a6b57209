"""Model versions that are loaded, live or refused, and runs that train one."""

from __future__ import annotations

from datetime import date, datetime

from pydantic import BaseModel, Field

from forecasting.drift_summary import DriftSummary
from serving.http.schemas.forecast import ModelInfo
from serving.http.schemas.history import Accuracy
from serving.http.schemas.parameters import HorizonLabel

Metrics = dict[str, dict[str, dict[str, float | None]]]


class LiveVersion(ModelInfo):
    """The version that makes the forecasts."""

    page: str | None = Field(
        description="Address of the version in MLflow, with its evidence. Null without a server."
    )
    live_since: datetime | None
    fingerprint: str
    feature_hash: str
    data_fingerprint: str
    code_version: str
    lookback: int
    horizons: list[int]
    trained_on: list[str]
    metrics: Metrics = Field(
        description="Out of sample, by model, horizon in sessions and metric name."
    )


class SnapshotAge(BaseModel):
    """Oldest and newest session of a snapshot."""

    oldest: date
    newest: date


class LiveSnapshot(BaseModel):
    """The snapshot that the forecasts are made from."""

    fingerprint: str
    data_fingerprint: str
    tickers: int
    without_forecast: dict[str, str]
    as_of: SnapshotAge
    last_closed_sessions: dict[str, date]
    data_age_sessions: int
    computed_at: datetime


class Refused(BaseModel):
    """A version that must not become live."""

    version: int
    reason: str
    since: datetime


class LoadedVersion(ModelInfo):
    """A version that was loaded in addition to the champion."""

    tickers: int = Field(description="Number of tickers with a forecast.")
    loaded_at: datetime


class ModelsStatus(BaseModel):
    """Response body of ``/models/status``."""

    champion_alias: int | None
    live: LiveVersion | None
    loaded: list[LoadedVersion] = Field(description="Versions loaded in addition to the champion.")
    snapshot: LiveSnapshot | None
    drift: DriftSummary | None = Field(
        description="Newest comparison of recent features with earlier ones. Null if there is none."
    )
    refused: list[Refused]


class TickerStatus(BaseModel):
    """Response body of ``/model/status/{ticker}``: one model for all tickers, seen from one."""

    ticker: str
    model: ModelInfo
    trained_on_ticker: bool = Field(description="Whether the ticker was in the training data.")
    as_of: date
    data_age_sessions: int
    accuracy: dict[HorizonLabel, Accuracy] = Field(
        description="Out-of-sample accuracy for the ticker; empty without past forecasts."
    )
    accuracy_note: str | None = Field(description="Reason why `accuracy` is empty.")


class StartedRun(BaseModel):
    """A run of a Dagster job."""

    job: str
    run_id: str
    status: str = Field(description="State in Dagster, such as QUEUED.")
    url: str = Field(description="Page of the run in Dagster.")
    ticker: str | None = Field(description="Ticker of the request; the model serves all tickers.")
