"""Fitting the ensemble's members: the configuration of a training, and the fit on all of history.

The four models' mathematics lives in `forecasting.models`; scoring them out of sample in
`forecasting.evaluation.walk_forward`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np

from forecasting.models.base import Rows
from forecasting.models.forest import ForestConfig, ForestModel
from forecasting.models.garch import GarchConfig
from forecasting.models.lstm import LstmConfig, LstmModel
from forecasting.samples.panel import Panel
from forecasting.samples.scaling import Scaler
from forecasting.samples.splits import WalkForward
from forecasting.settings import TrainingSettings


@dataclass(frozen=True)
class TrainingConfig:
    """Everything besides the data that decides what a training gives.

    Attributes
    ----------
    seed
        Of everything random.
    walk_forward
        The folds; see `WalkForward`.
    forest, lstm, garch
        The models' own settings.
    """

    seed: int = 7
    walk_forward: WalkForward = field(default_factory=WalkForward)
    forest: ForestConfig = field(default_factory=ForestConfig)
    lstm: LstmConfig = field(default_factory=LstmConfig)
    garch: GarchConfig = field(default_factory=GarchConfig)

    @classmethod
    def for_profile(
        cls, profile: Literal["standard", "quick"], *, seed: int, walk_forward: WalkForward
    ) -> TrainingConfig:
        """Return the configuration of a profile; `quick` trains tiny models for trying out."""
        return cls(
            seed=seed,
            walk_forward=walk_forward,
            forest=ForestConfig.for_profile(profile),
            lstm=LstmConfig.for_profile(profile),
            garch=GarchConfig.for_profile(profile),
        )

    @classmethod
    def from_settings(cls, settings: TrainingSettings) -> TrainingConfig:
        """Return the configuration that the settings ask for."""
        walk_forward = WalkForward(
            n_folds=settings.n_folds,
            test_size=settings.test_size,
            min_train_size=settings.min_train_size,
            purged_size=settings.purged_size,
            embargo_size=settings.embargo_size,
        )
        return cls.for_profile(settings.profile, seed=settings.seed, walk_forward=walk_forward)

    def as_dict(self) -> dict[str, Any]:
        """Return the configuration as JSON can hold it, for fingerprints and manifests."""
        return asdict(self)


@dataclass(frozen=True, eq=False)
class FittedMembers:
    """Both members of one fit and the scaling they share."""

    scaler: Scaler
    forest: ForestModel
    lstm: LstmModel


def fit_members(panel: Panel, rows: Rows, config: TrainingConfig) -> FittedMembers:
    """Fit scaling, forest and LSTM on samples `rows`, all of whose targets are known.

    Raises
    ------
    NotEnoughHistoryError
        When the rows are too few for the LSTM's later stretch.
    ForecastError
        When a target or a feature is missing.
    """
    scaler = Scaler.fit(panel.last(rows))
    return FittedMembers(
        scaler=scaler,
        forest=ForestModel(config.forest, seed=config.seed, scaler=scaler).fit(panel, rows),
        lstm=LstmModel(config.lstm, seed=config.seed, scaler=scaler).fit(panel, rows),
    )


def final_rows(panel: Panel) -> Rows:
    """Return the samples that the final members are fitted on.

    These are all whose longest target is known. The newest sessions, as many as the longest
    horizon, are left out although their shorter targets are known: both members learn all horizons
    at once.
    """
    return np.flatnonzero(np.isfinite(panel.log_returns).all(axis=1))
