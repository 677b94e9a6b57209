"""A candidate contains the results of the stages, without recomputation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from support.forecasting.scored_forecasts import scored_forecasts
from support.market.bars import sample_bars
from support.pipelines.stages import make_stage

from core.settings import load_settings
from forecasting.evaluation.result import MODELS, WalkForwardResult
from forecasting.evaluation.scorecard import evaluate
from forecasting.evaluation.walk_forward import EXCLUDED_SCHEMA
from forecasting.forecast_history import HISTORY_FILE
from forecasting.models.diagnostics import FeatureImportance, TrainingHistory
from forecasting.models.ensemble import EnsembleWeights
from pipelines.registration.candidate_contents import FOLD_METRICS, collect_candidate
from pipelines.settings import PipelineSettings
from pipelines.stages.store import Stage
from registry.publishing.candidates import Candidate

WALK_FORWARD = WalkForwardResult(
    forecasts=scored_forecasts(),
    weights={fold: EnsembleWeights.prior((1, 5, 21)) for fold in (1, 2, 3)},
    final_weights=EnsembleWeights.prior((1, 5, 21)),
    conformal_quantiles={h: np.linspace(-2, 2, 199) for h in (1, 5, 21)},
    excluded=pl.DataFrame(schema=EXCLUDED_SCHEMA),
)


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    """Return the stage of a bundle, with the stages that it was made from."""
    root = tmp_path_factory.mktemp("record")
    bars = sample_bars("AAPL")
    table = make_stage(
        root,
        "feature_table",
        frames={"bars": bars},
        documents={"data_fingerprint": "d" * 64},
    )
    walk = make_stage(root, "walk_forward_forecasts", save=WALK_FORWARD.save, upstream=(table,))
    evaluation = make_stage(
        root,
        "evaluation",
        frames={"forecasts": scored_forecasts()},
        documents={"evaluation": evaluate(scored_forecasts())},
        files={"calibration.png": b"a picture"},
        upstream=(walk,),
    )
    importance = FeatureImportance(["a", "b"], [0.3, 0.7])
    history = TrainingHistory([1.2, 1.1], [1.3, 1.2])
    forest = make_stage(root, "forest", save=importance.save, upstream=(evaluation,))
    lstm = make_stage(root, "lstm", save=history.save, upstream=(evaluation,))
    return make_stage(root, "forecast_bundle", upstream=(forest, lstm))


def candidate_of(stage: Stage, home: Path) -> tuple[Candidate, dict[str, bytes]]:
    """Return the candidate, and its plots, which are deleted at the end of the block."""
    with collect_candidate(
        stage, load_settings(PipelineSettings, home=home), dagster_run="run-1"
    ) as candidate:
        return candidate, {name: path.read_bytes() for name, path in candidate.plots.items()}


def test_the_candidate_has_bundle_data_evidence_and_run_id(stage: Stage, tmp_path: Path) -> None:
    candidate, _ = candidate_of(stage, tmp_path)

    assert candidate.bundle_dir == stage.path / "bundle"
    assert candidate.dataset.fingerprint == "d" * 64
    assert candidate.dataset.rows == sample_bars("AAPL").height
    assert pl.read_parquet(candidate.files["forecasts.parquet"]).equals(scored_forecasts())
    assert HISTORY_FILE in candidate.files
    assert candidate.tags["dagster/run_id"] == "run-1"
    skills = candidate.tags["stockcast.skill_garch"]
    assert [part.split()[0] for part in skills.split(", ")] == ["1d", "1w", "1m"]


def test_plots_are_deleted_after_logging(stage: Stage, tmp_path: Path) -> None:
    candidate, pictures = candidate_of(stage, tmp_path)

    assert set(pictures) == {
        "weights.png",
        "importance.png",
        "loss_curve.png",
        "calibration.png",
    }
    assert pictures["calibration.png"] == b"a picture"
    assert not candidate.plots["weights.png"].exists()


def test_parameters_are_flat_and_complete(stage: Stage, tmp_path: Path) -> None:
    params = candidate_of(stage, tmp_path)[0].params

    assert params["walk_forward.n_folds"] == 5
    assert params["lstm.units"] == 48
    assert (params["profile"], params["lookback"], params["seed"]) == ("standard", 20, 7)
    assert not any(isinstance(value, dict) for value in params.values())


def test_pooled_metrics_have_step_zero_and_fold_metrics_the_fold_number(
    stage: Stage, tmp_path: Path
) -> None:
    metrics = candidate_of(stage, tmp_path)[0].metrics
    evaluation = evaluate(scored_forecasts())
    by_name = {(name, step): value for name, value, step in metrics}

    assert len(by_name) == len(metrics) == (1 + 3) * len(MODELS) * 3 * len(FOLD_METRICS)
    pooled = evaluation["pooled"]["ensemble"]["5"]["crps"]
    assert by_name["1w.ensemble.crps", 0] == pooled
    for fold in (1, 2, 3):
        expected = evaluation["folds"][str(fold)]["garch"]["21"]["coverage_95"]
        assert by_name["1m.garch.coverage_95.by_fold", fold] == expected
