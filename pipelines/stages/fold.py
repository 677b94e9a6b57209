"""The `fold` stages: the forecasts of one fold each, so that a killed run loses at most one."""

from pathlib import Path
from typing import ClassVar

from forecasting.evaluation.walk_forward import FoldForecasts, forecast_fold
from forecasting.models.training import TrainingConfig
from forecasting.samples.panel import Panel
from forecasting.samples.splits import Fold
from pipelines.stages.store import StageReader


class StoredFold(StageReader):
    """The stored forecasts of one fold."""

    NAME: ClassVar[str] = "fold"

    @property
    def forecasts(self) -> FoldForecasts:
        """The forecasts of all models, and the tickers that were excluded."""
        return FoldForecasts.load(self.stage.path)


def build_fold(folder: Path, *, panel: Panel, fold: Fold, config: TrainingConfig) -> None:
    """Fit the models on the training sessions of `fold`, and write their forecasts."""
    forecast_fold(panel, fold, config).save(folder)
