"""The forest member: what followed on sessions whose last feature row looked like this one.

It averages past outcomes in leaves of many samples, so it cannot forecast what it has never seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from forecasting.models.base import (
    Array,
    Moments,
    Rows,
    fitted,
    fitting_targets,
    horizon_volatility,
)
from forecasting.models.diagnostics import FeatureImportance
from forecasting.samples.panel import Panel
from forecasting.samples.scaling import Scaler

if TYPE_CHECKING:
    from sklearn.ensemble import RandomForestRegressor

# Below, a leaf's mean |z| would be an accident of few samples.
LEAST_ABSOLUTE = 0.05
# E|Z| of a standard normal is sqrt(2 / pi): this turns a mean absolute value into a scale.
ABSOLUTE_TO_SCALE = float(np.sqrt(np.pi / 2))
# Two threads grow the same trees as one, because each tree has its own seed. Prediction has to use
# one thread: several would add up the trees in varying order.
FITTING_JOBS = 2


@dataclass(frozen=True)
class ForestConfig:
    """The forest's size and how it is grown.

    Attributes
    ----------
    trees, min_samples_leaf, max_features
        As in `RandomForestRegressor`.
    mean_influence
        How much the signed returns count against their absolute values when a split is chosen. They
        are nearly unpredictable, so with equal influence most splits would follow noise.
    """

    trees: int = 200
    min_samples_leaf: int = 60
    max_features: float = 0.33
    mean_influence: float = 0.2

    @classmethod
    def for_profile(cls, profile: str) -> ForestConfig:
        """Return the config of a settings profile, `standard` or `quick`."""
        return cls(trees=20) if profile == "quick" else cls()


class ForestModel:
    """Random forest for the mean and the mean absolute value of z, all horizons in one.

    ``estimator`` maps a scaled feature row to (2H,): mean z per horizon, then mean |z| per horizon.

    Attributes
    ----------
    estimator
        The fitted scikit-learn forest; its outputs are in units of z.
    scaler
        Scales the rows before; shared with the other member.
    """

    name = "forest"

    def __init__(
        self, config: ForestConfig | None = None, *, seed: int = 0, scaler: Scaler | None = None
    ) -> None:
        self.config = config or ForestConfig()
        self.seed = seed
        self._scaler = scaler
        self._estimator: RandomForestRegressor | None = None

    @property
    def scaler(self) -> Scaler:
        """The scaling that the forest was fitted with."""
        return fitted(self._scaler, self.name)

    @property
    def estimator(self) -> RandomForestRegressor:
        """The fitted forest."""
        return fitted(self._estimator, self.name)

    def importance(self, feature_names: Sequence[str]) -> FeatureImportance:
        """Return the impurity importance of each feature, named in the order of the inputs."""
        values = [float(value) for value in self.estimator.feature_importances_]
        return FeatureImportance(list(feature_names), values)

    def fit(self, panel: Panel, rows: Rows) -> Self:
        """Grow the forest on the last feature row of each sample, see `Forecaster`."""
        from sklearn.ensemble import RandomForestRegressor  # noqa: PLC0415  only training has it

        last = panel.last(rows)
        if self._scaler is None:
            self._scaler = Scaler.fit(last)
        z = fitting_targets(panel, rows)
        influence = np.repeat([self.config.mean_influence, 1.0], z.shape[1])
        estimator = RandomForestRegressor(
            n_estimators=self.config.trees,
            min_samples_leaf=self.config.min_samples_leaf,
            max_features=self.config.max_features,
            random_state=self.seed,
            n_jobs=FITTING_JOBS,
        )
        estimator.fit(self._scaler.transform(last), np.hstack([z, np.abs(z)]) * influence)
        for tree in estimator.estimators_:
            tree.tree_.value[...] /= influence[None, :, None]
        self._estimator = estimator.set_params(n_jobs=1)
        return self

    def moments(self, panel: Panel, rows: Rows) -> Moments:
        """Forecast samples `rows` from their last feature row, see `Member`."""
        raw: Array = self.estimator.predict(self.scaler.transform(panel.last(rows)))
        unit = horizon_volatility(panel.volatility[rows], panel.horizons)
        mean, absolute = np.split(raw, 2, axis=1)
        scale = np.maximum(absolute, LEAST_ABSOLUTE) * ABSOLUTE_TO_SCALE
        return Moments(mean * unit, scale * unit)
