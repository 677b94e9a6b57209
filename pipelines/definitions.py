"""The Dagster definitions: every asset, check, job, schedule, sensor and resource."""

from collections.abc import Mapping

import dagster as dg

from core.settings import load_settings
from pipelines import checks, jobs, sensors
from pipelines.assets import (
    evaluation,
    features,
    market_data,
    members,
    monitoring,
    registration,
    report,
    snapshot,
    training,
)
from pipelines.resources import build_resources
from pipelines.schedules import build_schedules
from pipelines.settings import PipelineSettings


def build_defs(
    settings: PipelineSettings | None = None,
    *,
    loggers: Mapping[str, dg.LoggerDefinition] | None = None,
    resources: Mapping[str, object] | None = None,
) -> dg.Definitions:
    """Return the definitions for `settings`. `resources` replace default resources by name."""
    settings = settings or load_settings(PipelineSettings)
    all_resources = {**build_resources(settings), **(resources or {})}
    modules = [features, snapshot, training, evaluation, members, registration, monitoring, report]
    return dg.Definitions(
        assets=[
            market_data.build_daily_bars(settings),
            *dg.load_assets_from_modules(modules),
        ],
        asset_checks=dg.load_asset_checks_from_modules([checks]),
        jobs=[jobs.everything_job, jobs.daily_job, jobs.training_job, jobs.ingest_job],
        schedules=build_schedules(settings, all_resources["clock"]),
        sensors=[sensors.drift_sensor, sensors.universe_sensor, sensors.catch_up_sensor],
        resources=all_resources,
        # Steps share imports and memory. One process per step would import TensorFlow repeatedly.
        executor=dg.in_process_executor,
        loggers=loggers,
    )


@dg.definitions
def defs() -> dg.Definitions:
    """Return the definitions that Dagster loads."""
    return build_defs()
