"""Asset of the drift report: recent feature distributions compared with earlier ones.

The only module that imports Evidently.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import dagster as dg
import polars as pl

from core.errors import NotEnoughHistoryError
from forecasting.drift_summary import DRIFT_FILE, DriftSummary
from pipelines.failures import classed_failures
from pipelines.reporting.reports import publish_file, write_report
from pipelines.reporting.tables import visible_table
from pipelines.settings import PipelineSettings
from pipelines.stages.feature_table import FeatureTable
from pipelines.stages.store import Stage, StageReader, StageStore

# A quarter against the two years before it. Indicators move slowly, so ordinary quarters differ a
# little: on the sample, half of the features exceed `DISTANCE` in one quarter of seven.
CURRENT_SIZE = 63
REFERENCE_SIZE = 504
# Every history that can be trained on is this long; a shorter reference is less precise.
LEAST_REFERENCE_SIZE = 126
METHOD = "wasserstein"
DISTANCE = 0.5
HTML_FILE = "drift.html"
# Metadata that the drift sensor reads.
DRIFT_SHARE, DATA_FINGERPRINT = "drift_share", "data_fingerprint"


@dataclass(frozen=True)
class Drift:
    """Feature -> distance between its recent and its earlier distribution."""

    scores: dict[str, float]

    @property
    def drifted(self) -> list[str]:
        """Features with a distance that reaches the threshold."""
        return [name for name, score in self.scores.items() if score >= DISTANCE]

    @property
    def share(self) -> float:
        """Share of features that drifted, from 0 to 1."""
        return len(self.drifted) / len(self.scores)

    def as_frame(self) -> pl.DataFrame:
        """Return one row a feature, the largest distance first."""
        rows = {"feature": list(self.scores), "distance": list(self.scores.values())}
        return pl.DataFrame(rows).sort("distance", descending=True)

    def save(self, folder: Path) -> None:
        """Write the distances into `folder`."""
        pl.DataFrame({"scores": [self.scores]}).write_json(folder / "drift.json")


class DriftStage(StageReader):
    """A finished drift report."""

    NAME: ClassVar[str] = "drift_report"

    @property
    def drift(self) -> Drift:
        """The distances of all features."""
        return Drift(self.stage.document("drift")[0]["scores"])

    @property
    def html(self) -> Path:
        """Evidently's report."""
        return self.stage.path / HTML_FILE


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
    """Drift of every feature: the last quarter compared with the two years before it."""
    table = FeatureTable(feature_table)
    build = partial(build_drift_report, table=table)
    with classed_failures():
        try:
            stage = stages.make(DriftStage.NAME, _settings(), build, upstream=[feature_table])
        except NotEnoughHistoryError as error:
            context.log.warning(f"No drift report was made. {error}")
            return
    result = DriftStage(stage)
    drift = result.drift
    html = publish_file(result.html, settings)
    summary = summarise(drift, table.features["session"].max(), settings)
    write_report(DRIFT_FILE.name, summary.model_dump(mode="json"), settings)
    context.log.info(
        f"{len(drift.drifted)} of {len(drift.scores)} features drifted ({drift.share:.0%}); "
        f"retraining starts at {settings.drift_share:.0%}"
    )
    yield dg.MaterializeResult(
        value=stage,
        data_version=stage.data_version,
        metadata={
            DRIFT_SHARE: drift.share,
            "drifted": len(drift.drifted),
            DATA_FINGERPRINT: table.data_fingerprint,
            "scores": visible_table(drift.as_frame()),
            "report": dg.MetadataValue.url(html.as_uri()),
        },
    )


def summarise(drift: Drift, as_of: Any, settings: PipelineSettings) -> DriftSummary:  # noqa: ANN401
    """Return the summary for the service; `as_of` is the newest session of the features."""
    drifted = [name for name in drift.as_frame()["feature"] if name in drift.drifted]
    return DriftSummary(
        as_of=as_of,
        features=len(drift.scores),
        drifted=drifted,
        retraining_share=settings.drift_share,
        current_sessions=CURRENT_SIZE,
        reference_sessions=REFERENCE_SIZE,
    )


def build_drift_report(folder: Path, *, table: FeatureTable) -> None:
    """Measure the drift of the features of `table`, and write the distances and the report."""
    reference, current = drift_windows(table.features)
    Drift(measure_drift(reference, current, folder / HTML_FILE)).save(folder)


def drift_windows(features: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the reference rows and the current rows, without rows that lack a feature.

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
            f"Drift compares {CURRENT_SIZE} sessions with at least {LEAST_REFERENCE_SIZE} earlier "
            f"ones; got {sessions.len()} sessions with all features, add "
            f"{needed - sessions.len()} more."
        )
        raise NotEnoughHistoryError(msg)
    start = sessions[-min(sessions.len(), CURRENT_SIZE + REFERENCE_SIZE)]
    split = sessions[-CURRENT_SIZE]
    values = pl.exclude("ticker", "session")
    reference = complete.filter(pl.col("session") >= start, pl.col("session") < split)
    current = complete.filter(pl.col("session") >= split)
    return reference.select(values), current.select(values)


def measure_drift(reference: pl.DataFrame, current: pl.DataFrame, html: Path) -> dict[str, float]:
    """Return the distance of every feature in standard deviations, and write Evidently's report."""
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
