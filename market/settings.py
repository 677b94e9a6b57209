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
from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from market.errors import SettingsError
from market.tickers import check_ticker

PREFIX = "STOCKCAST_"
# Read by the test suite alone.
NOT_SETTINGS = frozenset({"STOCKCAST_REQUIRE_SERVICES"})

# The stores that MLflow opens; a bare folder (file:) it refuses.
TRACKING_SCHEMES = ("sqlite:///", "http://", "https://", "postgresql", "mysql", "mssql")
_PASSWORD = re.compile(r"//[^/@]*@")


class Settings(BaseSettings):
    """What a person may choose. Each field is the variable ``STOCKCAST_<NAME IN CAPITALS>``."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_file=".env", extra="ignore", frozen=True, env_ignore_empty=True
    )

    home: Path = Field(Path("var"), description="Folder for everything that Stockcast writes.")

    provider: Literal["sample", "files"] = Field(
        "sample", description="Where bars come from: the real sample, or your own files."
    )
    bars: str | None = Field(
        None, description="Folder or glob of CSV or Parquet files, for the `files` provider."
    )
    tickers: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Comma-separated tickers; empty takes every ticker the provider has."
    )
    exchange: str = Field("XNYS", description="Calendar of the bars, by its MIC code.")
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

    @field_validator("tickers", "extra_indicators", mode="before")
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

    @model_validator(mode="after")
    def _bars_and_files_go_together(self) -> Settings:
        if self.provider == "files" and not self.bars:
            msg = f"{PREFIX}BARS must name a folder or glob when {PREFIX}PROVIDER is 'files'"
            raise ValueError(msg)
        if self.provider != "files" and self.bars:
            msg = (
                f"{PREFIX}BARS names files, but {PREFIX}PROVIDER is {self.provider!r}: "
                f"set it to 'files', or leave the bars out"
            )
            raise ValueError(msg)
        return self

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
    return {
        PREFIX + name.upper(): ",".join(value) if isinstance(value, tuple) else str(value)
        for name, value in chosen.items()
    }


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
    shown = _PASSWORD.sub("//***@", repr(detail["input"]))
    return f"{PREFIX}{name.upper()}: got {shown}: {said}. {about}".rstrip()
