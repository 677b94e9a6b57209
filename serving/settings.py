"""Settings of the forecast service."""

from __future__ import annotations

from pydantic import Field

from market.settings import MarketSettings
from registry.settings import RegistrySettings


class ServingSettings(RegistrySettings, MarketSettings):
    """Every setting that the forecast service uses."""

    host: str = Field("127.0.0.1", description="Address that the forecast service listens on.")
    port: int = Field(3000, ge=1, le=65535, description="Port of the forecast service.")
    poll_seconds: float = Field(
        1.0, gt=0, le=60, description="Seconds between two checks for a new champion."
    )
    max_data_age_sessions: int = Field(
        5,
        ge=0,
        le=100_000,
        description="Maximum age of the data of a forecast with a signal, in closed sessions.",
    )
