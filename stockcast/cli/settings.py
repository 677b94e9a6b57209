"""Settings of the command line, which starts every other process."""

from __future__ import annotations

from pydantic import Field

from pipelines.settings import PipelineSettings
from serving.settings import ServingSettings


class CommandSettings(ServingSettings, PipelineSettings):
    """Every setting of Stockcast."""

    dagster_port: int = Field(3001, ge=1, le=65535, description="Port of Dagster in `make up`.")
