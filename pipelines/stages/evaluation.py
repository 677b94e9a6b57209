"""The `evaluation` stage: scores of every model, the scored forecasts, and their plots."""

from pathlib import Path
from typing import ClassVar

import polars as pl

from forecasting.evaluation.scorecard import (
    EVALUATION_FILE,
    Evaluation,
    Scores,
    evaluate,
    load_evaluation,
    save_evaluation,
    summarise,
)
from forecasting.evaluation.walk_forward import FORECASTS_FILE
from forecasting.horizons import HORIZONS, LABEL_OF
from pipelines.reporting import plots
from pipelines.stages.store import StageReader


class EvaluationScores(StageReader):
    """A finished evaluation."""

    NAME: ClassVar[str] = "evaluation"

    @property
    def scores(self) -> Evaluation:
        """The scores, pooled and by fold and ticker."""
        return load_evaluation(self.stage.path)

    @property
    def summary(self) -> dict[str, dict[str, Scores]]:
        """The scores that the manifest of a bundle contains."""
        return summarise(self.scores["pooled"])

    @property
    def files(self) -> dict[str, Path]:
        """File name -> the scores and the forecasts they were computed from."""
        return {name: self.stage.path / name for name in (EVALUATION_FILE, FORECASTS_FILE)}

    @property
    def plots(self) -> dict[str, Path]:
        """File name -> plot."""
        return {path.name: path for path in sorted(self.stage.path.glob("*.png"))}


def build_evaluation(folder: Path, *, forecasts: pl.DataFrame) -> None:
    """Score `forecasts`, and write scores, forecasts and plots."""
    save_evaluation(evaluate(forecasts), folder)
    forecasts.write_parquet(folder / FORECASTS_FILE)
    ticker = forecasts.group_by("ticker").len().sort("len", "ticker").item(-1, "ticker")
    for horizon in HORIZONS:
        fan = plots.forecast_fan(forecasts, ticker, horizon)
        (folder / f"forecast_fan_{LABEL_OF[horizon]}.png").write_bytes(fan)
    (folder / "calibration.png").write_bytes(plots.calibration(forecasts))
