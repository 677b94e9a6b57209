"""Settings of a training: features, folds, seed and profile."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from core.settings import CommaSeparated, CoreSettings


class TrainingSettings(CoreSettings):
    """The inputs of the models and the folds on which they are scored."""

    extra_indicators: CommaSeparated[str] = Field(
        (), description="Comma-separated indicators of `ta`, such as `trend.aroon_up`."
    )
    lookback: int = Field(20, ge=5, le=120, description="Sessions in one input window.")
    n_folds: int = Field(5, ge=4, le=40, description="Scored folds of the walk-forward.")
    test_size: int = Field(252, ge=21, le=1260, description="Test sessions of one fold.")
    min_train_size: int = Field(
        504, ge=252, description="Smallest number of training sessions of the first fold."
    )
    purged_size: int = Field(
        21, ge=21, le=126, description="Sessions removed between train and test."
    )
    embargo_size: int = Field(5, ge=0, le=63, description="Sessions skipped after the purge.")
    mean_log_return: float = Field(
        0.0003,
        ge=-0.002,
        le=0.002,
        description="Expected log return of a session, the centre of every forecast.",
    )
    seed: int = Field(7, ge=0, description="Seed of all random numbers.")
    profile: Literal["standard", "quick"] = Field(
        "standard", description="`quick` trains small models: for trying out, never for trading."
    )
