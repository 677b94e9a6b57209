"""Own files are the truth: after any edit, the store equals the store of a fresh home."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.clocks.moving_clock import MovingClock
from support.market.bars import sample_bars
from support.market.file_formats import provider
from support.market.ingest_setup import EVENING, IngestSetup
from support.market.own_files import COLUMNS, EDITS, PRICES, Folder, bars, changed_row, scaled
from support.providers.in_memory import FakeProvider

from core.errors import BarsError, ReconciliationError, StockcastError, UnknownTickerError

pytestmark = pytest.mark.slow

NAMES = ("A.csv", "A.2012.csv", "B.csv")


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


EDIT = st.tuples(
    st.sampled_from(NAMES),
    st.sampled_from([*EDITS, "delete"]),
    st.integers(0, 60),
    st.sampled_from([0.25, 0.5, 1.01, 4.0]),
)


@given(edits=st.lists(EDIT, min_size=1, max_size=6))
@settings(max_examples=15, deadline=None)
def test_store_equals_a_fresh_home_after_any_edit_of_the_files(
    edits: list[tuple[str, str, int, float]],
) -> None:
    with TemporaryDirectory() as root:
        folder = Folder(Path(root))
        stored: dict[str, pl.DataFrame] = {}
        for name in ("A.csv", "B.csv"):
            folder.write(name, bars().head(20))
            stored[name[0]] = folder.ingest(folder.home, name[0])  # type: ignore[assignment]
        for name, kind, row, factor in edits:
            if kind == "delete":
                (folder.path / name).unlink(missing_ok=True)
            else:
                folder.write(name, EDITS[kind](folder.read(name).select(COLUMNS), row, factor))
            ticker = name[0]
            fresh = folder.ingest_fresh(ticker)
            now = folder.ingest(folder.home, ticker)
            if isinstance(fresh, pl.DataFrame):
                stored[ticker] = fresh
                assert isinstance(now, pl.DataFrame)
            else:
                assert now == fresh  # the same error, and the history stays
            assert folder.home.store.read().equals(pl.concat(stored.values()))


def test_row_that_leaves_a_file_leaves_the_store(folder: Folder) -> None:
    folder.write("A.csv", changed_row(bars(), 20, 100.0))
    folder.ingest(folder.home, "A")
    folder.write("A.csv", bars().filter(pl.int_range(pl.len()) != 20))
    folder.home.use(provider(folder.path))

    report = folder.home.ingest_ticker("A")

    assert folder.home.bars("A").equals(folder.ingest_fresh("A"))  # type: ignore[arg-type]
    assert (report.outcome, report.stored.removed, report.stored.updated) == ("ingested", 1, 0)
    assert report.notes == ("A: 1 stored session removed that the source no longer has.",)


def test_rolling_export_on_a_new_price_base_leaves_no_old_base(folder: Folder) -> None:
    folder.write("A.csv", bars().head(30))
    folder.ingest(folder.home, "A")
    folder.write("A.csv", scaled(bars().tail(30), 0.25))

    now = folder.ingest(folder.home, "A")

    assert isinstance(now, pl.DataFrame)
    assert now["session"].to_list() == bars().tail(30)["session"].to_list()
    assert now["close"].pct_change().abs().max() < 0.05  # type: ignore[operator]


def test_file_without_a_change_writes_nothing(folder: Folder) -> None:
    folder.write("A.csv", changed_row(bars(), 3, -1.0))
    folder.ingest(folder.home, "A")
    folder.home.store.compact()
    kept = [folder.home.home / "bars", folder.home.home / "quarantine"]
    paths = [path for root in kept for path in root.rglob("*.parquet")]
    before = {path: path.stat().st_mtime_ns for path in paths}

    folder.home.use(provider(folder.path))
    report = folder.home.ingest_ticker("A")

    assert (report.outcome, report.notes) == ("nothing_new", ())
    assert {path: path.stat().st_mtime_ns for path in paths} == before
    assert len(before) == 2


@pytest.mark.parametrize(
    ("damage", "error"),
    [
        ("", BarsError),
        ("session,open,high,low,close,volume,ticker\n", BarsError),
        ("session,open,high,low,close,volume,ticker\n2012-05-01,9,8,7,0,1,A\n", BarsError),
        (None, UnknownTickerError),
    ],
    ids=["empty", "header only", "invalid rows only", "removed"],
)
def test_damaged_or_removed_file_keeps_the_history(
    folder: Folder, damage: str | None, error: type[StockcastError]
) -> None:
    folder.write("A.csv", bars())
    folder.write("B.csv", bars())
    folder.ingest(folder.home, "A")
    before = folder.home.bars("A")
    if damage is None:
        (folder.path / "A.csv").unlink()
    else:
        (folder.path / "A.csv").write_text(damage)
    folder.home.use(provider(folder.path))

    with pytest.raises(error):
        folder.home.ingest_ticker("A")

    assert folder.home.bars("A").equals(before)
    assert folder.home.ticker_states.get("A").last_error is not None


def test_unlisted_split_in_a_file_is_named_by_the_ingest(folder: Folder) -> None:
    is_late = pl.int_range(pl.len()) >= 30
    split = bars().with_columns(
        pl.when(is_late).then(pl.col(PRICES) / 4).otherwise(pl.col(PRICES)),
        volume=pl.when(is_late).then(pl.col("volume") * 4).otherwise("volume"),
    )
    folder.write("A.csv", split)
    folder.home.use(provider(folder.path))

    (note,) = folder.home.ingest_ticker("A").notes

    session = split["session"][30]
    assert note.startswith(f"A: left out of forecasts: it moved on {session} like a split of 4:1")
    listed = pl.when(pl.int_range(pl.len()) == 30).then(4.0)
    split.with_columns(ticker=pl.lit("A"), split_factor=listed).write_csv(folder.path / "A.csv")
    folder.home.use(provider(folder.path))
    assert folder.home.ingest_ticker("A").notes == ()


class JoinedHome:
    """A home with bars of Yahoo from April, and then files."""

    def __init__(self, root: Path) -> None:
        self.home = IngestSetup(root, MovingClock(EVENING))
        yahoo = sample_bars("IBM", start=date(2012, 4, 2), end=date(2012, 5, 10))
        self.yahoo = yahoo.with_columns(source=pl.lit("yahoo"))
        self.home.store.upsert(self.yahoo)

    def ingest(self, delivered: pl.DataFrame, name: str = "files") -> pl.DataFrame:
        self.home.use(FakeProvider({"IBM": delivered}, name=name))
        self.home.ingest_ticker("IBM")
        return self.home.bars("IBM")


@pytest.fixture
def joined(tmp_path: Path) -> JoinedHome:
    return JoinedHome(tmp_path)


def may_bars(factor: float = 1.0, adjusted: float = 1.0) -> pl.DataFrame:
    bars = sample_bars("IBM", start=date(2012, 5, 1), end=date(2012, 5, 31))
    return scaled(bars, factor).with_columns(pl.col("adj_close") * adjusted)


def test_bars_of_another_provider_before_the_file_stay_on_its_base(joined: JoinedHome) -> None:
    now = joined.ingest(may_bars(adjusted=0.5))

    assert now["source"].value_counts(sort=True).rows() == [("files", 22), ("yahoo", 20)]
    before = sample_bars("IBM", start=date(2012, 4, 2), end=date(2012, 5, 31))
    assert now["close"].equals(before["close"])
    assert (now["adj_close"] / before["adj_close"] - 0.5).abs().max() < 1e-12  # type: ignore[operator]


def test_correction_in_a_file_is_no_other_price_level(joined: JoinedHome) -> None:
    joined.ingest(may_bars())

    now = joined.ingest(changed_row(may_bars(), 0, 1.1))

    assert now.filter(session=date(2012, 5, 1))["close"].item() == pytest.approx(
        may_bars()["close"][0] * 1.1
    )


@pytest.mark.parametrize("is_joined", [True, False], ids=["joined before", "first time"])
@pytest.mark.parametrize(
    ("delivered", "reason"),
    [
        (may_bars(factor=0.25), r"the closes are now 0\.25 times the stored ones"),
        (may_bars().tail(2), "share no session|sessions between 2012-04-30 and .* are missing"),
        (may_bars().tail(14), "share no session|sessions between 2012-04-30 and .* are missing"),
    ],
    ids=["another base", "no overlap", "hole"],
)
def test_file_that_does_not_fit_another_provider_is_refused(
    joined: JoinedHome, delivered: pl.DataFrame, reason: str, *, is_joined: bool
) -> None:
    if is_joined:
        joined.ingest(may_bars())
    before = joined.home.bars("IBM")

    with pytest.raises(ReconciliationError, match=reason) as error:
        joined.ingest(delivered)

    assert "use another home (--home)" in str(error.value)
    assert joined.home.bars("IBM").equals(before)


def test_file_replaces_the_sample_of_the_same_ticker(tmp_path: Path) -> None:
    home = JoinedHome(tmp_path)
    home.home.store.replace(sample_bars("IBM", end=date(2011, 12, 30)))

    now = home.ingest(may_bars(factor=0.5))

    assert now["session"].min() == date(2012, 5, 1)
    assert now["source"].unique().to_list() == ["files"]
