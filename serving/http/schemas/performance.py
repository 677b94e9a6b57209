"""Request times of the service."""

from __future__ import annotations

from pydantic import BaseModel, Field


class RequestTime(BaseModel):
    """Requests since the start of the process, and their times in milliseconds."""

    requests: int
    error_rate: float | None = Field(description="Share with a server error (5xx).")
    mean_ms: float | None
    p50_ms: float | None = Field(description="Percentiles are exact to 12 %.")
    p95_ms: float | None
    p99_ms: float | None


class PerformanceMetrics(BaseModel):
    """Response body of ``/performance/metrics``."""

    total: RequestTime
    routes: dict[str, RequestTime] = Field(description="By pattern of the route.")


class PerformanceSummary(BaseModel):
    """Response body of ``/performance/summary``."""

    uptime_seconds: float
    requests_per_second: float = Field(description="Mean since the start.")
    total: RequestTime
    forecasts: RequestTime = Field(description="GET and POST `/predict` and `/predict/batch`.")
    forecasts_under_100_ms: float | None = Field(description="Share of these requests.")
    cache_hit_rate: dict[str, float | None] = Field(
        description="`forecasts`: share of forecasts that were sent without a route, from ready"
        " responses. `quotes`: share of prices from memory."
    )
    memory_mb: float | None = Field(description="Resident memory of the process in MiB.")
