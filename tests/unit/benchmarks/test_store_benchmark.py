"""The benchmark of the bar store measures equal work on both sides."""

from pathlib import Path

import polars as pl

from benchmarks import bench_store
from market.bars.contract import BAR_SCHEMA, PRICES, validate_bars
from market.calendars.sessions import Sessions
from market.providers.sample.provider import SampleProvider


def test_benchmark_bars_repeat_the_sample() -> None:
    sessions = Sessions("XNYS")
    bars = bench_store.repeated_bars(range(6), range(3_500))

    validated = validate_bars(bars, sessions, last_session=sessions.last)
    real = SampleProvider().fetch("GOOG")
    unit = 1 + 5 / 7919
    expected = pl.concat([real, real])[37 * 5 : 37 * 5 + 3_500].select(
        (pl.col(name) * unit).round(4) for name in PRICES
    )

    assert bars.schema == BAR_SCHEMA
    assert validated.bars.equals(bars)
    assert bars.filter(ticker="T0005").select(PRICES).equals(expected)


def test_both_stores_process_the_same_bars(tmp_path: Path) -> None:
    bench_store.fill(tmp_path, 5, 40)

    for turn, workload in enumerate(bench_store.WORKLOADS):
        store, files = (
            bench_store.measure(side, tmp_path, workload, 5, 40 + turn)
            for side in bench_store.SIDES
        )
        assert store["items"] == files["items"] >= 5
    bar_store, plain_files = (make(tmp_path / side) for side, make in bench_store.SIDES.items())
    assert pl.concat(bar_store.read_in_parts()).equals(pl.concat(plain_files.read_in_parts()))
    assert bar_store.last_sessions() == plain_files.last_sessions()


def test_measurement_runs_in_its_own_process(tmp_path: Path) -> None:
    bench_store.fill(tmp_path, 2, 3)

    figure = bench_store.in_a_process("measure", "store", tmp_path, "panel, adjusted", 2, 3)

    assert figure["items"] == 6
    assert figure["peak_mb"] > 0
