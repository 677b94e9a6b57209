"""Configuration of a training, and the fit of the members of the ensemble.

`forecasting.evaluation.walk_forward` fits and scores them out of sample.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

import numpy as np

from forecasting.models.base import Member, Rows
from forecasting.models.forest import ForestConfig, ForestModel
from forecasting.models.garch import GarchConfig
from forecasting.models.linear import LinearModel, StudentModel
from forecasting.models.lstm import LstmConfig, LstmModel
from forecasting.samples.panel import Panel
from forecasting.samples.scaling import Scaler
from forecasting.samples.splits import WalkForward
from forecasting.settings import TrainingSettings


@dataclass(frozen=True)
class TrainingConfig:
    """Inputs of a training other than data.

    Attributes
    ----------
    seed
        Seed of all random numbers.
    mean_log_return
        Expected log return of a session, the same for all tickers and times.
    walk_forward
        Folds of the evaluation.
    forest, lstm, garch
        Configurations of the models.
    """

    seed: int = 7
    mean_log_return: float = 0.0003
    walk_forward: WalkForward = field(default_factory=WalkForward)
    forest: ForestConfig = field(default_factory=ForestConfig)
    lstm: LstmConfig = field(default_factory=LstmConfig)
    garch: GarchConfig = field(default_factory=GarchConfig)

    @classmethod
    def for_profile(
        cls, profile: Literal["standard", "quick"], *, seed: int, walk_forward: WalkForward
    ) -> TrainingConfig:
        """Return the configuration of a profile; `quick` trains small models for trying out."""
        return cls(
            seed=seed,
            walk_forward=walk_forward,
            forest=ForestConfig.for_profile(profile),
            lstm=LstmConfig.for_profile(profile),
            garch=GarchConfig.for_profile(profile),
        )

    @classmethod
    def from_settings(cls, settings: TrainingSettings) -> TrainingConfig:
        """Return the configuration for `settings`."""
        walk_forward = WalkForward(
            n_folds=settings.n_folds,
            test_size=settings.test_size,
            min_train_size=settings.min_train_size,
            purged_size=settings.purged_size,
            embargo_size=settings.embargo_size,
        )
        config = cls.for_profile(settings.profile, seed=settings.seed, walk_forward=walk_forward)
        return replace(config, mean_log_return=settings.mean_log_return)

    def as_dict(self) -> dict[str, Any]:
        """Return the configuration as a dictionary for JSON, fingerprints and manifests."""
        return asdict(self)


@dataclass(frozen=True, eq=False)
class FittedMembers:
    """The members of one fit, and the scaling that they share."""

    scaler: Scaler
    linear: LinearModel
    student: StudentModel
    forest: ForestModel
    lstm: LstmModel

    @property
    def by_name(self) -> dict[str, Member]:
        """The members in the order of `MEMBERS`."""
        members: tuple[Member, ...] = (self.linear, self.student, self.forest, self.lstm)
        return {member.name: member for member in members}


def fit_members(panel: Panel, rows: Rows, config: TrainingConfig) -> FittedMembers:
    """Fit scaling and members on samples `rows` with known targets.

    Raises
    ------
    NotEnoughHistoryError
        When `rows` spans too few sessions for the validation set of the LSTM.
    ForecastError
        When a target or a feature is missing.
    """
    scaler = Scaler.fit(panel.last(rows))
    return FittedMembers(
        scaler=scaler,
        linear=LinearModel(scaler=scaler).fit(panel, rows),
        student=StudentModel(scaler=scaler).fit(panel, rows),
        forest=ForestModel(config.forest, seed=config.seed, scaler=scaler).fit(panel, rows),
        lstm=LstmModel(config.lstm, seed=config.seed, scaler=scaler).fit(panel, rows),
    )


def final_rows(panel: Panel) -> Rows:
    """Return the samples on which the final members are fitted: those with all targets known.

    The newest sessions, as many as the longest horizon, are left out although their shorter targets
    are known, because members fit all horizons together.
    """
    return np.flatnonzero(np.isfinite(panel.log_returns).all(axis=1))
