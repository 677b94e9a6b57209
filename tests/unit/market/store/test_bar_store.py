import re
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from support.market.bars import sample_bars, synthetic_bars

from core.errors import BarsError, TickerError, UnknownTickerError
from market.bars.contract import BAR_SCHEMA
from market.store import BarStore, UpsertReport

# Of AAPL and FB of the sample, computed by version 0.1, which kept a file a ticker.
FINGERPRINT = "e269be7cb4e7421bca2fe7d05e49e8659de9f67ff87996030f6572bab576096c"


def files(folder: Path) -> dict[str, bytes]:
    """Every Parquet file with its bytes; a file that is written anew gets another name."""
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.parquet"))}


def changed(bars: pl.DataFrame, session: date, close: float) -> pl.DataFrame:
    here = pl.col("session") == session
    return bars.with_columns(close=pl.when(here).then(close).otherwise("close"))


def test_the_sample_comes_back_as_it_went_in(tmp_path: Path) -> None:
    store, sample = BarStore(tmp_path / "bars"), sample_bars()

    report = store.upsert(sample)

    assert report == UpsertReport(inserted=sample.height, updated=0, unchanged=0)
    assert store.read().equals(sample)
    assert store.tickers() == ("AAPL", "FB", "GOOG", "IBM", "MSFT")


def test_some_tickers_can_be_read_in_any_order(tmp_path: Path) -> None:
    store = BarStore(tmp_path)
    store.upsert(sample_bars())

    assert store.read(["MSFT", "FB", "FB"]).equals(sample_bars("FB", "MSFT"))


def test_an_upsert_without_news_changes_nothing(tmp_path: Path) -> None:
    store, sample = BarStore(tmp_path), sample_bars("FB", "AAPL")
    store.upsert(sample)
    store.compact()
    before = files(tmp_path)

    report = store.upsert(sample.sample(fraction=1, shuffle=True, seed=1))
    store.compact()

    assert report == UpsertReport(inserted=0, updated=0, unchanged=sample.height)
    assert files(tmp_path) == before


def test_an_upsert_inserts_updates_and_keeps(tmp_path: Path) -> None:
    store = BarStore(tmp_path)
    store.upsert(sample_bars("FB", end=date(2013, 2, 28)))
    corrected = changed(sample_bars("FB", start=date(2013, 2, 27)), date(2013, 2, 28), 27.3)

    report = store.upsert(corrected)

    assert report == UpsertReport(inserted=1, updated=1, unchanged=1)
    assert store.read().equals(changed(sample_bars("FB"), date(2013, 2, 28), 27.3))


def test_a_value_that_becomes_unknown_is_an_update(tmp_path: Path) -> None:
    store, bars = BarStore(tmp_path), sample_bars("FB")
    store.upsert(bars)

    report = store.upsert(bars.with_columns(adj_close=pl.lit(None, dtype=pl.Float64)))

    assert report.updated == bars.height
    assert store.read().get_column("adj_close").null_count() == bars.height


def test_the_order_of_ingest_leaves_no_trace(tmp_path: Path) -> None:
    forth, back = BarStore(tmp_path / "forth"), BarStore(tmp_path / "back")
    early = sample_bars("AAPL", "IBM", end=date(2006, 12, 29))
    late = sample_bars("AAPL", "IBM", start=date(2006, 12, 1))

    for store, parts in ((forth, (early, late)), (back, (late, early))):
        for part in parts:
            store.upsert(part)
    back.compact()

    assert forth.fingerprint() == back.fingerprint()
    assert forth.read().equals(back.read())


def test_the_fingerprint_is_that_of_every_version_before(tmp_path: Path) -> None:
    store = BarStore(tmp_path)
    store.upsert(sample_bars("AAPL", "FB"))

    assert store.fingerprint() == FINGERPRINT


def test_the_fingerprint_does_not_depend_on_compression_or_source(tmp_path: Path) -> None:
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


def test_a_ticker_has_its_own_fingerprint(tmp_path: Path) -> None:
    store = BarStore(tmp_path)
    store.upsert(sample_bars("FB", "IBM"))
    before = store.fingerprint(["FB"])

    store.upsert(changed(sample_bars("IBM"), date(2013, 3, 1), 202.9))

    assert store.fingerprint(["FB"]) == before
    assert re.fullmatch(r"[0-9a-f]{64}", before)


def test_tickers_of_any_kind_are_kept_apart(tmp_path: Path) -> None:
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


def test_a_store_that_does_not_exist_yet_is_empty(tmp_path: Path) -> None:
    store = BarStore(tmp_path / "nothing")

    assert store.tickers() == ()
    assert store.read().schema == BAR_SCHEMA
    assert store.read().is_empty()
    assert store.fingerprint() == store.fingerprint([])
    assert store.last_sessions() == {}
    assert not store.root.exists()


def test_an_unknown_ticker_is_answered_with_near_ones(tmp_path: Path) -> None:
    store = BarStore(tmp_path)
    store.upsert(sample_bars("AAPL"))

    with pytest.raises(UnknownTickerError, match="Did you mean AAPL") as caught:
        store.read(["APPL"])

    assert caught.value.near == ("AAPL",)


def test_a_key_given_twice_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    store, bars = BarStore(tmp_path), sample_bars("FB")

    with pytest.raises(BarsError, match="FB 2012-05-18 comes more than once"):
        store.upsert(pl.concat([bars, bars.head(1)]))

    assert store.tickers() == ()


def test_a_missing_key_is_refused(tmp_path: Path) -> None:
    bars = sample_bars("FB").with_columns(session=pl.lit(None, dtype=pl.Date))

    with pytest.raises(BarsError, match="a ticker and a session in every row"):
        BarStore(tmp_path).upsert(bars)


def test_a_ticker_that_is_a_path_is_refused(tmp_path: Path) -> None:
    store = BarStore(tmp_path / "bars")

    with pytest.raises(TickerError):
        store.upsert(sample_bars("FB").with_columns(ticker=pl.lit("../escaped")))

    assert list(tmp_path.rglob("*.parquet")) == []


def test_bars_from_a_session_on_can_be_read(tmp_path: Path) -> None:
    store, sample = BarStore(tmp_path), sample_bars()
    store.upsert(sample.filter(pl.col("session") < date(2013, 2, 1)))
    store.compact()
    store.upsert(sample)
    newest = sample.filter(pl.col("session") >= date(2013, 1, 30))

    assert store.read(since=date(2013, 1, 30)).equals(newest)
    assert store.read(["IBM"], date(2013, 1, 30)).equals(newest.filter(ticker="IBM"))
    assert store.read(["IBM"], date(2013, 3, 2)).is_empty()


def test_the_last_session_of_each_ticker_is_known(tmp_path: Path) -> None:
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
