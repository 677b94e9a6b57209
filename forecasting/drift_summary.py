"""Summary of the newest drift report: the pipeline publishes it, and the service shows it."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from pydantic import BaseModel, Field

# Below the home.
DRIFT_FILE = Path("reports", "drift.json")


class DriftSummary(BaseModel):
    """Number of features with a recent distribution that differs from the earlier one."""

    as_of: date = Field(description="Newest session of the comparison.")
    features: int = Field(description="Number of features that were compared.")
    drifted: list[str] = Field(description="Features that differ, the largest distance first.")
    retraining_share: float = Field(description="Share of the features that starts a retraining.")
    current_sessions: int = Field(description="Length of the recent period.")
    reference_sessions: int = Field(description="Maximum length of the period before it.")
