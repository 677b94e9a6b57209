"""Drift of the features: whether models still see the market that they were trained on.

The only module that knows Evidently.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl

from core.errors import NotEnoughHistoryError
from pipelines.failures import classed_failures
from pipelines.reporting.reports import publish
from pipelines.reporting.tables import markdown_table
from pipelines.settings import PipelineSettings
from pipelines.stages.store import Stage, StageStore

# A quarter against the two years before it. Indicators move slowly, so ordinary quarters differ a
# little: on the sample, half the features pass this distance in one quarter of seven.
CURRENT_SIZE = 63
REFERENCE_SIZE = 504
# Any history that can be trained on has so many; a shorter reference is a rougher one.
LEAST_REFERENCE_SIZE = 126
METHOD = "wasserstein"
DISTANCE = 0.5


@dataclass(frozen=True)
class Drift:
    """How far each feature's recent distribution is from the one before."""

    scores: dict[str, float]

    @property
    def drifted(self) -> list[str]:
        """Features whose distance passes the threshold."""
        return [name for name, score in self.scores.items() if score >= DISTANCE]

    @property
    def share(self) -> float:
        """Share of features that drifted."""
        return len(self.drifted) / len(self.scores)

    def as_frame(self) -> pl.DataFrame:
        """Return one row a feature, the furthest first."""
        rows = {"feature": list(self.scores), "distance": list(self.scores.values())}
        return pl.DataFrame(rows).sort("distance", descending=True)


@dg.asset(
    group_name="monitoring",
    kinds={"evidently"},
    owners=["team:forecasting"],
    output_required=False,
)
def drift_report(
    context: dg.AssetExecutionContext,
    feature_table: Stage,
    settings: dg.ResourceParam[PipelineSettings],
    stages: dg.ResourceParam[StageStore],
) -> Iterator[dg.MaterializeResult[Stage]]:
    """Feature by feature, the last quarter against the two years before it."""

    def build(folder: Path) -> None:
        reference, current = drift_windows(feature_table.frame("features"))
        scores = measure_drift(reference, current, folder / "drift.html")
        pl.DataFrame({"scores": [scores]}).write_json(folder / "drift.json")

    with classed_failures():
        try:
            stage = stages.make("drift_report", _settings(), build, upstream=[feature_table])
        except NotEnoughHistoryError as error:
            context.log.warning(f"No report yet. {error}")
            return
    drift = Drift(stage.document("drift")[0]["scores"])
    html = publish(stage, "drift.html", settings)
    context.log.info(
        f"{len(drift.drifted)} of {len(drift.scores)} features drifted ({drift.share:.0%}); "
        f"retraining is asked for at {settings.drift_share:.0%}"
    )
    yield dg.MaterializeResult(
        value=stage,
        data_version=stage.data_version,
        metadata={
            "drift_share": drift.share,
            "drifted": len(drift.drifted),
            "data_fingerprint": feature_table.document("data_fingerprint"),
            "scores": dg.MetadataValue.md(markdown_table(drift.as_frame())),
            "report": dg.MetadataValue.url(html.as_uri()),
        },
    )


def drift_windows(features: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return reference and current rows: complete ones of the sessions that are compared.

    The reference is as long as the history allows, up to `REFERENCE_SIZE` sessions.

    Raises
    ------
    NotEnoughHistoryError
        When there are too few sessions to compare.
    """
    complete = features.drop_nulls()
    sessions = complete["session"].unique().sort()
    needed = CURRENT_SIZE + LEAST_REFERENCE_SIZE
    if sessions.len() < needed:
        msg = (
            f"Drift compares {CURRENT_SIZE} sessions with at least {LEAST_REFERENCE_SIZE} before "
            f"them; got {sessions.len()} with all features, add {needed - sessions.len()} more."
        )
        raise NotEnoughHistoryError(msg)
    start = sessions[-min(sessions.len(), CURRENT_SIZE + REFERENCE_SIZE)]
    split = sessions[-CURRENT_SIZE]
    values = pl.exclude("ticker", "session")
    reference = complete.filter(pl.col("session") >= start, pl.col("session") < split)
    current = complete.filter(pl.col("session") >= split)
    return reference.select(values), current.select(values)


def measure_drift(reference: pl.DataFrame, current: pl.DataFrame, html: Path) -> dict[str, float]:
    """Return the distance of every feature in standard deviations, and write the report."""
    os.environ.setdefault("DO_NOT_TRACK", "true")  # Evidently reads it when it is imported
    from evidently import Report  # noqa: PLC0415  takes eight seconds
    from evidently.presets import DataDriftPreset  # noqa: PLC0415

    preset = DataDriftPreset(num_method=METHOD, num_threshold=DISTANCE)
    snapshot = Report([preset]).run(current.to_pandas(), reference.to_pandas())
    snapshot.save_html(str(html))
    metrics: list[dict[str, Any]] = snapshot.dict()["metrics"]
    return {
        metric["config"]["column"]: float(metric["value"])
        for metric in metrics
        if metric["config"]["type"].endswith("ValueDrift")
    }


def _settings() -> dict[str, Any]:
    sizes = {"current": CURRENT_SIZE, "reference": REFERENCE_SIZE}
    return {**sizes, "method": METHOD, "distance": DISTANCE}
