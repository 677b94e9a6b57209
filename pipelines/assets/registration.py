"""From fitted members to a live version: the bundle, its registration, and the decision on it."""

import json
from datetime import date
from pathlib import Path

import dagster as dg
import numpy as np
import polars as pl

from forecasting.bundle.bundle import Bundle, write_bundle
from forecasting.bundle.manifest import Manifest
from forecasting.distribution.levels import LEVELS
from forecasting.export.fusion import fuse
from forecasting.export.parity import parity_error, parity_rows
from forecasting.features.feature_set import VOLATILITY, feature_set
from forecasting.models.base import MEMBERS
from forecasting.models.ensemble import EnsembleWeights
from forecasting.models.training import TrainingConfig
from forecasting.samples.panel import Panel
from pipelines.failures import classed_failures
from pipelines.registration.candidate_record import candidate_record
from pipelines.registration.evidence import compare_with_champion, gather_evidence, policy_of
from pipelines.reporting.reports import write_report
from pipelines.reporting.tables import markdown_table
from pipelines.settings import PipelineSettings
from pipelines.stages.contents import load_panel, shared_scaler
from pipelines.stages.fingerprints import code_version
from pipelines.stages.store import Stage, StageStore
from registry.names import CHAMPION
from registry.promotion.aliases import act_on
from registry.promotion.gates import Decision, decide
from registry.publishing.candidates import log_candidate
from registry.versions import ModelRegistry

GOLDEN_WINDOWS = 16
ALREADY = "is the champion already"


@dg.asset(group_name="registration", kinds={"onnx"}, owners=["team:forecasting"])
def forecast_bundle(
    forest: Stage,
    lstm: Stage,
    settings: dg.ResourceParam[PipelineSettings],
    stages: dg.ResourceParam[StageStore],
) -> dg.MaterializeResult[Stage]:
    """Scaling, forest, LSTM and weights as one ONNX graph, with its manifest and golden vectors."""

    def build(folder: Path) -> None:
        panel = load_panel(forest.upstream("feature_table"))
        weights = _weights(forest.upstream("walk_forward_forecasts"))
        graph = fuse(
            forest=(forest.path / "model.onnx").read_bytes(),
            lstm=(lstm.path / "model.onnx").read_bytes(),
            scaler=shared_scaler(panel),
            weights=weights,
            volatility_index=panel.feature_names.index(VOLATILITY),
            horizons=panel.horizons,
            lookback=panel.lookback,
            feature_names=panel.feature_names,
        )
        manifest = _manifest(panel, weights, forest, settings)
        rows = parity_rows(panel)
        golden = rows[np.linspace(0, len(rows) - 1, GOLDEN_WINDOWS).astype(int)]
        bundle = write_bundle(folder / "bundle", graph, manifest, panel.windows(golden))
        output = bundle.run(panel.windows(rows))
        members = enumerate((forest, lstm))
        errors = {stage.name: parity_error(output, i, stage.path) for i, stage in members}
        (folder / "parity.json").write_text(json.dumps({"windows": len(rows), "error": errors}))

    with classed_failures():
        named = {"name": settings.model_name, "exchange": settings.exchange}
        stage = stages.make("forecast_bundle", named, build, upstream=[forest, lstm])
        bundle = Bundle.load(stage.path / "bundle")
    return dg.MaterializeResult(
        value=stage,
        data_version=dg.DataVersion(bundle.fingerprint[:16]),
        metadata={
            "fingerprint": bundle.fingerprint,
            "trained_through": str(bundle.manifest.cutoff),
            "bytes": sum(path.stat().st_size for path in (stage.path / "bundle").iterdir()),
            "mean_weights": bundle.manifest.mean_weights,
            "scale_weights": bundle.manifest.scale_weights,
        },
    )


