"""Forecasts of sessions that no model has trained on, fold by fold."""

import json
from pathlib import Path

import dagster as dg
import numpy as np

from forecasting.evaluation.combination import WalkForwardResult, combine_folds
from forecasting.evaluation.walk_forward import FoldForecasts, forecast_fold
from forecasting.models.training import TrainingConfig
from forecasting.samples.panel import Panel
from forecasting.samples.splits import Fold
from forecasting.settings import TrainingSettings
from pipelines.failures import classed_failures
from pipelines.reporting import plots
from pipelines.reporting.tables import markdown_table
from pipelines.stages.contents import fold_weights, load_panel
from pipelines.stages.store import Stage, StageStore

# Two fits at once would halve each other's speed.
POOL = "training"


@dg.asset(
    group_name="training",
    kinds={"scikitlearn", "tensorflow"},
    owners=["team:forecasting"],
    pool=POOL,
)
def walk_forward_forecasts(
    context: dg.AssetExecutionContext,
    feature_table: Stage,
    settings: dg.ResourceParam[TrainingSettings],
    stages: dg.ResourceParam[StageStore],
) -> dg.MaterializeResult[Stage]:
    """Naive, GARCH, forest, LSTM and ensemble, each trained on earlier sessions only."""
    config = TrainingConfig.from_settings(settings)
    with classed_failures():
        panel = load_panel(feature_table)
        folds = config.walk_forward.split(panel.sessions)

        def build(folder: Path) -> None:
            results = []
            for fold in folds:
                results.append(
                    _forecast_fold(panel, fold, config, feature_table, stages, kept=2 * len(folds))
                )
                context.log.info(f"fold {fold.index} of {len(folds) - 1}: {_describe(fold)}")
            _combine(folder, results)

        stage = stages.make(
            "walk_forward_forecasts",
            {"config": config.as_dict()},
            build,
            upstream=[feature_table],
        )
    forecasts, excluded = stage.frame("forecasts"), stage.frame("excluded")
    return dg.MaterializeResult(
        value=stage,
        data_version=stage.data_version,
        metadata={
            "dagster/row_count": forecasts.height,
            "scored_folds": forecasts["fold"].n_unique(),
            "first_session": str(forecasts["as_of"].min()),
            "last_session": str(forecasts["as_of"].max()),
            "folds": dg.MetadataValue.md(
                "\n".join(f"- fold {fold.index}: {_describe(fold)}" for fold in folds)
            ),
            "excluded": dg.MetadataValue.md(
                markdown_table(excluded) if excluded.height else "Every ticker was forecast."
            ),
            "weights": plots.inline(plots.weights(fold_weights(stage)), "Weights of the members"),
        },
    )


def _forecast_fold(
    panel: Panel,
    fold: Fold,
    config: TrainingConfig,
    feature_table: Stage,
    stages: StageStore,
    *,
    kept: int,
) -> FoldForecasts:
    """Forecast one fold, or take what an earlier run, perhaps a killed one, has finished."""

    def build(folder: Path) -> None:
        result = forecast_fold(panel, fold, config)
        result.forecasts.write_parquet(folder / "forecasts.parquet")
        result.excluded.write_parquet(folder / "excluded.parquet")

    ingredients = {"config": config.as_dict(), "fold": fold.index}
    stage = stages.make("fold", ingredients, build, upstream=[feature_table], kept=kept)
    return FoldForecasts(stage.frame("forecasts"), stage.frame("excluded"))


def _combine(folder: Path, results: list[FoldForecasts]) -> None:
    combined: WalkForwardResult = combine_folds(results)
    combined.forecasts.write_parquet(folder / "forecasts.parquet")
    combined.excluded.write_parquet(folder / "excluded.parquet")
    horizons = sorted(combined.final_weights.scale)
    by_fold = {
        horizon: [
            w.scale[horizon] for _, w in sorted(combined.weights.items()) if horizon in w.scale
        ]
        for horizon in horizons
    }
    _write(folder, "weights", {"scale": by_fold})
    final = combined.final_weights
    _write(folder, "final_weights", {"mean": final.mean, "scale": final.scale})
    quantiles = {h: np.asarray(q).tolist() for h, q in combined.conformal_quantiles.items()}
    _write(folder, "conformal_quantiles", quantiles)


def _describe(fold: Fold) -> str:
    scored = "" if fold.index else ", not scored: it seeds weights and calibration"
    return f"trained through {fold.cutoff}, forecast {fold.test[0]} to {fold.test[-1]}{scored}"


def _write(folder: Path, name: str, content: object) -> None:
    (folder / f"{name}.json").write_text(json.dumps(content, sort_keys=True))
