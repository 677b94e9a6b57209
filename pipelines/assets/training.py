"""Asset of the walk-forward: forecasts of sessions that no model was trained on, fold by fold."""

from functools import partial

import dagster as dg

from forecasting.models.training import TrainingConfig
from forecasting.samples.splits import Fold
from forecasting.settings import TrainingSettings
from pipelines.failures import classed_failures
from pipelines.reporting import plots
from pipelines.reporting.tables import markdown_table
from pipelines.stages.feature_table import FeatureTable
from pipelines.stages.samples import load_panel
from pipelines.stages.store import Stage, StageStore
from pipelines.stages.walk_forward import WalkForwardForecasts, build_walk_forward

# Two fits at the same time would halve each other's speed.
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
    """Out-of-sample forecasts of naive, GARCH, the members and the ensemble.

    Each model is trained on earlier sessions only.
    """
    config = TrainingConfig.from_settings(settings)
    with classed_failures():
        table = FeatureTable(feature_table)
        panel = load_panel(table)
        folds = config.walk_forward.split(panel.sessions)
        build = partial(
            build_walk_forward,
            table=table,
            panel=panel,
            folds=folds,
            config=config,
            stages=stages,
            on_fold=lambda fold: context.log.info(
                f"fold {fold.index} of {len(folds) - 1}: {_describe(fold)}"
            ),
        )
        stage = stages.make(
            WalkForwardForecasts.NAME,
            {"config": config.as_dict()},
            build,
            upstream=[feature_table],
        )
    result = WalkForwardForecasts(stage).result
    forecasts, excluded = result.forecasts, result.excluded
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
                markdown_table(excluded) if excluded.height else "No ticker was excluded."
            ),
            "weights": plots.inline(
                plots.weights(result.scale_weights()), "Weights of the members"
            ),
        },
    )


def _describe(fold: Fold) -> str:
    scored = "" if fold.index else ", not scored: it initialises weights and calibration"
    return f"trained through {fold.cutoff}, forecasts {fold.test[0]} to {fold.test[-1]}{scored}"
