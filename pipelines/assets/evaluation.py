"""How every model did out of sample, for people and for the promotion decision."""

import json
from pathlib import Path

import dagster as dg
import polars as pl

from forecasting.evaluation.scorecard import SUMMARY, evaluate, summarise
from forecasting.horizons import HORIZONS, LABEL_OF
from forecasting.settings import TrainingSettings
from pipelines.failures import classed_failures
from pipelines.reporting import plots
from pipelines.reporting.reports import publish
from pipelines.reporting.tables import markdown_table
from pipelines.stages.store import Stage, StageStore

REPORTS = ("evaluation.json", "forecasts.parquet")
SHOWN = (*SUMMARY, "p_naive", "p_garch")


@dg.asset(group_name="training", kinds={"polars"}, owners=["team:forecasting"])
def evaluation(
    context: dg.AssetExecutionContext,
    walk_forward_forecasts: Stage,
    settings: dg.ResourceParam[TrainingSettings],
    stages: dg.ResourceParam[StageStore],
) -> dg.MaterializeResult[Stage]:
    """Scores of every model beside naive and GARCH: CRPS, coverage, skill and its significance."""
    forecasts = walk_forward_forecasts.frame("forecasts")

    def build(folder: Path) -> None:
        found = evaluate(forecasts)
        _write(folder / "evaluation.json", found)
        _write(folder / "summary.json", summarise(found["pooled"]))
        forecasts.write_parquet(folder / "forecasts.parquet")
        ticker = forecasts.group_by("ticker").len().sort("len", "ticker").item(-1, "ticker")
        for horizon in HORIZONS:
            fan = plots.forecast_fan(forecasts, ticker, horizon)
            (folder / f"forecast_fan_{LABEL_OF[horizon]}.png").write_bytes(fan)
        (folder / "calibration.png").write_bytes(plots.calibration(forecasts))

    with classed_failures():
        stage = stages.make("evaluation", {}, build, upstream=[walk_forward_forecasts])
    pngs = sorted(stage.path.glob("*.png"))
    for name in (*REPORTS, *(path.name for path in pngs)):
        publish(stage, name, settings)
    table = scores_table(stage)
    best = table.filter(model="ensemble").select("horizon", "skill_naive", "skill_garch").rows()
    for horizon, naive, garch in best:
        context.log.info(f"{horizon}: skill {naive:+.2%} against naive, {garch:+.2%} against GARCH")
    pictures = {path.stem: plots.inline(path.read_bytes(), path.stem) for path in pngs}
    return dg.MaterializeResult(
        value=stage,
        data_version=stage.data_version,
        metadata={
            "scores": dg.MetadataValue.md(markdown_table(table)),
            "reports": dg.MetadataValue.path(settings.home / "reports"),
            **{f"skill_naive_{horizon}": naive for horizon, naive, _ in best},
            **{f"skill_garch_{horizon}": garch for horizon, _, garch in best},
            **pictures,
        },
    )


def scores_table(evaluation: Stage) -> pl.DataFrame:
    """Return the pooled scores, a row a model and horizon."""
    pooled = evaluation.document("evaluation")["pooled"]
    rows = [
        {"horizon": LABEL_OF[int(horizon)], "model": model} | {name: scores[name] for name in SHOWN}
        for model, by_horizon in pooled.items()
        for horizon, scores in by_horizon.items()
    ]
    return pl.DataFrame(rows, infer_schema_length=None)


def _write(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, indent=1))
