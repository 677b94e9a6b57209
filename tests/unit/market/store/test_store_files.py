"""Files of a bar store: journal, compaction, damage, recovery and files of earlier versions."""

from datetime import date
from pathlib import Path

import polars as pl
import pytest
from support.market.bars import sample_bars, synthetic_bars

from core.errors import BarsError, UnknownTickerError
from core.tickers import ticker_file_name
from market.store import BarStore, UpsertReport, bar_store
from market.store import files as store_files
from market.store import writer as store_writer
from market.store.files import write_files

EARLY, LATE = date(2012, 12, 31), date(2013, 2, 28)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*.parquet"))


def write_legacy_files(folder: Path, bars: pl.DataFrame) -> None:
    folder.mkdir(exist_ok=True)
    for (ticker,), part in bars.partition_by("ticker", as_dict=True).items():
        part.write_parquet(folder / ticker_file_name(str(ticker)))


@pytest.fixture
def small_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_files, "BARS_PER_FILE", 1_000)
    monkeypatch.setattr(store_writer, "MAX_BARS_TO_JOURNAL", 2_000)


def test_upsert_of_one_session_writes_no_file(tmp_path: Path) -> None:
    store = BarStore(tmp_path)
    store.upsert(sample_bars(end=LATE))
    store.compact()
    before = names(tmp_path)

    store.upsert(sample_bars())
    store.compact()

    assert len(before) == 1
    assert names(tmp_path) == before
    assert store.read().equals(sample_bars())


def test_file_is_rewritten_when_enough_bars_are_new(tmp_path: Path) -> None:
    store = BarStore(tmp_path)
    store.upsert(sample_bars(end=EARLY))
    store.compact()
    before = names(tmp_path)

    store.upsert(sample_bars())
    store.compact()

    assert len(names(tmp_path)) == 1
    assert names(tmp_path) != before
    assert store.read().equals(sample_bars())


@pytest.mark.usefixtures("small_files")
def test_only_files_with_new_bars_are_rewritten(
    tmp_path: Path,
) -> None:
    store = BarStore(tmp_path)
    tickers = [f"T{n:02d}" for n in range(40)]
    bars = synthetic_bars(tickers, n_sessions=100)
    store.upsert(bars)
    before = names(tmp_path)
    sizes = [pl.read_parquet(tmp_path / name).height for name in before]
    restated = bars.filter(ticker="T07").with_columns(pl.col("open", "close", "high", "low") / 2)

    report = store.upsert(restated)
    store.compact()

    assert sizes == [1_000] * 4
    assert report == UpsertReport(inserted=0, updated=100, unchanged=0)
    assert names(tmp_path)[:3] == before[1:]
    assert store.read(["T07", "T08"]).equals(pl.concat([restated, bars.filter(ticker="T08")]))


@pytest.mark.usefixtures("small_files")
def test_files_are_sorted_for_any_order_of_ingest(tmp_path: Path) -> None:
    store = BarStore(tmp_path)
    bars = synthetic_bars([f"T{n:02d}" for n in range(30)], n_sessions=100)
    parts = bars.partition_by("ticker")

    for n in range(30):
        store.upsert(parts[n * 7 % 30])
        store.compact()

    assert store.read().equals(bars)
    assert store.tickers() == tuple(bars["ticker"].unique(maintain_order=True))
    assert len(names(tmp_path)) > 1
    assert sum(pl.read_parquet(tmp_path / name).height for name in names(tmp_path)) == bars.height


@pytest.mark.usefixtures("small_files")
def test_parts_have_whole_tickers(tmp_path: Path) -> None:
    store = BarStore(tmp_path)
    bars = synthetic_bars([f"T{n:02d}" for n in range(40)], n_sessions=100)
    store.upsert(bars)
    newer = bars.filter(pl.col("ticker") < "T20").with_columns(pl.col("volume") + 1)
    store.upsert(newer)

    parts = list(store.read_in_parts())

    assert [part["ticker"].n_unique() for part in parts] == [10] * 4
    assert pl.concat(parts).equals(pl.concat([newer, bars.filter(pl.col("ticker") >= "T20")]))


