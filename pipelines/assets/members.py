"""The two members of the bundle: fitted on everything known by now, and exported to ONNX."""

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import dagster as dg

from forecasting.export.fusion import export_forest, export_lstm
from forecasting.export.parity import save_native
from forecasting.models.base import Member, Rows
from forecasting.models.forest import ForestModel
from forecasting.models.lstm import LstmModel
from forecasting.models.training import TrainingConfig, final_rows
from forecasting.samples.panel import Panel
from forecasting.samples.scaling import Scaler
from forecasting.settings import TrainingSettings
from pipelines.assets.training import POOL
from pipelines.failures import classed_failures
from pipelines.reporting import plots
from pipelines.stages.contents import load_panel, shared_scaler
from pipelines.stages.store import Stage, StageStore

Fit = Callable[[Panel, Rows, Scaler], tuple[Member, bytes, dict[str, object]]]


@dg.asset(
    group_name="training",
    kinds={"scikitlearn", "onnx"},
    owners=["team:forecasting"],
    pool=POOL,
)
def forest(
    evaluation: Stage,
    settings: dg.ResourceParam[TrainingSettings],
    stages: dg.ResourceParam[StageStore],
) -> dg.MaterializeResult[Stage]:
    """The Random Forest, fitted on everything known by now, exported to ONNX."""
    config = TrainingConfig.from_settings(settings)

    def fit(panel: Panel, rows: Rows, scaler: Scaler) -> tuple[Member, bytes, dict[str, object]]:
        model = ForestModel(config.forest, seed=config.seed, scaler=scaler).fit(panel, rows)
        importance = model.importance(panel.feature_names)
        told: dict[str, object] = {"names": importance.names, "importance": importance.values}
        return model, export_forest(model), told

    stage = _make_member("forest", fit, evaluation, settings, stages)
    told = stage.document("told")
    picture = plots.importance(told["names"], told["importance"])
    return _materialised(
        stage,
        {
            "trees": config.forest.trees,
            "importance": plots.inline(picture, "Feature importance"),
        },
    )


@dg.asset(
    group_name="training",
    kinds={"tensorflow", "onnx"},
    owners=["team:forecasting"],
    pool=POOL,
)
def lstm(
    evaluation: Stage,
    settings: dg.ResourceParam[TrainingSettings],
    stages: dg.ResourceParam[StageStore],
) -> dg.MaterializeResult[Stage]:
    """The LSTM, fitted on everything known by now, exported to ONNX."""
    config = TrainingConfig.from_settings(settings)

    def fit(panel: Panel, rows: Rows, scaler: Scaler) -> tuple[Member, bytes, dict[str, object]]:
        model = LstmModel(config.lstm, seed=config.seed, scaler=scaler).fit(panel, rows)
        return model, export_lstm(model), {"history": asdict(model.history)}

    stage = _make_member("lstm", fit, evaluation, settings, stages)
    history = stage.document("told")["history"]
    return _materialised(
        stage,
        {
            "units": config.lstm.units,
            "epochs": len(history["loss"]),
            "loss_curve": plots.inline(plots.loss_curve(history), "Loss of the LSTM"),
        },
    )


def _make_member(
    name: str, fit: Fit, evaluation: Stage, settings: TrainingSettings, stages: StageStore
) -> Stage:
    """Fit a member on the very table that was evaluated, and keep its export and its forecasts."""

    def build(folder: Path) -> None:
        panel = load_panel(evaluation.upstream("feature_table"))
        member, exported, told = fit(panel, final_rows(panel), shared_scaler(panel))
        (folder / "model.onnx").write_bytes(exported)
        save_native(folder, member, panel)
        (folder / "told.json").write_text(json.dumps(told))

    ingredients = {"config": TrainingConfig.from_settings(settings).as_dict()}
    with classed_failures():
        return stages.make(name, ingredients, build, upstream=[evaluation])


def _materialised(stage: Stage, metadata: dict[str, Any]) -> dg.MaterializeResult[Stage]:
    size = (stage.path / "model.onnx").stat().st_size
    return dg.MaterializeResult(
        value=stage, data_version=stage.data_version, metadata={"onnx_bytes": size, **metadata}
    )
