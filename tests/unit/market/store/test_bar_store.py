"""The public interface of `BarStore`: upserts, reads and fingerprints."""

import re
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from support.market.bars import sample_bars, synthetic_bars

from core.errors import BarsError, TickerError, UnknownTickerError
from market.bars.contract import BAR_SCHEMA
from market.store import BarStore, UpsertReport

# Fingerprint of AAPL and FB of the sample in version 0.1, which had one file per ticker.
FINGERPRINT = "e269be7cb4e7421bca2fe7d05e49e8659de9f67ff87996030f6572bab576096c"


def files(folder: Path) -> dict[str, bytes]:
    """Return the bytes of every Parquet file by name; a rewritten file has a new name."""
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.parquet"))}


def changed(bars: pl.DataFrame, session: date, close: float) -> pl.DataFrame:
    is_changed = pl.col("session") == session
    return bars.with_columns(close=pl.when(is_changed).then(close).otherwise("close"))


def test_sample_round_trip(tmp_path: Path) -> None:
    store, sample = BarStore(tmp_path / "bars"), sample_bars()

    report = store.upsert(sample)

    assert report == UpsertReport(inserted=sample.height, updated=0, unchanged=0)
    assert store.read().equals(sample)
    assert store.tickers() == ("AAPL", "FB", "GOOG", "IBM", "MSFT")


def test_read_some_tickers_in_any_order(tmp_path: Path) -> None:
    store = BarStore(tmp_path)
    store.upsert(sample_bars())

    assert store.read(["MSFT", "FB", "FB"]).equals(sample_bars("FB", "MSFT"))


def test_upsert_of_stored_bars_changes_nothing(tmp_path: Path) -> None:
    store, sample = BarStore(tmp_path), sample_bars("FB", "AAPL")
    store.upsert(sample)
    store.compact()
    before = files(tmp_path)

    report = store.upsert(sample.sample(fraction=1, shuffle=True, seed=1))
    store.compact()

    assert report == UpsertReport(inserted=0, updated=0, unchanged=sample.height)
    assert files(tmp_path) == before


def test_upsert_inserts_updates_and_keeps(tmp_path: Path) -> None:
    store = BarStore(tmp_path)
    store.upsert(sample_bars("FB", end=date(2013, 2, 28)))
    corrected = changed(sample_bars("FB", start=date(2013, 2, 27)), date(2013, 2, 28), 27.3)

    report = store.upsert(corrected)

    assert report == UpsertReport(inserted=1, updated=1, unchanged=1)
    assert store.read().equals(changed(sample_bars("FB"), date(2013, 2, 28), 27.3))


def test_value_that_becomes_null_is_an_update(tmp_path: Path) -> None:
    store, bars = BarStore(tmp_path), sample_bars("FB")
    store.upsert(bars)

    report = store.upsert(bars.with_columns(adj_close=pl.lit(None, dtype=pl.Float64)))

    assert report.updated == bars.height
    assert store.read().get_column("adj_close").null_count() == bars.height


def test_order_of_ingest_does_not_matter(tmp_path: Path) -> None:
    forward, backward = BarStore(tmp_path / "forward"), BarStore(tmp_path / "backward")
    early = sample_bars("AAPL", "IBM", end=date(2006, 12, 29))
    late = sample_bars("AAPL", "IBM", start=date(2006, 12, 1))

    for store, parts in ((forward, (early, late)), (backward, (late, early))):
        for part in parts:
            store.upsert(part)
    backward.compact()

    assert forward.fingerprint() == backward.fingerprint()
    assert forward.read().equals(backward.read())


def test_fingerprint_equals_that_of_version_0_1(tmp_path: Path) -> None:
    store = BarStore(tmp_path)
    store.upsert(sample_bars("AAPL", "FB"))

    assert store.fingerprint() == FINGERPRINT


def test_fingerprint_does_not_depend_on_compression_or_source(tmp_path: Path) -> None:
    first, second = BarStore(tmp_path / "1"), BarStore(tmp_path / "2")
    first.upsert(sample_bars("FB"))
    second.upsert(sample_bars("FB").with_columns(source=pl.lit("elsewhere")))
    second.compact()
    (path,) = second.root.glob("*.parquet")
    pl.read_parquet(path).write_parquet(path, compression="uncompressed", row_group_size=50)

    assert first.fingerprint() == second.fingerprint()