@dg.asset(group_name="registration", kinds={"mlflow"}, owners=["team:forecasting"])
def registered_version(
    context: dg.AssetExecutionContext,
    forecast_bundle: Stage,
    settings: dg.ResourceParam[PipelineSettings],
    stages: dg.ResourceParam[StageStore],
    registry: dg.ResourceParam[ModelRegistry],
) -> dg.MaterializeResult[Stage]:
    """The bundle as a version in MLflow, with its run: parameters, metrics, plots and data."""
    with classed_failures():
        with candidate_record(forecast_bundle, settings, dagster_run=context.run_id) as record:
            info = log_candidate(registry, record)
        content = {"version": info.version, "run_id": info.run_id}
        stage = stages.make(
            "registered_version",
            {**content, "registry": registry.address},
            lambda folder: _write(folder / "version.json", content),
            upstream=[forecast_bundle],
        )
    context.log.info(f"version {info.version} of {info.name}, trained through {info.cutoff}")
    page = registry.page(info.version)
    return dg.MaterializeResult(
        value=stage,
        data_version=stage.data_version,
        metadata={
            "version": info.version,
            "mlflow_run": info.run_id,
            "page": dg.MetadataValue.url(page)
            if page
            else dg.MetadataValue.text("`stockcast up` shows it in MLflow."),
            "about": dg.MetadataValue.md(info.description),
        },
    )


@dg.asset(group_name="registration", kinds={"mlflow"}, owners=["team:forecasting"])
def promotion(
    context: dg.AssetExecutionContext,
    registered_version: Stage,
    settings: dg.ResourceParam[PipelineSettings],
    registry: dg.ResourceParam[ModelRegistry],
) -> dg.MaterializeResult[None]:
    """Whether the version goes live, decided on its evidence alone, with every reason."""
    version = int(registered_version.document("version")["version"])
    with classed_failures():
        forecasts = registered_version.upstream("walk_forward_forecasts").frame("forecasts")
        evidence = gather_evidence(
            forecasts,
            registered_version.upstream("evaluation"),
            registered_version.upstream("forecast_bundle").path / "bundle",
            withdrawn=registry.get(version).withdrawn,
        )
        champion = compare_with_champion(registry, version, forecasts)
        decision = decide(evidence, champion, policy_of(settings))
        outcome = _act(registry, version, decision, actor=f"Dagster run {context.run_id}")
    reasons = [
        {"passed": r.passed, "gate": r.gate, "sentence": r.sentence}
        for r in decision.reasons
        if not (r.gate == CHAMPION and outcome == ALREADY)  # it is not compared with itself
    ]
    report = {"version": version, "outcome": outcome, "reasons": reasons}
    write_report("promotion.json", report, settings)
    context.log.info(f"version {version}: {outcome}")
    return dg.MaterializeResult(
        metadata={
            "version": version,
            "outcome": outcome,
            "reasons": dg.MetadataValue.md(markdown_table(pl.DataFrame(reasons))),
        }
    )


def _act(registry: ModelRegistry, version: int, decision: Decision, *, actor: str) -> str:
    """Move the alias as decided; a version that is live already stays, whatever its gates say."""
    if registry.alias_version(CHAMPION) == version:
        return ALREADY
    act_on(registry, version, decision, actor)
    return "promoted to champion" if decision.promote else "kept as challenger"


def _weights(walk_forward_forecasts: Stage) -> EnsembleWeights:
    stored = walk_forward_forecasts.document("final_weights")
    by_kind = {kind: {int(h): w for h, w in stored[kind].items()} for kind in ("mean", "scale")}
    return EnsembleWeights(mean=by_kind["mean"], scale=by_kind["scale"])


def _manifest(
    panel: Panel, weights: EnsembleWeights, forest: Stage, settings: PipelineSettings
) -> Manifest:
    feature_table = forest.upstream("feature_table")
    features = feature_set(settings.extra_indicators)
    quantiles = forest.upstream("walk_forward_forecasts").document("conformal_quantiles")
    return Manifest(
        name=settings.model_name,
        features=panel.feature_names,
        feature_hash=features.hash,
        extra_indicators=settings.extra_indicators,
        lookback=panel.lookback,
        warmup=features.warmup,
        horizons=panel.horizons,
        members=MEMBERS,
        mean_weights=weights.mean,
        scale_weights=weights.scale,
        quantile_levels=tuple(LEVELS.tolist()),
        conformal_quantiles={int(h): tuple(q) for h, q in quantiles.items()},
        cutoff=_last_session(feature_table),
        tickers=tuple(panel.keys["ticker"].unique().sort()),
        exchange=settings.exchange,
        data_fingerprint=feature_table.document("data_fingerprint"),
        code_version=code_version(),
        settings=TrainingConfig.from_settings(settings).as_dict(),
        metrics=forest.upstream("evaluation").document("summary"),
    )


def _last_session(feature_table: Stage) -> date:
    sessions: list[date] = feature_table.frame("features")["session"].to_list()
    return max(sessions)


def _write(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, sort_keys=True))
