"""The only reader of the environment: every setting of Stockcast, with its default and its bounds.

Other modules receive a `Settings` (or single values of it) and never look at ``os.environ``.
Settings that belong to one fit or one algorithm live beside that algorithm, not here.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from dotenv import dotenv_values
from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from core.errors import SettingsError
from core.tickers import check_ticker

Tier = Literal["free", "premium_75", "premium_150", "premium_300", "premium_600", "premium_1200"]

PREFIX = "STOCKCAST_"
# Read by the test suite alone.
NOT_SETTINGS = frozenset({"STOCKCAST_REQUIRE_SERVICES"})

# The stores that MLflow opens; a bare folder (file:) it refuses.
TRACKING_SCHEMES = ("sqlite:///", "http://", "https://", "postgresql", "mysql", "mssql")
_PASSWORD = re.compile(r"//[^/@]*@")

# Providers that cannot list what they have.
_UNLISTED = ("alpha_vantage", "yahoo")
_BARS_MISSING = f"{PREFIX}BARS must name a folder or glob for the provider 'files'"
_BARS_UNUSED = (
    f"{PREFIX}BARS names files, but 'files' is neither {PREFIX}PROVIDER nor among "
    f"{PREFIX}BACKUPS: name it there, or leave the bars out"
)
_KEY_MISSING = (
    f"{PREFIX}ALPHA_VANTAGE_KEY must hold your key for the provider 'alpha_vantage'; "
    f"a free one comes from https://www.alphavantage.co/support/#api-key"
)
_TWO_UNIVERSES = f"{PREFIX}TICKERS and {PREFIX}UNIVERSE both name tickers: set one of them"
_NO_TICKERS = (
    f"{PREFIX}TICKERS or {PREFIX}UNIVERSE must name the tickers: this provider cannot list them"
)


class Settings(BaseSettings):
    """What a person may choose. Each field is the variable ``STOCKCAST_<NAME IN CAPITALS>``."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_file=".env", extra="ignore", frozen=True, env_ignore_empty=True
    )

    home: Path = Field(Path("var"), description="Folder for everything that Stockcast writes.")

    provider: Literal["sample", "files", "alpha_vantage", "yahoo"] = Field(
        "sample", description="Where bars come from first."
    )
    backups: Annotated[tuple[Literal["files", "alpha_vantage", "yahoo"], ...], NoDecode] = Field(
        (), description="Comma-separated providers to ask, in this order, when the first fails."
    )
    bars: str | None = Field(
        None, description="Folder or glob of CSV or Parquet files, for the `files` provider."
    )
    tickers: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Comma-separated tickers; empty takes every ticker the provider has."
    )
    universe: Path | None = Field(
        None, description="File with one ticker a line, read again at each run; replaces `tickers`."
    )
    exchange: str = Field(
        "XNYS", description="Calendar, by its MIC code, of tickers whose suffix names no other."
    )
    alpha_vantage_key: SecretStr | None = Field(
        None, description="Your key for Alpha Vantage; never logged, never stored."
    )
    alpha_vantage_tier: Tier = Field(
        "free", description="What that key may do: free, or premium by its calls a minute."
    )
    alpha_vantage_url: str = Field(
        "https://www.alphavantage.co", description="Address of Alpha Vantage."
    )
    yahoo_url: str = Field(
        "https://query2.finance.yahoo.com", description="Address of Yahoo Finance."
    )
    provider_timeout: float = Field(
        20.0, gt=0, le=100, description="Seconds that a provider may take for one answer."
    )
    join_tolerance: float = Field(
        0.005, gt=0, le=0.1, description="How far closes of two providers may differ to be joined."
    )
    extra_indicators: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Comma-separated indicators of `ta`, such as `trend.aroon_up`."
    )

    lookback: int = Field(20, ge=5, le=120, description="Sessions in one input window.")
    n_folds: int = Field(5, ge=4, le=40, description="Scored folds of the walk-forward.")
    test_size: int = Field(252, ge=21, le=1260, description="Sessions in one fold's test stretch.")
    min_train_size: int = Field(
        504, ge=252, description="Sessions that the first fold must have to train on."
    )
    purged_size: int = Field(
        21, ge=21, le=126, description="Sessions removed between train and test."
    )
    embargo_size: int = Field(5, ge=0, le=63, description="Sessions skipped after the purge.")
    seed: int = Field(7, ge=0, description="Seed of everything random.")
    profile: Literal["standard", "quick"] = Field(
        "standard", description="`quick` trains small models: for trying out, never for trading."
    )

    model_name: str = Field(
        "stockcast", pattern=r"^[A-Za-z0-9._-]+$", description="Name of the registered model."
    )
    mlflow_tracking_uri: str | None = Field(
        None, description="MLflow server or database; by default SQLite under the home."
    )
    promotion_margin: float = Field(
        0.005, ge=0, le=0.1, description="How much worse in CRPS still counts as not worse."
    )
    coverage_band: float = Field(
        0.04, gt=0, le=0.2, description="How far an interval's coverage may be off its level."
    )
    drift_share: float = Field(
        0.5, gt=0, le=1, description="Share of drifted features that asks for retraining."
    )

    host: str = Field("127.0.0.1", description="Address that the forecast service listens on.")
    port: int = Field(3000, ge=1, le=65535, description="Port of the forecast service.")
    dagster_port: int = Field(3001, ge=1, le=65535, description="Port of Dagster in `make up`.")
    mlflow_port: int = Field(5000, ge=1, le=65535, description="Port of MLflow in `make up`.")
    poll_seconds: float = Field(
        1.0, gt=0, le=60, description="How often the service looks whether the champion moved."
    )

    @field_validator("tickers", "extra_indicators", "backups", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("tickers", mode="after")
    @classmethod
    def _tickers_in_capitals(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(check_ticker(ticker) for ticker in value))

    @field_validator("home", mode="after")
    @classmethod
    def _home_is_a_folder(cls, value: Path) -> Path:
        home = value.expanduser().resolve()
        if home.exists() and not home.is_dir():
            msg = "must be a folder, but a file is there"
            raise ValueError(msg)
        return home

    @field_validator("bars", mode="after")
    @classmethod
    def _bars_from_anywhere(cls, value: str | None) -> str | None:
        # Other processes of a run may work in other folders; a glob's stars survive this.
        return value and str(Path(value).expanduser().absolute())

    @field_validator("mlflow_tracking_uri", mode="after")
    @classmethod
    def _store_that_mlflow_opens(cls, value: str | None) -> str | None:
        if value and not value.startswith(TRACKING_SCHEMES):
            msg = f"must start with one of {', '.join(TRACKING_SCHEMES)}"
            raise ValueError(msg)
        return value

    @field_validator("universe", mode="after")
    @classmethod
    def _universe_from_anywhere(cls, value: Path | None) -> Path | None:
        return value and value.expanduser().absolute()

    @field_validator("alpha_vantage_url", "yahoo_url", mode="after")
    @classmethod
    def _web_address(cls, value: str) -> str:
        if not value.startswith(("http://", "https://")):
            msg = "must start with http:// or https://"
            raise ValueError(msg)
        return value.rstrip("/")

    @model_validator(mode="after")
    def _providers_have_what_they_need(self) -> Settings:
        for is_wrong, sentence in (
            (self.provider in self.backups, f"{PREFIX}BACKUPS names the provider itself"),
            ("files" in self.providers and not self.bars, _BARS_MISSING),
            ("files" not in self.providers and self.bars, _BARS_UNUSED),
            ("alpha_vantage" in self.providers and not self.alpha_vantage_key, _KEY_MISSING),
            (self.tickers and self.universe, _TWO_UNIVERSES),
            (self.provider in _UNLISTED and not self.tickers and not self.universe, _NO_TICKERS),
        ):
            if is_wrong:
                raise ValueError(sentence)
        return self

    @property
    def providers(self) -> tuple[str, ...]:
        """Every provider that may be asked, the first one first."""
        return (self.provider, *self.backups)

    @cached_property
    def tracking_uri(self) -> str:
        """The MLflow store: the one that was set, or SQLite under the home."""
        return self.mlflow_tracking_uri or f"sqlite:///{self.home / 'mlflow' / 'mlflow.db'}"


def load_settings(**overrides: object) -> Settings:
    """Read and validate the settings; `overrides` win over the environment.

    Raises
    ------
    SettingsError
        With one line a wrong setting: the variable, its value and what is allowed.
    """
    _refuse_unknown_names(overrides)
    chosen: dict[str, Any] = {k: v for k, v in overrides.items() if v is not None}
    try:
        return Settings(**chosen)
    except ValidationError as error:
        lines = [_explain(detail) for detail in error.errors()]
        raise SettingsError("\n".join(lines)) from None


def as_environment(settings: Settings) -> dict[str, str]:
    """Return the variables that give another process the same settings."""
    chosen = settings.model_dump(exclude_none=True)
    return {PREFIX + name.upper(): _written(value) for name, value in chosen.items()}


def _written(value: object) -> str:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    return ",".join(value) if isinstance(value, tuple) else str(value)


def _refuse_unknown_names(overrides: Iterable[str]) -> None:
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    variables = {*os.environ, *dotenv_values(str(Settings.model_config["env_file"]))}
    named = {name for name in variables if name.startswith(PREFIX)} - NOT_SETTINGS
    for name in sorted(named | {PREFIX + override.upper() for override in overrides}):
        if name not in known:
            near = get_close_matches(name, known, n=1)
            hint = f" Did you mean {near[0]}?" if near else ""
            msg = f"{name} is not a setting of Stockcast.{hint} See .env.example for all of them."
            raise SettingsError(msg)


def _explain(detail: ErrorDetails) -> str:
    said = detail["msg"].removeprefix("Value error, ").rstrip(".")
    if not detail["loc"]:
        return f"{said}."
    name = str(detail["loc"][0])
    about = Settings.model_fields[name].description or ""
    is_secret = "key" in name
    shown = "a secret" if is_secret else _PASSWORD.sub("//***@", repr(detail["input"]))
    return f"{PREFIX}{name.upper()}: got {shown}: {said}. {about}".rstrip()
