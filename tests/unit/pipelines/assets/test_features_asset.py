"""The feature table contains the tickers with usable bars and names the others."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
from support.market.bars import sample_bars

from market.bars.quarantine import Quarantine
from market.store import BarStore
from pipelines.assets.features import feature_table
from pipelines.settings import PipelineSettings
from pipelines.stages.feature_table import FeatureTable
from pipelines.stages.store import StageStore


def materialise(
    home: Path, *followed: str, lookback: int = 20, real_moves: tuple[str, ...] = ()
) -> dg.ExecuteInProcessResult:
    store, stages = BarStore(home / "bars"), StageStore(home / "stages")
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("tickers", followed)
        return dg.materialize(
            [feature_table],
            instance=instance,
            raise_on_error=False,
            resources={
                "settings": PipelineSettings(home=home, lookback=lookback, real_moves=real_moves),
                "bar_store": store,
                "quarantine": Quarantine(home / "quarantine"),
                "stages": stages,
                "io_manager": stages,
            },
        )


def test_a_new_ticker_without_bars_does_not_affect_others(tmp_path: Path) -> None:
    BarStore(tmp_path / "bars").upsert(sample_bars("FB", "IBM"))

    result = materialise(tmp_path, "FB", "IBM", "NEW")

    assert result.success
    table: pl.DataFrame = result.output_for_node("feature_table").frame("features")
    assert table["ticker"].unique().sort().to_list() == ["FB", "IBM"]


def test_a_ticker_that_is_no_longer_followed_is_left_out(tmp_path: Path) -> None:
    BarStore(tmp_path / "bars").upsert(sample_bars("FB", "IBM"))

    table = materialise(tmp_path, "FB").output_for_node("feature_table").frame("features")

    assert table["ticker"].unique().to_list() == ["FB"]


def test_another_lookback_makes_another_stage(tmp_path: Path) -> None:
    """Regression: folds and members of the old lookback were reused for the new one."""
    BarStore(tmp_path / "bars").upsert(sample_bars("FB", "IBM"))

    made = [
        materialise(tmp_path, "FB", "IBM", lookback=n).output_for_node("feature_table")
        for n in (20, 30, 20)
    ]

    assert made[0].key == made[2].key != made[1].key
    assert [FeatureTable(stage).lookback for stage in made] == [20, 30, 20]


def in_pence(ticker: str, *, last: int) -> pl.DataFrame:
    """Return real bars of which the last ones are in another unit."""
    bars = sample_bars(ticker)
    late = pl.int_range(pl.len()) >= bars.height - last
    prices = ("open", "high", "low", "close", "adj_close")
    return bars.with_columns(
        pl.when(late).then(pl.col(name) * 100).otherwise(pl.col(name)) for name in prices
    )


def test_a_ticker_with_a_level_change_is_left_out_until_it_is_corrected(tmp_path: Path) -> None:
    store = BarStore(tmp_path / "bars")
    store.upsert(pl.concat([sample_bars("FB"), in_pence("IBM", last=50)]))

    stage = materialise(tmp_path, "FB", "IBM").output_for_node("feature_table")

    assert stage.frame("features")["ticker"].unique().to_list() == ["FB"]
    assert stage.document("left_out") == {
        "IBM": "its level changed about a hundredfold on 2012-12-18 (close 19569 after 193.62, "
        "split unknown); correct the bars, or record the split."
    }

    store.upsert(sample_bars("IBM"))
    corrected = materialise(tmp_path, "FB", "IBM").output_for_node("feature_table")
    assert corrected.frame("features")["ticker"].unique().sort().to_list() == ["FB", "IBM"]
    assert corrected.document("left_out") == {}


def test_ticker_with_an_unlisted_split_is_left_out_until_the_move_is_confirmed(
    tmp_path: Path,
) -> None:
    """Regression: a split of 4:1 in files without splits was trained on as a fall by 75 %."""
    bars = sample_bars("IBM").with_columns(
        adj_close=pl.lit(None, pl.Float64), split_factor=pl.lit(None, pl.Float64)
    )
    is_late = pl.col("session") >= date(2012, 12, 18)
    prices = ("open", "high", "low", "close")
    split = [pl.when(is_late).then(pl.col(name) / 4).otherwise(name) for name in prices]
    volume = pl.when(is_late).then(pl.col("volume") * 4).otherwise("volume")
    BarStore(tmp_path / "bars").upsert(
        pl.concat([sample_bars("FB"), bars.with_columns(*split, volume.alias("volume"))])
    )

    stage = materialise(tmp_path, "FB", "IBM").output_for_node("feature_table")
    move = ("IBM:2012-12-18",)
    confirmed = materialise(tmp_path, "FB", "IBM", real_moves=move)

    assert stage.frame("features")["ticker"].unique().to_list() == ["FB"]
    reason = stage.document("left_out")["IBM"]
    assert "on 2012-12-18 like a split of 4:1" in reason
    assert f"add {move[0]} to STOCKCAST_REAL_MOVES" in reason
    assert confirmed.output_for_node("feature_table").document("left_out") == {}


def test_a_run_without_usable_tickers_fails_with_the_reasons(tmp_path: Path) -> None:
    BarStore(tmp_path / "bars").upsert(in_pence("IBM", last=50))

    (event,) = materialise(tmp_path, "IBM").get_step_failure_events()

    failure = event.step_failure_data.user_failure_data
    assert failure is not None
    assert "IBM: its level changed about a hundredfold" in str(failure.description)


@pytest.mark.parametrize("followed", [(), ("NEW",)])
def test_a_run_without_bars_fails_with_instructions(
    tmp_path: Path, followed: tuple[str, ...]
) -> None:
    result = materialise(tmp_path, *followed)

    (event,) = result.get_step_failure_events()
    failure = event.step_failure_data.user_failure_data
    assert failure is not None
    assert "materialise `daily_bars` first" in str(failure.description)


def test_bars_before_a_long_hole_make_no_feature_and_are_named(tmp_path: Path) -> None:
    """Regression: the history of a reused symbol was trained across a hole of decades."""
    start = date(2009, 1, 2)
    old = sample_bars("MSFT", end=date(2001, 6, 29))
    BarStore(tmp_path / "bars").upsert(pl.concat([old, sample_bars("MSFT", start=start)]))

    table = FeatureTable(materialise(tmp_path, "MSFT").output_for_node("feature_table"))

    assert table.bars["session"].min() == start
    assert table.shortened["MSFT"].startswith("its bars up to 2001-06-29 are not used")
    assert table.left_out == {}
