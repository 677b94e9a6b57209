"""The store under real processes: killed in the middle of writing, and writing at once."""

import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl
import pytest
from support.programs import store_writer

from market.store import BarStore, UpsertReport
from market.store.index import reading

pytestmark = pytest.mark.slow
KILLS = 5


@contextmanager
def writer(root: Path, seed: int) -> Iterator[subprocess.Popen[bytes]]:
    """A writer that has finished its first upsert; dead at the end in any case."""
    command = [sys.executable, store_writer.__file__, str(root), str(seed)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.read(1) == b"."
            yield process
        finally:
            process.kill()


def drain(process: subprocess.Popen[bytes]) -> None:
    # A writer whose pipe is full would wait, and the kill would find it idle.
    threading.Thread(target=process.communicate, daemon=True).start()


def assert_whole(bars: pl.DataFrame) -> None:
    by_ticker = bars.group_by("ticker").agg(pl.len(), pl.col("volume").n_unique().alias("writes"))
    assert by_ticker.get_column("len").to_list() == [store_writer.N_BARS] * 2
    assert by_ticker.get_column("writes").to_list() == [1, 1]


def test_a_kill_at_any_moment_leaves_whole_tickers(tmp_path: Path) -> None:
    store, rng = BarStore(tmp_path), random.Random(3)

    for kill in range(KILLS):
        with writer(tmp_path, seed=kill * 1_000_000) as process:
            time.sleep(rng.uniform(0, 0.1))
            process.kill()
            returned = 1 + len(process.communicate()[0])
        bars = store.read()
        assert_whole(bars)
        # What returned is stored, and so may be the one that was on its way.
        writes = bars.get_column("volume").min() - kill * 1_000_000 + 1
        assert returned <= writes <= returned + 1

    # The lock died with its holder, and what it left half-written is gone after the next upsert.
    store.upsert(store_writer.uniform_bars("AAA", 1))
    named = {path.name for path in tmp_path.glob("*.parquet")}
    with reading(tmp_path / "index.sqlite") as index:
        assert named == index.files()
    assert list(tmp_path.glob(".*.tmp")) == []


def test_two_processes_and_a_reader_at_once_see_whole_tickers(tmp_path: Path) -> None:
    store = BarStore(tmp_path)
    with writer(tmp_path, seed=0) as first, writer(tmp_path, seed=1_000_000) as second:
        drain(first)
        drain(second)
        for _ in range(30):
            assert_whole(store.read())


def test_upserts_of_different_bars_at_once_lose_none(tmp_path: Path) -> None:
    store, n_parts = BarStore(tmp_path), 8
    bars = store_writer.uniform_bars("AAA", 1)
    reports: list[UpsertReport] = []
    threads = [
        threading.Thread(target=lambda k=k: reports.append(store.upsert(bars[k::n_parts])))
        for k in range(n_parts)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sum(report.inserted for report in reports) == bars.height
    assert store.read().equals(bars)
