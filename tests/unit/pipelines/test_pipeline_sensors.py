"""The drift sensor and the universe sensor."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import dagster as dg
import pytest

from core.settings import load_settings
from market.providers.sample.provider import SampleProvider
from pipelines.partitions import RANGE_END, RANGE_START, follow_universe
from pipelines.sensors import drift_sensor, universe_sensor
from pipelines.settings import PipelineSettings


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def report_drift(instance: dg.DagsterInstance, share: float, data: str) -> None:
    metadata = {"drift_share": share, "data_fingerprint": data}
    instance.report_runless_asset_event(dg.AssetMaterialization("drift_report", metadata=metadata))


def evaluate_drift(instance: dg.DagsterInstance) -> list[dg.RunRequest | dg.SkipReason]:
    context = dg.build_sensor_context(
        instance=instance,
        repository_def=dg.Definitions(sensors=[]).get_repository_def(),
        resources={"settings": load_settings(PipelineSettings, drift_share=0.5)},
    )
    data = drift_sensor.evaluate_tick(context)
    return [*data.run_requests] or [data.skip_message]


def follow(
    instance: dg.DagsterInstance, wanted: Sequence[str] = ()
) -> dg.SensorResult | dg.SkipReason:
    context = dg.build_sensor_context(
        instance=instance,
        resources={
            "settings": load_settings(PipelineSettings, tickers=",".join(wanted) or None),
            "provider": SampleProvider(),
        },
    )
    return universe_sensor(context)  # type: ignore[return-value]


def test_little_drift_starts_no_retraining(instance: dg.DagsterInstance) -> None:
    report_drift(instance, 0.24, "d1")

    (skipped,) = evaluate_drift(instance)

    assert skipped == "24% of the features drifted, retraining starts at 50%."


def test_much_drift_starts_one_retraining_for_each_state_of_the_data(
    instance: dg.DagsterInstance,
) -> None:
    keys = []
    for data in ("d1", "d1", "d2"):
        report_drift(instance, 0.5, data)
        (request,) = evaluate_drift(instance)
        keys.append(request.run_key)

    # Dagster ignores a repeated run key, so there is one training for d1.
    assert keys == ["drift-d1", "drift-d1", "drift-d2"]
    assert request.tags["stockcast/reason"] == "drift 50%"


def test_new_tickers_are_added_and_ingested_in_one_run_and_removed_ones_are_deleted(
    instance: dg.DagsterInstance,
) -> None:
    follow_universe(instance, ("AAPL", "IBM"))

    result = follow(instance, ("AAPL", "GOOG", "MSFT"))

    (request,) = result.run_requests
    assert request.tags == {RANGE_START: "GOOG", RANGE_END: "MSFT"}
    added, removed = result.dynamic_partitions_requests
    assert (added.partition_keys, removed.partition_keys) == (["GOOG", "MSFT"], ["IBM"])


def test_the_first_evaluation_follows_all_tickers_of_the_provider(
    instance: dg.DagsterInstance,
) -> None:
    result = follow(instance)

    (added,) = result.dynamic_partitions_requests
    assert added.partition_keys == list(SampleProvider().tickers())


def test_an_unchanged_universe_starts_no_run(instance: dg.DagsterInstance) -> None:
    follow_universe(instance, ("AAPL", "IBM"))

    skipped = follow(instance, ("AAPL", "IBM"))

    assert skipped.skip_message == "No change: 2 tickers are followed."


def test_removed_tickers_start_no_run(instance: dg.DagsterInstance) -> None:
    follow_universe(instance, ("AAPL", "IBM"))

    assert follow(instance, ("AAPL",)).run_requests == []


@pytest.mark.parametrize("content", [None, "", "# nobody\n", "../x\n"])
def test_an_unusable_universe_file_removes_no_ticker(
    instance: dg.DagsterInstance, tmp_path: Path, content: str | None
) -> None:
    file = tmp_path / "universe.txt"
    if content is not None:
        file.write_text(content)
    follow_universe(instance, ("AAPL", "IBM"))
    context = dg.build_sensor_context(
        instance=instance,
        resources={
            "settings": load_settings(PipelineSettings, universe=file),
            "provider": SampleProvider(),
        },
    )

    skipped = universe_sensor(context)

    assert "The followed tickers are unchanged. STOCKCAST_UNIVERSE" in skipped.skip_message
