"""The `forecast_bundle` stage: the bundle that serving runs, and its parity with the members."""

from pathlib import Path
from typing import ClassVar

import numpy as np

from forecasting.bundle.bundle import Bundle, write_bundle
from forecasting.bundle.manifest import Manifest
from forecasting.distribution.levels import LEVELS
from forecasting.evaluation.result import WalkForwardResult
from forecasting.evaluation.scorecard import Scores
from forecasting.export.fusion import export_linear, fuse
from forecasting.export.parity import ExportedMember, ParityReport, measure_parity, parity_rows
from forecasting.features.feature_set import VOLATILITY, feature_set
from forecasting.models.base import MEMBERS
from forecasting.models.linear import LinearModel, StudentModel
from forecasting.models.training import TrainingConfig, final_rows
from forecasting.samples.panel import Panel
from pipelines.settings import PipelineSettings
from pipelines.stages.code_version import code_version_of
from pipelines.stages.evaluation import EvaluationScores
from pipelines.stages.feature_table import FeatureTable
from pipelines.stages.members import ForestStage, LstmStage
from pipelines.stages.samples import load_panel, shared_scaler
from pipelines.stages.store import StageReader
from pipelines.stages.walk_forward import WalkForwardForecasts

GOLDEN_WINDOWS = 16


class ForecastBundle(StageReader):
    """A finished bundle."""

    NAME: ClassVar[str] = "forecast_bundle"

    @property
    def folder(self) -> Path:
        """The folder of the bundle's files."""
        return self.stage.path / "bundle"

    @property
    def parity(self) -> ParityReport:
        """The differences between the graph and the native members."""
        return ParityReport.load(self.stage.path)

    def load(self) -> Bundle:
        """Open the bundle; see `Bundle.load`."""
        return Bundle.load(self.folder)


def build_bundle(
    folder: Path, *, forest: ForestStage, lstm: LstmStage, settings: PipelineSettings
) -> None:
    """Fuse scaling, members and weights, write the bundle, and measure its parity."""
    table = FeatureTable.upstream_of(forest.stage)
    walk_forward = WalkForwardForecasts.upstream_of(forest.stage).result
    panel = load_panel(table)
    members = _linear_members(panel) | {s.NAME: s.exported for s in (forest, lstm)}
    graph = fuse(
        members={name: member.graph for name, member in members.items()},
        scaler=shared_scaler(panel),
        weights=walk_forward.final_weights,
        mean_log_return=settings.mean_log_return,
        volatility_index=panel.feature_names.index(VOLATILITY),
        horizons=panel.horizons,
        lookback=panel.lookback,
        feature_names=panel.feature_names,
    )
    rows = parity_rows(panel)
    golden = rows[np.linspace(0, len(rows) - 1, GOLDEN_WINDOWS).astype(int)]
    metrics = EvaluationScores.upstream_of(forest.stage).summary
    manifest = _manifest(panel, table, walk_forward, metrics, settings)
    bundle = write_bundle(folder / "bundle", graph, manifest, panel.windows(golden))
    measure_parity(bundle.run(panel.windows(rows)), members).save(folder)


def _linear_members(panel: Panel) -> dict[str, ExportedMember]:
    """Fit and export the linear members, which takes about a second."""
    scaler, rows = shared_scaler(panel), final_rows(panel)
    fitted = [model(scaler=scaler).fit(panel, rows) for model in (LinearModel, StudentModel)]
    return {m.name: ExportedMember.from_fit(m, panel, export_linear(m)) for m in fitted}


def _manifest(
    panel: Panel,
    table: FeatureTable,
    walk_forward: WalkForwardResult,
    metrics: dict[str, dict[str, Scores]],
    settings: PipelineSettings,
) -> Manifest:
    features = feature_set(settings.extra_indicators)
    weights = walk_forward.final_weights
    return Manifest(
        name=settings.model_name,
        features=panel.feature_names,
        feature_hash=features.hash,
        extra_indicators=settings.extra_indicators,
        lookback=panel.lookback,
        warmup=features.warmup,
        horizons=panel.horizons,
        members=MEMBERS,
        # All members have the same location.
        mean_weights=weights.scale,
        scale_weights=weights.scale,
        quantile_levels=tuple(LEVELS.tolist()),
        conformal_quantiles={
            horizon: tuple(quantiles.tolist())
            for horizon, quantiles in walk_forward.conformal_quantiles.items()
        },
        cutoff=max(table.features["session"].to_list()),
        tickers=tuple(panel.keys["ticker"].unique().sort()),
        exchange=settings.exchange,
        data_fingerprint=table.data_fingerprint,
        # This module uses every stage in front, so its version covers all code of the bundle.
        code_version=code_version_of(build_bundle),
        settings=TrainingConfig.from_settings(settings).as_dict(),
        metrics=metrics,
    )
