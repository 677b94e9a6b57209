"""The only reader of the environment: every setting of Stockcast, with its default and its bounds.

Other modules receive a `Settings` (or single values of it) and never look at ``os.environ``.
Settings that belong to one fit or one algorithm live beside that algorithm, not here.
"""

from __future__ import annotations

import os
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from market.errors import SettingsError

PREFIX = "STOCKCAST_"
# Read by the test suite alone.
NOT_SETTINGS = frozenset({"STOCKCAST_REQUIRE_SERVICES"})


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
    purged_size: int = Field(21, ge=21, description="Sessions removed between train and test.")
    embargo_size: int = Field(5, ge=0, description="Sessions skipped after the purge.")
    seed: int = Field(7, ge=0, description="Seed of everything random.")
    profile: Literal["standard", "quick"] = Field(
        "standard", description="`quick` trains small models: for trying out, never for trading."
    )

    model_name: str = Field("stockcast", pattern=r"^[A-Za-z0-9._-]+$")
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
    poll_seconds: float = Field(
        1.0, gt=0, le=60, description="How often the service looks whether the champion moved."
    )

    @field_validator("tickers", "extra_indicators", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("home", mode="after")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.expanduser().resolve()

    @model_validator(mode="after")
    def _files_need_bars(self) -> Settings:
        if self.provider == "files" and not self.bars:
            msg = "`bars` must name a folder or glob when `provider` is 'files'"
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
    _refuse_unknown_variables()
    chosen: dict[str, Any] = {k: v for k, v in overrides.items() if v is not None}
    try:
        return Settings(**chosen)
    except ValidationError as error:
        lines = [_explain(detail) for detail in error.errors()]
        raise SettingsError("\n".join(lines)) from None


def _refuse_unknown_variables() -> None:
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    for name in os.environ:
        if name.startswith(PREFIX) and name not in known | NOT_SETTINGS:
            near = get_close_matches(name, known, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            msg = f"{name} is not a setting of Stockcast{hint} See .env.example for all of them."
            raise SettingsError(msg)


def _explain(detail: ErrorDetails) -> str:
    name = PREFIX + str(detail["loc"][0]).upper() if detail["loc"] else "settings"
    field = Settings.model_fields.get(str(detail["loc"][0])) if detail["loc"] else None
    about = f" {field.description}" if field and field.description else ""
    value = f" got {detail['input']!r}" if detail["loc"] else ""
    return f"{name}:{value}: {detail['msg'].removeprefix('Value error, ')}.{about}"
