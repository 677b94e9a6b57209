"""Contents of a candidate for the registry: bundle, data, parameters, metrics and plots."""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from forecasting.evaluation.result import ENSEMBLE
from forecasting.forecast_history import HISTORY_FILE, select_history, write_history
from forecasting.horizons import LABEL_OF
from forecasting.models.training import TrainingConfig
from pipelines.reporting import plots
from pipelines.settings import PipelineSettings
from pipelines.stages.bundle import ForecastBundle
from pipelines.stages.evaluation import EvaluationScores
from pipelines.stages.feature_table import FeatureTable
from pipelines.stages.members import ForestStage, LstmStage
from pipelines.stages.store import Stage
from pipelines.stages.walk_forward import WalkForwardForecasts
from registry.names import SKILL_TAG
from registry.publishing.candidates import Candidate
from registry.publishing.dataset import TrainingData

FOLD_METRICS = ("crps", "skill_naive", "skill_garch", "coverage_80", "coverage_95", "coverage_99")
RUN_TAG = "dagster/run_id"


@contextmanager
def collect_candidate(
    forecast_bundle: Stage, settings: PipelineSettings, *, dagster_run: str
) -> Iterator[Candidate]:
    """Yield the candidate of a bundle. Its plots are deleted at the end of the block."""
    evaluation = EvaluationScores.upstream_of(forecast_bundle)
    table = FeatureTable.upstream_of(forecast_bundle)
    with tempfile.TemporaryDirectory() as folder:
        drawn = {}
        for name, picture in draw_plots(forecast_bundle).items():
            drawn[name] = Path(folder, name)
            drawn[name].write_bytes(picture)
        forecasts = WalkForwardForecasts.upstream_of(forecast_bundle).forecasts
        history = Path(folder, HISTORY_FILE)
        write_history(select_history(forecasts, ENSEMBLE), history)
        yield Candidate(
            bundle_dir=ForecastBundle(forecast_bundle).folder,
            dataset=TrainingData(
                name=f"{settings.provider} bars",
                fingerprint=table.data_fingerprint,
                bars=table.bars,
            ),
            params=_flat(TrainingConfig.from_settings(settings).as_dict())
            | {"lookback": settings.lookback, "profile": settings.profile},
            metrics=_metrics(evaluation),
            plots=drawn | evaluation.plots,
            files=evaluation.files | {HISTORY_FILE: history},
            tags={RUN_TAG: dagster_run, SKILL_TAG: _skill(evaluation)},
        )


def _skill(evaluation: EvaluationScores) -> str:
    """Return the skill of the ensemble against GARCH at every horizon as text."""
    pooled = evaluation.scores["pooled"]["ensemble"]
    skills = {int(h): scores["skill_garch"] for h, scores in pooled.items()}
    return ", ".join(
        f"{LABEL_OF[horizon]} {100 * skill:+.2f} %"
        for horizon, skill in sorted(skills.items())
        if skill is not None
    )


def draw_plots(forecast_bundle: Stage) -> dict[str, bytes]:
    """Return file name -> PNG of the weights and of the members' diagnostics."""
    walk_forward = WalkForwardForecasts.upstream_of(forecast_bundle).result
    forest = ForestStage.upstream_of(forecast_bundle)
    lstm = LstmStage.upstream_of(forecast_bundle)
    return {
        "weights.png": plots.weights(walk_forward.scale_weights()),
        "importance.png": plots.importance(forest.importance),
        "loss_curve.png": plots.loss_curve(lstm.history),
    }


def _metrics(evaluation: EvaluationScores) -> list[tuple[str, float | None, int]]:
    """Return name, value and step: pooled metrics at step 0, those of a fold at its number."""
    scores = evaluation.scores
    steps = {0: scores["pooled"]} | {int(fold): by for fold, by in scores["folds"].items()}
    return [
        (
            f"{LABEL_OF[int(horizon)]}.{model}.{name}{'' if step == 0 else '.by_fold'}",
            metrics[name],
            step,
        )
        for step, by_model in steps.items()
        for model, by_horizon in by_model.items()
        for horizon, metrics in by_horizon.items()
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
