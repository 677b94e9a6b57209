"""The bar store with concurrent processes, and with writers that are killed."""

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
from market.store.index import open_for_reading

pytestmark = pytest.mark.slow
KILLS = 5


@contextmanager
def writer(root: Path, seed: int) -> Iterator[subprocess.Popen[bytes]]:
    """Start a writer, wait for its first upsert, and kill it at the end."""
    command = [sys.executable, store_writer.__file__, str(root), str(seed)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.read(1) == b"."
            yield process
        finally:
            process.kill()


def drain(process: subprocess.Popen[bytes]) -> None:
    # A writer with a full pipe blocks, so that the kill would not interrupt an upsert.
    threading.Thread(target=process.communicate, daemon=True).start()


def assert_consistent(bars: pl.DataFrame) -> None:
    by_ticker = bars.group_by("ticker").agg(pl.len(), pl.col("volume").n_unique().alias("writes"))
    assert by_ticker.get_column("len").to_list() == [store_writer.N_BARS] * 2
    assert by_ticker.get_column("writes").to_list() == [1, 1]


def test_kill_leaves_consistent_tickers(tmp_path: Path) -> None:
    store, rng = BarStore(tmp_path), random.Random(3)

    for kill in range(KILLS):
        with writer(tmp_path, seed=kill * 1_000_000) as process:
            time.sleep(rng.uniform(0, 0.1))
            process.kill()
            returned = 1 + len(process.communicate()[0])
        bars = store.read()
        assert_consistent(bars)
        # Every finished upsert is stored; the interrupted one may be stored too.
        writes = bars.get_column("volume").min() - kill * 1_000_000 + 1
        assert returned <= writes <= returned + 1

    # The lock ends with its process, and the next upsert deletes unfinished files.
    store.upsert(store_writer.uniform_bars("AAA", 1))
    existing = {path.name for path in tmp_path.glob("*.parquet")}
    with open_for_reading(tmp_path / "index.sqlite") as index:
        assert existing == index.file_names()
    assert list(tmp_path.glob(".*.tmp")) == []


def test_reader_sees_consistent_tickers_during_concurrent_writes(tmp_path: Path) -> None:
    store = BarStore(tmp_path)
    with writer(tmp_path, seed=0) as first, writer(tmp_path, seed=1_000_000) as second:
        drain(first)
        drain(second)
        for _ in range(30):
            assert_consistent(store.read())


def test_concurrent_upserts_of_different_bars_are_all_stored(tmp_path: Path) -> None:
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