@pytest.mark.parametrize(
    "change",
    [
        pl.col("close").replace(27.78, 27.780000000000001 + 4e-15),
        pl.col("volume") + 1,
        pl.col("dividend").fill_null(0.0),
        pl.col("session").dt.offset_by("1d"),
    ],
)
def test_any_change_of_content_changes_the_fingerprint(tmp_path: Path, change: pl.Expr) -> None:
    first, second = BarStore(tmp_path / "1"), BarStore(tmp_path / "2")
    first.upsert(sample_bars("FB"))
    second.upsert(sample_bars("FB").with_columns(change))

    assert first.fingerprint() != second.fingerprint()


def test_fingerprint_of_one_ticker_does_not_depend_on_others(tmp_path: Path) -> None:
    store = BarStore(tmp_path)
    store.upsert(sample_bars("FB", "IBM"))
    before = store.fingerprint(["FB"])

    store.upsert(changed(sample_bars("IBM"), date(2013, 3, 1), 202.9))

    assert store.fingerprint(["FB"]) == before
    assert re.fullmatch(r"[0-9a-f]{64}", before)


def test_tickers_with_special_characters(tmp_path: Path) -> None:
    store = BarStore(tmp_path)
    names = ("005930.KS", "BF-B", "BRK.B", "BRKB", "EURUSD=X", "M&M.NS", "^GSPC")
    bars = synthetic_bars(names, n_sessions=3)

    for _ in range(2):
        for name in names:
            store.upsert(bars.filter(pl.col("ticker") == name))
        assert store.tickers() == tuple(sorted(names))
        assert store.read().equals(bars.sort("ticker", "session"))
        assert all(store.read([name]).equals(bars.filter(ticker=name)) for name in names)
        store.compact()


def test_store_without_folder_is_empty(tmp_path: Path) -> None:
    store = BarStore(tmp_path / "nothing")

    assert store.tickers() == ()
    assert store.read().schema == BAR_SCHEMA
    assert store.read().is_empty()
    assert store.fingerprint() == store.fingerprint([])
    assert store.last_sessions() == {}
    assert not store.root.exists()


def test_unknown_ticker_raises_with_similar_names(tmp_path: Path) -> None:
    store = BarStore(tmp_path)
    store.upsert(sample_bars("AAPL"))

    with pytest.raises(UnknownTickerError, match="Did you mean AAPL") as caught:
        store.read(["APPL"])

    assert caught.value.similar == ("AAPL",)


def test_repeated_key_raises_before_anything_is_written(tmp_path: Path) -> None:
    store, bars = BarStore(tmp_path), sample_bars("FB")

    with pytest.raises(BarsError, match="FB 2012-05-18 is repeated"):
        store.upsert(pl.concat([bars, bars.head(1)]))

    assert store.tickers() == ()


def test_missing_key_raises(tmp_path: Path) -> None:
    bars = sample_bars("FB").with_columns(session=pl.lit(None, dtype=pl.Date))

    with pytest.raises(BarsError, match="a ticker and a session in every row"):
        BarStore(tmp_path).upsert(bars)


def test_ticker_with_a_path_raises(tmp_path: Path) -> None:
    store = BarStore(tmp_path / "bars")

    with pytest.raises(TickerError):
        store.upsert(sample_bars("FB").with_columns(ticker=pl.lit("../escaped")))

    assert list(tmp_path.rglob("*.parquet")) == []


def test_read_since_a_session(tmp_path: Path) -> None:
    store, sample = BarStore(tmp_path), sample_bars()
    store.upsert(sample.filter(pl.col("session") < date(2013, 2, 1)))
    store.compact()
    store.upsert(sample)
    newest = sample.filter(pl.col("session") >= date(2013, 1, 30))

    assert store.read(since=date(2013, 1, 30)).equals(newest)
    assert store.read(["IBM"], date(2013, 1, 30)).equals(newest.filter(ticker="IBM"))
    assert store.read(["IBM"], date(2013, 3, 2)).is_empty()


def test_last_sessions(tmp_path: Path) -> None:
    store = BarStore(tmp_path)
    store.upsert(sample_bars("FB", "AAPL", end=date(2012, 12, 31)))
    store.compact()
    store.upsert(sample_bars("AAPL"))
    store.upsert(sample_bars("IBM", end=date(2001, 1, 3)))
    store.upsert(changed(sample_bars("FB", end=date(2012, 6, 1)), date(2012, 6, 1), 27.0))

    expected = {"AAPL": date(2013, 3, 1), "FB": date(2012, 12, 31), "IBM": date(2001, 1, 3)}
    assert store.last_sessions() == expected
    assert list(store.last_sessions()) == sorted(expected)
    assert store.last_sessions(["IBM", "NEW"]) == {"IBM": expected["IBM"]}
