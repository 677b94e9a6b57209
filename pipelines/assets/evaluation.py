"""Asset of the evaluation: out-of-sample scores of every model."""

from functools import partial

import dagster as dg
import polars as pl

from forecasting.evaluation.scorecard import SUMMARY
from forecasting.horizons import LABEL_OF
from forecasting.settings import TrainingSettings
from pipelines.failures import classed_failures
from pipelines.reporting import plots
from pipelines.reporting.reports import publish_file
from pipelines.reporting.tables import visible_table
from pipelines.stages.evaluation import EvaluationScores, build_evaluation
from pipelines.stages.store import Stage, StageStore
from pipelines.stages.walk_forward import WalkForwardForecasts

TABLE_COLUMNS = (*SUMMARY, "p_naive", "p_garch")


@dg.asset(group_name="training", kinds={"polars"}, owners=["team:forecasting"])
def evaluation(
    context: dg.AssetExecutionContext,
    walk_forward_forecasts: Stage,
    settings: dg.ResourceParam[TrainingSettings],
    stages: dg.ResourceParam[StageStore],
) -> dg.MaterializeResult[Stage]:
    """Out-of-sample scores of every model: CRPS, coverage, and skill with its significance.

    Skill is relative to the naive forecast and to GARCH. The asset `report_page` links to a page
    with all plots.
    """
    forecasts = WalkForwardForecasts(walk_forward_forecasts).forecasts
    with classed_failures():
        stage = stages.make(
            EvaluationScores.NAME,
            {},
            partial(build_evaluation, forecasts=forecasts),
            upstream=[walk_forward_forecasts],
        )
    result = EvaluationScores(stage)
    for path in (*result.files.values(), *result.plots.values()):
        publish_file(path, settings)
    table = scores_table(result)
    skills = table.filter(model="ensemble").select("horizon", "skill_naive", "skill_garch").rows()
    for horizon, naive, garch in skills:
        context.log.info(f"{horizon}: skill {naive:+.2%} against naive, {garch:+.2%} against GARCH")
    pictures = [(path.stem, path.read_bytes()) for path in result.plots.values()]
    return dg.MaterializeResult(
        value=stage,
        data_version=stage.data_version,
        metadata={
            "scores": visible_table(table),
            "reports": dg.MetadataValue.path(settings.home / "reports"),
            **{f"skill_naive_{horizon}": naive for horizon, naive, _ in skills},
            **{f"skill_garch_{horizon}": garch for horizon, _, garch in skills},
            **{name: plots.inline(picture, name) for name, picture in pictures},
        },
    )


def scores_table(evaluation: EvaluationScores) -> pl.DataFrame:
    """Return the pooled scores, one row a horizon and model."""
    rows = [
        {"horizon": LABEL_OF[int(horizon)], "model": model}
        | {name: scores[name] for name in TABLE_COLUMNS}
        for model, by_horizon in evaluation.scores["pooled"].items()
        for horizon, scores in by_horizon.items()
    ]
    return pl.DataFrame(rows, infer_schema_length=None)
