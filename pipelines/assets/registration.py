"""Assets from fitted members to a live version: the bundle, its registration and its promotion."""

from functools import partial
from typing import Any

import dagster as dg
import polars as pl

from pipelines.failures import classed_failures
from pipelines.registration.candidate_contents import collect_candidate
from pipelines.registration.evidence_collection import (
    collect_evidence,
    compare_with_champion,
    policy_of,
)
from pipelines.reporting.reports import write_report
from pipelines.reporting.tables import visible_table
from pipelines.settings import PipelineSettings
from pipelines.stages.bundle import ForecastBundle, build_bundle
from pipelines.stages.evaluation import EvaluationScores
from pipelines.stages.members import ForestStage, LstmStage
from pipelines.stages.registered import RegisteredVersion, build_registered_version
from pipelines.stages.store import Stage, StageStore
from pipelines.stages.walk_forward import WalkForwardForecasts
from registry.names import CHAMPION
from registry.pages import version_links
from registry.promotion.aliases import apply_decision
from registry.promotion.gates import Decision, decide
from registry.publishing.candidates import log_candidate
from registry.versions import ModelRegistry

ALREADY_CHAMPION = "is the champion already"
KEPT = "kept as challenger"


@dg.asset(group_name="registration", kinds={"onnx"}, owners=["team:forecasting"])
def forecast_bundle(
    forest: Stage,
    lstm: Stage,
    settings: dg.ResourceParam[PipelineSettings],
    stages: dg.ResourceParam[StageStore],
) -> dg.MaterializeResult[Stage]:
    """Scaling, members and weights in one ONNX graph, with manifest and golden vectors."""
    build = partial(
        build_bundle, forest=ForestStage(forest), lstm=LstmStage(lstm), settings=settings
    )
    ingredients = {"name": settings.model_name, "exchange": settings.exchange}
    with classed_failures():
        stage = stages.make(ForecastBundle.NAME, ingredients, build, upstream=[forest, lstm])
        result = ForecastBundle(stage)
        bundle = result.load()
    return dg.MaterializeResult(
        value=stage,
        data_version=dg.DataVersion(bundle.fingerprint[:16]),
        metadata={
            "fingerprint": bundle.fingerprint,
            "trained_through": str(bundle.manifest.cutoff),
            "bytes": sum(path.stat().st_size for path in result.folder.iterdir()),
            "weights": bundle.manifest.scale_weights,
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
    """The bundle as a version in MLflow, with parameters, metrics, plots and data of its run."""
    with classed_failures():
        with collect_candidate(forecast_bundle, settings, dagster_run=context.run_id) as record:
            info = log_candidate(registry, record)
        stage = stages.make(
            RegisteredVersion.NAME,
            {"version": info.version, "run_id": info.run_id, "registry": registry.address},
            partial(build_registered_version, version=info.version, run_id=info.run_id),
            upstream=[forecast_bundle],
        )
    context.log.info(f"version {info.version} of {info.name}, trained through {info.cutoff}")
    return dg.MaterializeResult(
        value=stage,
        data_version=stage.data_version,
        metadata={
            "version": info.version,
            "mlflow_run": info.run_id,
            **_links(registry, info.version),
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
    """The decision whether the version becomes champion, with the result of every gate."""
    version = RegisteredVersion(registered_version).version
    with classed_failures():
        forecasts = WalkForwardForecasts.upstream_of(registered_version).forecasts
        evidence = collect_evidence(
            forecasts,
            EvaluationScores.upstream_of(registered_version),
            ForecastBundle.upstream_of(registered_version).folder,
            withdrawal_reason=registry.get(version).withdrawal_reason,
        )
        champion = compare_with_champion(registry, version, forecasts)
        decision = decide(evidence, champion, policy_of(settings))
        outcome = _apply(registry, version, decision, actor=f"Dagster run {context.run_id}")
    report = promotion_report(version, outcome, decision)
    write_report("promotion.json", report, settings)
    context.log.info(f"version {version}: {outcome}. {report['hint'] or ''}".rstrip())
    return dg.MaterializeResult(
        metadata={
            "version": version,
            "outcome": outcome,
            **_links(registry, version),
            **({"hint": report["hint"]} if report["hint"] else {}),
            "reasons": visible_table(pl.DataFrame(report["reasons"])),
        }
    )


def _links(registry: ModelRegistry, version: int) -> dict[str, dg.UrlMetadataValue]:
    pages = version_links(registry, version)
    return {title: dg.MetadataValue.url(address) for title, address in pages.items()}


def promotion_report(version: int, outcome: str, decision: Decision) -> dict[str, Any]:
    """Return the decision as JSON, with the command that serves a refused version anyway."""
    hint = f"To serve version {version} anyway, run `stockcast promote {version} --reason ...`."
    return {
        "version": version,
        "outcome": outcome,
        "reasons": [
            {"passed": r.passed, "gate": r.gate, "sentence": r.sentence}
            for r in decision.reasons
            # A version is not compared with itself.
            if not (r.gate == CHAMPION and outcome == ALREADY_CHAMPION)
        ],
        "hint": hint if outcome == KEPT else None,
    }


def _apply(registry: ModelRegistry, version: int, decision: Decision, *, actor: str) -> str:
    """Move the aliases as decided. A version that is champion already stays champion."""
    if registry.alias_version(CHAMPION) == version:
        return ALREADY_CHAMPION
    apply_decision(registry, version, decision, actor)
    return "promoted to champion" if decision.promote else KEPT
