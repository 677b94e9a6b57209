from pathlib import Path

import polars as pl

from benchmarks import bench_store
from market.bars.contract import BAR_SCHEMA, PRICES, validate_bars
from market.calendars.sessions import Sessions
from market.providers.sample.provider import SampleProvider


def test_its_bars_are_the_real_ones_laid_end_to_end() -> None:
    sessions = Sessions("XNYS")
    bars = bench_store.laid_end_to_end(range(6), range(3_500))

    checked = validate_bars(bars, sessions, last_session=sessions.last)
    real = SampleProvider().fetch("GOOG")
    unit = 1 + 5 / 7919
    expected = pl.concat([real, real])[37 * 5 : 37 * 5 + 3_500].select(
        (pl.col(name) * unit).round(4) for name in PRICES
    )

    assert bars.schema == BAR_SCHEMA
    assert checked.bars.equals(bars)
    assert bars.filter(ticker="T0005").select(PRICES).equals(expected)


def test_both_sides_do_the_same_work(tmp_path: Path) -> None:
    bench_store.fill(tmp_path, 5, 40)

    for turn, workload in enumerate(bench_store.WORKLOADS):
        ours, theirs = (
            bench_store.measure(side, tmp_path, workload, 5, 40 + turn)
            for side in bench_store.SIDES
        )
        assert ours["items"] == theirs["items"] >= 5
    kept, plain = (make(tmp_path / side) for side, make in bench_store.SIDES.items())
    assert pl.concat(kept.read_in_parts()).equals(pl.concat(plain.read_in_parts()))
    assert kept.last_sessions() == plain.last_sessions()


def test_a_figure_comes_from_a_process_of_its_own(tmp_path: Path) -> None:
    bench_store.fill(tmp_path, 2, 3)

    figure = bench_store.in_a_process("measure", "store", tmp_path, "panel, adjusted", 2, 3)

    assert figure["items"] == 6
    assert figure["peak_mb"] > 0
