"""Asset of the report page: all plots and tables of a run for a person."""

import tempfile
from pathlib import Path

import dagster as dg
import polars as pl

from core.clock import Clock
from core.errors import PermanentError, StockcastError
from core.files import write_atomically
from forecasting.bundle.bundle import Bundle
from forecasting.snapshot import SNAPSHOT_FOLDER, read_snapshot
from pipelines.assets.monitoring import DriftStage
from pipelines.failures import classed_failures
from pipelines.report_page.html import Section, render_page
from pipelines.report_page.sections import (
    FORECASTS,
    data_section,
    decision_section,
    drift_section,
    files_section,
    forecast_section,
    members_section,
    scores_section,
)
from pipelines.settings import PipelineSettings
from pipelines.stages.bundle import ForecastBundle
from pipelines.stages.evaluation import EvaluationScores
from pipelines.stages.feature_table import FeatureTable
from pipelines.stages.registered import RegisteredVersion
from pipelines.stages.store import LINEAGE, Stage, StageStore
from registry.names import CHAMPION
from registry.pages import artifact_page, version_links
from registry.publishing.runs import log_report_page
from registry.versions import ModelRegistry

PAGE_FILE = "index.html"


@dg.asset(
    group_name="registration",
    deps=["promotion", "feature_snapshot"],
    kinds={"html"},
    owners=["team:forecasting"],
)
def report_page(
    context: dg.AssetExecutionContext,
    registered_version: Stage,
    feature_table: Stage,
    stages: dg.ResourceParam[StageStore],
    settings: dg.ResourceParam[PipelineSettings],
    registry: dg.ResourceParam[ModelRegistry],
    clock: dg.ResourceParam[Clock],
) -> dg.MaterializeResult[None]:
    """The page `reports/index.html` with forecasts, decision, scores, data and drift of the run."""
    registered = RegisteredVersion(registered_version)
    version = registered.version
    bundle = ForecastBundle.upstream_of(registered_version)
    table = FeatureTable(feature_table)
    with classed_failures():
        evaluation = EvaluationScores.upstream_of(registered_version)
        sections = [
            _forecasts(registry, version, bundle, table, settings),
            decision_section(settings.home / "reports", version_links(registry, version)),
            scores_section(evaluation),
            members_section(bundle.stage),
            data_section(table, settings.exchange, clock.now()),
            drift_section(_distances(stages, feature_table)),
            files_section(),
        ]
        page = render_page(
            f"Stockcast: version {version}",
            f"Written on {clock.now():%Y-%m-%d %H:%M} UTC. Version {version} was trained through "
            f"{bundle.load().manifest.cutoff} with bars of the provider {settings.provider}.",
            sections,
        )
    path = settings.home / "reports" / PAGE_FILE
    write_atomically(path, page.encode())
    context.log.info(f"the report page is {path}")
    with classed_failures():
        # A browser opens no file from a page of Dagster, so MLflow serves a copy.
        logged = log_report_page(registry, registered.run_id, path)
        address = artifact_page(registry, registered.run_id, logged)
    return dg.MaterializeResult(
        metadata={
            **({"page": dg.MetadataValue.url(address)} if address else {}),
            "file": dg.MetadataValue.path(path),
        }
    )


def _forecasts(
    registry: ModelRegistry,
    version: int,
    candidate: ForecastBundle,
    table: FeatureTable,
    settings: PipelineSettings,
) -> Section:
    """Return the forecasts of the champion, or of the candidate if there is no champion."""
    champion = registry.alias_version(CHAMPION)
    served = champion or version
    role = "is served" if champion else "is not served, because no version was promoted"
    try:
        bundle = _bundle(registry, served, candidate, version)
        snapshot = read_snapshot(settings.home / SNAPSHOT_FOLDER, bundle.manifest.feature_hash)
        return forecast_section(f"Version {served} {role}.", bundle, snapshot, table.adjusted)
    except StockcastError as error:
        # For example, the champion needs features that this run did not compute.
        return Section(FORECASTS, f"Version {served} has no forecasts of this run. {error}")


def _distances(stages: StageStore, feature_table: Stage) -> pl.DataFrame | None:
    """Return the drift of this run's features, or None if no drift report was made.

    `drift_report` is no dependency, because Dagster skips the assets behind a missing result.
    """
    try:
        stage = stages.newest(dg.AssetKey(DriftStage.NAME))
    except PermanentError:
        return None
    is_of_this_run = stage.document(LINEAGE)[feature_table.name] == feature_table.key
    return DriftStage(stage).drift.as_frame() if is_of_this_run else None


def _bundle(
    registry: ModelRegistry, served: int, candidate: ForecastBundle, version: int
) -> Bundle:
    if served == version:
        return candidate.load()
    with tempfile.TemporaryDirectory() as folder:
        return Bundle.load(registry.download(served, Path(folder) / "bundle"))
