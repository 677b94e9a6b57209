"""The asset graph, its checks, jobs and sensors, and the metadata of every asset."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest

from core.settings import load_settings
from pipelines.definitions import build_defs
from pipelines.resources import build_resources
from pipelines.settings import PipelineSettings

# The direct upstream assets of each asset.
DEPENDENCIES = {
    "daily_bars": set(),
    "feature_table": {"daily_bars"},
    "feature_snapshot": {"feature_table"},
    "drift_report": {"feature_table"},
    "walk_forward_forecasts": {"feature_table"},
    "evaluation": {"walk_forward_forecasts"},
    "forest": {"evaluation"},
    "lstm": {"evaluation"},
    "forecast_bundle": {"forest", "lstm"},
    "registered_version": {"forecast_bundle"},
    "promotion": {"registered_version"},
    "report_page": {
        "registered_version",
        "promotion",
        "feature_table",
        "feature_snapshot",
    },
}
GROUPS = {
    "market_data": {"daily_bars"},
    "features": {"feature_table", "feature_snapshot"},
    "training": {"walk_forward_forecasts", "evaluation", "forest", "lstm"},
    "registration": {"forecast_bundle", "registered_version", "promotion", "report_page"},
    "monitoring": {"drift_report"},
}
CHECKS = {
    ("daily_bars", "few_refused_rows"): True,
    ("daily_bars", "every_ticker_answered"): False,
    ("daily_bars", "quality"): False,
    ("daily_bars", "staleness"): False,
    ("daily_bars", "level_changes"): False,
    ("daily_bars", "unlisted_splits"): False,
    ("daily_bars", "missing_sessions"): False,
    ("daily_bars", "stuck_prices"): False,
    ("daily_bars", "outliers"): False,
    ("daily_bars", "zero_volume"): False,
    ("feature_table", "no_leak"): True,
    ("evaluation", "coverage"): False,
    ("forecast_bundle", "parity"): True,
}


SENSORS = {"drift_sensor", "universe_sensor", "catch_up_sensor"}


@pytest.fixture(scope="module")
def definitions(tmp_path_factory: pytest.TempPathFactory) -> dg.Definitions:
    return build_defs(load_settings(PipelineSettings, home=tmp_path_factory.mktemp("definitions")))


@pytest.fixture(scope="module")
def specs(definitions: dg.Definitions) -> dict[str, dg.AssetSpec]:
    return {spec.key.to_user_string(): spec for spec in definitions.resolve_all_asset_specs()}


def selected(definitions: dg.Definitions, job: str) -> set[str]:
    graph = definitions.resolve_job_def(job).asset_layer
    return {key.to_user_string() for key in graph.executable_asset_keys}


def test_loading_the_definitions_writes_nothing(tmp_path: Path) -> None:
    home = tmp_path / "home"

    dg.Definitions.validate_loadable(build_defs(load_settings(PipelineSettings, home=home)))

    assert not home.exists()


def test_the_dependencies_of_every_asset(specs: dict[str, dg.AssetSpec]) -> None:
    found = {
        name: {dep.asset_key.to_user_string() for dep in spec.deps} for name, spec in specs.items()
    }
    assert found == DEPENDENCIES


def test_every_asset_has_group_kinds_owner_and_description(specs: dict[str, dg.AssetSpec]) -> None:
    found: dict[str, set[str]] = {}
    for name, spec in specs.items():
        found.setdefault(spec.group_name or "", set()).add(name)
        assert spec.kinds, name
        assert all(owner.startswith("team:") for owner in spec.owners), name
        assert spec.owners, name
        assert (spec.description or "").endswith("."), name
    assert found == GROUPS


def test_checks_that_promotion_depends_on_are_blocking(definitions: dg.Definitions) -> None:
    bars = definitions.resolve_assets_def("daily_bars")
    found = {
        (spec.asset_key.to_user_string(), spec.name): spec.blocking
        for node in (*(definitions.asset_checks or ()), bars)
        for spec in node.check_specs
    }
    assert found == CHECKS


def test_bars_have_one_partition_per_ticker_and_one_run_for_all(
    definitions: dg.Definitions,
) -> None:
    bars = definitions.resolve_assets_def("daily_bars")

    assert isinstance(bars.partitions_def, dg.DynamicPartitionsDefinition)
    assert bars.backfill_policy == dg.BackfillPolicy.single_run()


@pytest.mark.parametrize(
    ("job", "left_out"),
    [
        ("everything_job", set()),
        ("training_job", {"daily_bars"}),
        ("ingest_job", DEPENDENCIES.keys() - {"daily_bars"}),
        (
            "daily_job",
            DEPENDENCIES.keys()
            - {"daily_bars", "feature_table", "feature_snapshot", "drift_report"},
        ),
    ],
)
def test_the_assets_of_every_job(definitions: dg.Definitions, job: str, left_out: set[str]) -> None:
    assert selected(definitions, job) == DEPENDENCIES.keys() - left_out


def test_sensors_and_schedules_are_stopped_by_default(definitions: dg.Definitions) -> None:
    assert {sensor.name for sensor in definitions.sensors or ()} == SENSORS
    for sensor in definitions.sensors or ():
        assert sensor.default_status == dg.DefaultSensorStatus.STOPPED
    for schedule in definitions.schedules or ():
        assert schedule.default_status == dg.DefaultScheduleStatus.STOPPED


def test_given_resources_replace_the_default_ones(tmp_path: Path) -> None:
    settings = load_settings(PipelineSettings, home=tmp_path)
    replacement = object()

    resources = build_defs(settings, resources={"provider": replacement}).resources or {}

    assert resources["provider"] is replacement
    assert resources.keys() == build_resources(settings).keys()
