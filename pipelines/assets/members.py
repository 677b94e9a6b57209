"""Assets of the two ensemble members, fitted on all samples with known targets."""

from functools import partial
from typing import Any

import dagster as dg

from forecasting.models.training import TrainingConfig
from forecasting.settings import TrainingSettings
from pipelines.assets.training import POOL
from pipelines.failures import classed_failures
from pipelines.reporting import plots
from pipelines.stages.members import (
    ForestStage,
    LstmStage,
    MemberStage,
    build_forest,
    build_lstm,
)
from pipelines.stages.store import Stage, StageStore


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
    """The Random Forest, fitted on all samples with known targets and exported to ONNX."""
    config = TrainingConfig.from_settings(settings)
    with classed_failures():
        build = partial(build_forest, evaluation=evaluation, config=config)
        ingredients = {"config": config.as_dict()}
        stage = stages.make(ForestStage.NAME, ingredients, build, upstream=[evaluation])
    member = ForestStage(stage)
    picture = plots.importance(member.importance)
    return _materialised(
        member,
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
    """The LSTM, fitted on all samples with known targets and exported to ONNX."""
    config = TrainingConfig.from_settings(settings)
    with classed_failures():
        build = partial(build_lstm, evaluation=evaluation, config=config)
        ingredients = {"config": config.as_dict()}
        stage = stages.make(LstmStage.NAME, ingredients, build, upstream=[evaluation])
    member = LstmStage(stage)
    history = member.history
    return _materialised(
        member,
        {
            "units": config.lstm.units,
            "epochs": len(history.loss),
            "loss_curve": plots.inline(plots.loss_curve(history), "Loss of the LSTM"),
        },
    )


def _materialised(member: MemberStage, metadata: dict[str, Any]) -> dg.MaterializeResult[Stage]:
    stage = member.stage
    return dg.MaterializeResult(
        value=stage,
        data_version=stage.data_version,
        metadata={"onnx_bytes": len(member.exported.graph), **metadata},
    )
