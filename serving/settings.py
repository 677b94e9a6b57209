"""Settings of the forecast service."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, HttpUrl, SecretStr, model_validator

from core.settings import CommaSeparated, variable_name
from market.settings import MarketSettings
from registry.settings import RegistrySettings

Access = Literal["auto", "keys", "open"]


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
    dagster_url: HttpUrl | None = Field(
        None,
        description="Address of Dagster's web server, which starts the retraining of a request.",
    )
    access: Access = Field(
        "auto",
        description="Which requests need an API key or token: auto (those to an address that is not"
        " loopback), keys (all) or open (none). Administration always needs one.",
    )
    rate_limit: int = Field(
        0, ge=0, description="Requests per minute of one key or address; 0 is no limit."
    )
    rate_burst: int = Field(
        0, ge=0, description="Requests at once of one key or address; 0 is as many as per minute."
    )
    max_concurrency: int = Field(
        256, ge=1, description="Requests in progress at once, without those that are precomputed."
    )
    max_delay_seconds: float = Field(
        0.5,
        gt=0,
        description="Lasting delay of the service, in seconds, from which it refuses requests.",
    )
    request_seconds: float = Field(
        30.0, gt=0, le=600, description="Longest time until a response starts, in seconds."
    )
    log_format: Literal["json", "text"] | None = Field(
        None, description="Format of the log; by default text in a terminal, and JSON elsewhere."
    )
    log_requests_per_second: int = Field(
        10,
        ge=0,
        le=10_000,
        description="Logged requests per second at most; failed and slow ones are logged too.",
    )
    drain_seconds: float = Field(
        1.0,
        ge=0,
        le=300,
        description="Seconds after a stop signal in which the service is not ready but serves.",
    )
    cors_origins: CommaSeparated[str] = Field(
        (), description="Comma-separated origins of web pages that may use the API, or *."
    )
    redis_url: SecretStr | None = Field(
        None,
        description="Redis that several processes share for quotes, forecasts of callers' bars and"
        " rate limits, such as redis://127.0.0.1:6379/0; without it each has its own.",
    )
    quote_cache_seconds: float = Field(
        60.0, ge=1, le=3600, description="Seconds for which a current price is cached."
    )
    forecast_cache_seconds: float = Field(
        300.0,
        ge=0,
        le=86_400,
        description="Seconds for which a forecast of callers' bars is cached.",
    )
    jwt_issuer: str | None = Field(
        None,
        pattern="^https?://",
        description="Issuer of JWT bearer tokens that are accepted besides API keys.",
    )
    jwt_audience: str | None = Field(
        None, description="Audience that a token must name; required with an issuer."
    )
    jwt_jwks_url: str | None = Field(
        None,
        pattern="^https?://",
        description="Address of the issuer's keys; by default <issuer>/.well-known/jwks.json.",
    )

    @model_validator(mode="after")
    def _an_issuer_has_an_audience(self) -> ServingSettings:
        if self.jwt_issuer and not self.jwt_audience:
            msg = (
                f"{variable_name('jwt_audience')} is required with"
                f" {variable_name('jwt_issuer')}: without it, tokens for other services would be"
                " accepted."
            )
            raise ValueError(msg)
        return self
