"""The forest member: a random forest on the last feature row of each window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from forecasting.models.base import Array, Rows, check_fitted
from forecasting.models.diagnostics import FeatureImportance
from forecasting.models.z_space import fitting_targets, scales_of
from forecasting.samples.panel import Panel
from forecasting.samples.scaling import Scaler

if TYPE_CHECKING:
    from sklearn.ensemble import RandomForestRegressor

# Each tree has its own seed, so the number of threads does not change the fit. Prediction must use
# one thread, because several threads add up the trees in varying order.
FITTING_JOBS = 2


@dataclass(frozen=True)
class ForestConfig:
    """Size of the forest and growth of its trees.

    Attributes
    ----------
    trees, min_samples_leaf, max_features
        As in `sklearn.ensemble.RandomForestRegressor`.
    """

    trees: int = 200
    min_samples_leaf: int = 60
    max_features: float = 0.33

    @classmethod
    def for_profile(cls, profile: str) -> ForestConfig:
        """Return the configuration of the profile `standard` or `quick`."""
        return cls(trees=20) if profile == "quick" else cls()


class ForestModel:
    """Random forest for the log scale, all horizons together.

    A log scale is an average of past outcomes in leaves of many samples, so it stays within the
    range of the training targets.

    Attributes
    ----------
    estimator
        Fitted scikit-learn forest. It maps a scaled feature row (F,) to the log scale of each
        horizon (H,), in units of the volatility.
    scaler
        Scaling of the feature rows, shared with the other member.
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
        """Scaling that the forest was fitted with."""
        return check_fitted(self._scaler, self.name)

    @property
    def estimator(self) -> RandomForestRegressor:
        """Fitted scikit-learn forest."""
        return check_fitted(self._estimator, self.name)

    def importance(self, feature_names: Sequence[str]) -> FeatureImportance:
        """Return the impurity importance of each feature; `feature_names` are the inputs."""
        values = [float(value) for value in self.estimator.feature_importances_]
        return FeatureImportance(list(feature_names), values)

    def fit(self, panel: Panel, rows: Rows) -> Self:
        """Fit on the last feature row of each sample, see `Forecaster`."""
        from sklearn.ensemble import RandomForestRegressor  # noqa: PLC0415  serving has no sklearn

        last = panel.last(rows)
        if self._scaler is None:
            self._scaler = Scaler.fit(last)
        estimator = RandomForestRegressor(
            n_estimators=self.config.trees,
            min_samples_leaf=self.config.min_samples_leaf,
            max_features=self.config.max_features,
            random_state=self.seed,
            n_jobs=FITTING_JOBS,
        )
        estimator.fit(self._scaler.transform(last), fitting_targets(panel, rows))
        self._estimator = estimator.set_params(n_jobs=1)
        return self

    def scales(self, panel: Panel, rows: Rows) -> Array:
        """Forecast samples `rows` from their last feature row, see `Member`."""
        raw: Array = self.estimator.predict(self.scaler.transform(panel.last(rows)))
        return scales_of(raw, panel, rows)