def test_upsert_compacts_a_journal_that_is_too_large(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bar_store, "_MAX_INDEX_BYTES", 100_000)
    store = BarStore(tmp_path)
    bars = synthetic_bars([f"T{n:02d}" for n in range(40)], n_sessions=100)

    for part in bars.partition_by("session"):
        store.upsert(part)

    assert len(names(tmp_path)) == 1
    assert store.read().equals(bars)


def test_reader_is_not_affected_by_a_compaction(tmp_path: Path) -> None:
    store = BarStore(tmp_path)
    store.upsert(sample_bars("FB"))
    store.compact()

    parts = store.read_in_parts()
    other = BarStore(tmp_path)
    first = next(parts)
    other.upsert(sample_bars("AAPL"))
    other.compact()

    assert pl.concat([first, *parts]).equals(sample_bars("FB"))
    assert store.read().equals(sample_bars("AAPL", "FB"))


@pytest.mark.parametrize("damage", ["cut", "emptied", "foreign"])
def test_damaged_file_raises_with_the_remedy(tmp_path: Path, damage: str) -> None:
    store = BarStore(tmp_path)
    store.upsert(sample_bars("FB", "GOOG"))
    store.compact()
    store.upsert(sample_bars("IBM"))
    (name,) = names(tmp_path)
    path = tmp_path / name
    content = path.read_bytes()
    if damage == "foreign":
        pl.DataFrame({"a": [1]}).write_parquet(path)
    else:
        path.write_bytes(content[: len(content) // 2] if damage == "cut" else b"")

    remedy = rf"{name} cannot be read .* move it away and ingest its tickers \(FB to GOOG\) again"
    for access in (store.read, store.fingerprint, lambda: store.upsert(sample_bars("FB", "GOOG"))):
        with pytest.raises(BarsError, match=remedy):
            access()
    assert store.read(["IBM"]).equals(sample_bars("IBM"))

    path.rename(tmp_path / "away")
    assert store.last_sessions() == {"IBM": date(2013, 3, 1)}
    with pytest.raises(UnknownTickerError):
        store.read(["FB"])
    assert store.upsert(sample_bars("FB")).inserted == sample_bars("FB").height
    store.compact()
    assert store.read().equals(sample_bars("FB", "IBM"))


def test_damaged_index_raises_and_is_rebuilt_from_the_files(tmp_path: Path) -> None:
    store = BarStore(tmp_path)
    store.upsert(sample_bars(end=LATE))
    store.compact()
    store.upsert(sample_bars())
    for log in tmp_path.glob("index.sqlite-*"):
        log.unlink()
    (tmp_path / "index.sqlite").write_bytes(
        b"not a database, but long enough to be taken for one" * 100
    )

    with pytest.raises(BarsError, match=r"index\.sqlite, is damaged .* move it away"):
        BarStore(tmp_path).read()

    for path in tmp_path.glob("index.sqlite*"):
        path.rename(tmp_path / f"away-{path.name}")
    assert BarStore(tmp_path).read().equals(sample_bars(end=LATE))
    assert store.upsert(sample_bars()).inserted == 5


def test_legacy_files_are_imported_on_first_use(tmp_path: Path) -> None:
    bars = pl.concat([synthetic_bars(["BRK.B", "^GSPC"], n_sessions=50), sample_bars("FB")])
    write_legacy_files(tmp_path, bars)

    assert BarStore(tmp_path).read().equals(bars.sort("ticker", "session"))
    assert BarStore(tmp_path).tickers() == ("BRK.B", "FB", "^GSPC")
    assert names(tmp_path) == []


def test_legacy_file_does_not_replace_stored_bars(tmp_path: Path) -> None:
    store = BarStore(tmp_path)
    store.upsert(sample_bars("FB", end=EARLY))
    write_legacy_files(tmp_path, sample_bars("FB").with_columns(pl.col("volume") + 1))

    report = store.upsert(sample_bars("IBM"))

    assert report.inserted == sample_bars("IBM").height
    assert store.read(["FB"], date(2013, 1, 1))["volume"][0] == (
        sample_bars("FB", start=date(2013, 1, 1))["volume"][0] + 1
    )
    assert store.read(["FB"]).head(10).equals(sample_bars("FB").head(10))


def test_damaged_legacy_file_raises(tmp_path: Path) -> None:
    write_legacy_files(tmp_path, sample_bars("FB"))
    (tmp_path / "IBM.parquet").write_bytes(b"half")

    with pytest.raises(BarsError, match=r"IBM\.parquet cannot be read .* ingest its ticker again"):
        BarStore(tmp_path).tickers()

    (tmp_path / "IBM.parquet").unlink()
    assert BarStore(tmp_path).tickers() == ("FB",)


def test_leftovers_of_a_killed_writer_are_deleted(tmp_path: Path) -> None:
    BarStore(tmp_path).upsert(sample_bars("IBM"))
    leftover = tmp_path / ".bars-000001.parquet.0123.tmp"
    leftover.write_bytes(b"half a file")
    # A compaction that was killed before its transaction ended.
    write_files(tmp_path, sample_bars("AAPL"))
    store = BarStore(tmp_path)

    assert store.tickers() == ("IBM",)
    store.upsert(sample_bars("FB"))

    assert not leftover.exists()
    assert names(tmp_path) == []
    assert store.tickers() == ("FB", "IBM")


@pytest.mark.usefixtures("small_files")
@pytest.mark.parametrize("ticker", ["T00", "T07", "T09", "T10", "T39"])
@pytest.mark.parametrize("n_kept", [0, 1, 99, 100])
def test_replaced_ticker_has_only_the_new_bars(tmp_path: Path, ticker: str, n_kept: int) -> None:
    store = BarStore(tmp_path)
    tickers = [f"T{n:02d}" for n in range(40)]
    bars = synthetic_bars(tickers, n_sessions=100)
    store.upsert(bars)
    store.upsert(bars.filter(pl.col("ticker") == ticker).tail(5).with_columns(volume=7))
    of_ticker = store.read([ticker])
    later = synthetic_bars([ticker], n_sessions=10, start=date(2015, 1, 2))
    new = pl.concat([of_ticker.tail(n_kept), later])
    expected = pl.concat([bars.filter(pl.col("ticker") != ticker), new]).sort("ticker", "session")

    report = store.replace(new)

    assert report == UpsertReport(10, 0, n_kept, removed=100 - n_kept)
    assert store.read().equals(expected)
    store.compact()
    assert BarStore(tmp_path).read().equals(expected)


@pytest.mark.usefixtures("small_files")
@pytest.mark.parametrize("n_new", [5, 2_500])
def test_only_ticker_of_a_store_is_replaced(tmp_path: Path, n_new: int) -> None:
    store = BarStore(tmp_path)
    store.upsert(synthetic_bars(["A"], n_sessions=2_500))
    store.compact()
    new = synthetic_bars(["A"], n_sessions=n_new, start=date(2000, 1, 4), seed=1)
    n_removed = 2_500 if n_new == 5 else 2_500 - new.join(store.read(), on="session").height

    assert store.replace(new).removed == n_removed
    store.compact()

    assert BarStore(tmp_path).read().equals(new)
    assert len(names(tmp_path)) == 1


def test_replacement_by_the_stored_bars_writes_nothing(tmp_path: Path) -> None:
    store = BarStore(tmp_path)
    store.upsert(sample_bars("FB", "IBM"))
    store.compact()
    before = names(tmp_path)

    report = store.replace(sample_bars("FB"))
    store.compact()

    assert (report.has_changes, report.unchanged) == (False, sample_bars("FB").height)
    assert names(tmp_path) == before
