"""The `walk_forward_forecasts` stage: scored forecasts of all folds, weights and calibration."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import ClassVar

import polars as pl

from forecasting.evaluation.combination import combine_folds
from forecasting.evaluation.result import WalkForwardResult
from forecasting.evaluation.walk_forward import FORECASTS_FILE
from forecasting.models.training import TrainingConfig
from forecasting.samples.panel import Panel
from forecasting.samples.splits import Fold
from pipelines.stages.feature_table import FeatureTable
from pipelines.stages.fold import StoredFold, build_fold
from pipelines.stages.store import StageReader, StageStore


class WalkForwardForecasts(StageReader):
    """Finished out-of-sample forecasts of every model."""

    NAME: ClassVar[str] = "walk_forward_forecasts"

    @property
    def result(self) -> WalkForwardResult:
        """Forecasts, weights and calibration."""
        return WalkForwardResult.load(self.stage.path)

    @property
    def forecasts(self) -> pl.DataFrame:
        """The forecasts alone; see `WalkForwardResult.forecasts`."""
        return pl.read_parquet(self.stage.path / FORECASTS_FILE)


def build_walk_forward(
    folder: Path,
    *,
    table: FeatureTable,
    panel: Panel,
    folds: Sequence[Fold],
    config: TrainingConfig,
    stages: StageStore,
    on_fold: Callable[[Fold], None],
) -> None:
    """Forecast the folds that no earlier run has finished, combine all, and write the stage."""
    results = []
    for fold in folds:
        stage = stages.make(
            StoredFold.NAME,
            {"config": config.as_dict(), "fold": fold.index},
            partial(build_fold, panel=panel, fold=fold, config=config),
            upstream=[table.stage],
            kept=2 * len(folds),
        )
        results.append(StoredFold(stage).forecasts)
        on_fold(fold)
    combine_folds(results).save(folder)
