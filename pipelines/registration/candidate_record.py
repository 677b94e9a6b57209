"""What goes into the registry beside a bundle: everything that a version's page should tell."""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from forecasting.horizons import LABEL_OF
from forecasting.models.base import MEMBERS
from forecasting.models.training import TrainingConfig
from pipelines.reporting import plots
from pipelines.settings import PipelineSettings
from pipelines.stages.contents import fold_weights
from pipelines.stages.store import Stage
from registry.names import SKILL_TAG
from registry.publishing.candidates import CandidateRecord
from registry.publishing.dataset import TrainingData

FOLD_METRICS = ("crps", "skill_naive", "skill_garch", "coverage_80", "coverage_95", "coverage_99")
RUN_TAG = "dagster/run_id"


@contextmanager
def candidate_record(
    forecast_bundle: Stage, settings: PipelineSettings, *, dagster_run: str
) -> Iterator[CandidateRecord]:
    """Lend the record of a candidate; the plots that are drawn for it go when the block ends."""
    evaluation = forecast_bundle.upstream("evaluation")
    feature_table = forecast_bundle.upstream("feature_table")
    with tempfile.TemporaryDirectory() as folder:
        drawn = _draw(forecast_bundle, Path(folder))
        yield CandidateRecord(
            bundle_dir=forecast_bundle.path / "bundle",
            dataset=TrainingData(
                name=f"{settings.provider} bars",
                fingerprint=feature_table.document("data_fingerprint"),
                bars=feature_table.frame("bars"),
            ),
            params=_flat(TrainingConfig.from_settings(settings).as_dict())
            | {"lookback": settings.lookback, "profile": settings.profile},
            metrics=_metrics(evaluation),
            plots=drawn | {path.name: path for path in sorted(evaluation.path.glob("*.png"))},
            files={
                "evaluation.json": evaluation.path / "evaluation.json",
                "forecasts.parquet": evaluation.path / "forecasts.parquet",
            },
            tags={RUN_TAG: dagster_run, SKILL_TAG: _skill(evaluation)},
        )


def _skill(evaluation: Stage) -> str:
    """Return the ensemble's skill against GARCH at every horizon, in a few words."""
    scores = evaluation.document("evaluation")["pooled"]["ensemble"]
    by_horizon = {int(h): found["skill_garch"] for h, found in scores.items()}
    return ", ".join(f"{LABEL_OF[h]} {100 * by_horizon[h]:+.2f} %" for h in sorted(by_horizon))


def _draw(forecast_bundle: Stage, folder: Path) -> dict[str, Path]:
    forest, lstm = (forecast_bundle.upstream(name).document("told") for name in MEMBERS)
    learnt = fold_weights(forecast_bundle.upstream("walk_forward_forecasts"))
    pictures = {
        "weights.png": plots.weights(learnt),
        "importance.png": plots.importance(forest["names"], forest["importance"]),
        "loss_curve.png": plots.loss_curve(lstm["history"]),
    }
    for name, picture in pictures.items():
        (folder / name).write_bytes(picture)
    return {name: folder / name for name in pictures}


def _metrics(evaluation: Stage) -> list[tuple[str, float | None, int]]:
    """Return name, value and step: pooled ones at step 0, and each fold's at the fold's number."""
    found = evaluation.document("evaluation")
    steps = {0: found["pooled"]} | {int(fold): scores for fold, scores in found["folds"].items()}
    return [
        (
            f"{LABEL_OF[int(horizon)]}.{model}.{name}{'' if step == 0 else '.by_fold'}",
            scores[name],
            step,
        )
        for step, by_model in steps.items()
        for model, by_horizon in by_model.items()
        for horizon, scores in by_horizon.items()
        for name in FOLD_METRICS
    ]


def _flat(nested: Mapping[str, object], prefix: str = "") -> dict[str, object]:
    flat: dict[str, object] = {}
    for name, value in nested.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{name}.")
        else:
            flat[prefix + name] = value
    return flat
