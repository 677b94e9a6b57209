"""Health of the service, its progress after a start, and its times of requests."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

HealthStatus = Literal["healthy", "degraded", "unhealthy"]


class Issue(BaseModel):
    """A problem that needs attention."""

    topic: str
    detail: str
    since: datetime | None
    duration_seconds: float | None = None


class Dependency(BaseModel):
    """Something that the service depends on."""

    status: HealthStatus = Field(
        description="unhealthy if forecasts need it and none are live, degraded with an issue."
    )
    detail: str | None = Field(description="The issue, or null.")


class ProviderHealth(BaseModel):
    """Circuit breaker of a price provider."""

    name: str
    state: Literal["closed", "half_open", "open"]
    since: datetime | None
    retry_at: datetime | None
    last_success: datetime | None
    reason: str


class ProviderQuota(BaseModel):
    """Calls to a price provider in its present day."""

    provider: str
    made_today: int
    per_day: int | None
    left_today: int | None
    renews_at: datetime | None


class Health(BaseModel):
    """Response body of ``/health``."""

    status: HealthStatus = Field(
        description="degraded: forecasts are live and there are issues. unhealthy: none are live."
    )
    dependencies: dict[str, Dependency] = Field(
        description="champion, registry, snapshot, data, providers and refresh, each with its"
        " status."
    )
    model_version: int | None
    tickers: int
    tickers_without_forecast: int
    without_forecast: dict[str, str] = Field(description="Reason by ticker, at most 20.")
    data_age_sessions: int | None
    registry: Literal["up", "down"]
    providers: list[ProviderHealth]
    quota: list[ProviderQuota]
    last_refresh_seconds_ago: float | None
    issues: list[Issue]


class ServiceStatus(BaseModel):
    """Response body of ``/status``."""

    service: str
    version: str = Field(description="Version of Stockcast.")
    status: HealthStatus
    started_at: datetime
    uptime_seconds: float
    model_version: int | None
    live_since: datetime | None
    tickers: int
    data_age_sessions: int | None


class WarmupStep(BaseModel):
    """One step of the start."""

    name: Literal["registry", "champion", "snapshot", "forecasts"]
    done: bool
    detail: str | None = Field(description="Reason why the step is not done, if it is known.")


class Warmup(BaseModel):
    """Response body of ``/warmup/status``."""

    complete: bool = Field(description="Whether forecasts are live.")
    progress: float = Field(description="Share of the steps that are done.")
    steps: list[WarmupStep]
