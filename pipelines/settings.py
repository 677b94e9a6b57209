"""Settings of the Dagster code location."""

from __future__ import annotations

from pydantic import Field

from forecasting.settings import TrainingSettings
from market.settings import MarketSettings
from registry.settings import RegistrySettings


class PipelineSettings(RegistrySettings, TrainingSettings, MarketSettings):
    """Every setting that assets, checks, schedules and sensors use."""

    drift_share: float = Field(
        0.5, gt=0, le=1, description="Share of drifted features from which a retraining starts."
    )
