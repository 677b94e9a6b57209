"""Own files in a chain with another provider: the rules by which stored bars follow them."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support.market.bars import sample_bars, xnys
from support.market.file_formats import provider
from support.market.ingest_setup import EVENING, FRIDAY
from support.market.own_files import COLUMNS, EDITS, Folder, bars, changed_row, scaled
from support.providers.in_memory import FakeNetworkProvider

from core.errors import BarsError
from market.bars.contract import validate_bars
from market.ingest.joining.reconcile import reconcile_bars
from market.ingest.report import IngestReport

pytestmark = pytest.mark.slow

VALUES = [*COLUMNS, "source"]
EDIT = st.tuples(
    st.sampled_from(sorted(EDITS)), st.integers(0, 60), st.sampled_from([0.25, 0.5, 1.01, 4.0])
)


class Chain:
    """A home with twenty bars of a file and the later ones of Yahoo, in one of both orders."""

    def __init__(self, root: Path, *, files_first: bool) -> None:
        self.folder = Folder(root)
        self.home = self.folder.home
        self.files_first = files_first
        yahoo = sample_bars("IBM", start=date(2012, 4, 2)).with_columns(
            ticker=pl.lit("A"), adj_close=pl.lit(None, pl.Float64)
        )
        self.yahoo = FakeNetworkProvider({"A": yahoo}, name="yahoo")
        self.write(bars().head(20))
        self.yahoo.fail()
        self.ingest()
        self.yahoo.recover()
        self.home.clock.move_to(EVENING + timedelta(hours=4))  # the retry of a late bar
        self.ingest()

    def write(self, frame: pl.DataFrame) -> None:
        self.folder.write("A.csv", frame)

    def ingest(self) -> IngestReport:
        chain = [provider(self.folder.path), self.yahoo]
        self.home.connect(*(chain if self.files_first else reversed(chain)))
        return self.home.ingest_ticker("A")

    def stored(self, source: str | None = None) -> pl.DataFrame:
        stored = self.home.bars("A").select(VALUES)
        return stored if source is None else stored.filter(source=source)

    def in_file(self) -> pl.DataFrame:
        """Return the valid bars of the file."""
        try:
            rows = provider(self.folder.path).fetch("A")
        except BarsError:
            return self.stored().clear()
        return validate_bars(rows, xnys(), last_session=FRIDAY).bars.select(VALUES)


@pytest.fixture(params=[True, False], ids=["files first", "files as backup"])
def chain(request: pytest.FixtureRequest, tmp_path: Path) -> Chain:
    return Chain(tmp_path, files_first=request.param)


@given(files_first=st.booleans(), edits=st.lists(EDIT, min_size=1, max_size=5))
@example(files_first=False, edits=[("make all invalid", 0, 1.0), ("remove", 5, 1.0)])
@settings(max_examples=12, deadline=None)
def test_stored_bars_follow_the_files_of_a_chain_after_any_edit(
    edits: list[tuple[str, int, float]], *, files_first: bool
) -> None:
    with TemporaryDirectory() as root:
        chain = Chain(Path(root), files_first=files_first)
        for kind, row, factor in edits:
            before = chain.stored()
            chain.write(EDITS[kind](chain.folder.read("A.csv").select(COLUMNS), row, factor))
            report = chain.ingest()
            now, truth = chain.stored(), chain.in_file()
            if not files_first:
                # All sessions of the file before the first bar of Yahoo, which comes after it.
                first = before.filter(source="yahoo")["session"].min()
                truth = truth.filter(pl.col("session") < first)
            is_refused = truth.is_empty() or any("do not fit" in note for note in report.notes)
            if is_refused:
                assert now.equals(before)
                continue
            assert now.filter(source="files").equals(truth.sort("session"))
            kept = before.filter(pl.col("source") == "yahoo").join(truth, on="session", how="anti")
            assert now.filter(source="yahoo").equals(kept)


def test_the_chain_starts_with_bars_of_both(chain: Chain) -> None:
    assert chain.stored()["source"].value_counts(sort=True).rows() == [("yahoo", 23), ("files", 20)]
    assert chain.stored()["session"][-1] == FRIDAY


def test_a_correction_of_an_old_row_reaches_a_ticker_that_is_up_to_date(chain: Chain) -> None:
    """Regression: only the last five sessions were compared with the files of a chain."""
    n_calls = len(chain.yahoo.calls)
    chain.write(changed_row(bars().head(20), 3, 1.01))

    report = chain.ingest()

    assert chain.stored("files").equals(chain.in_file())
    assert (report.outcome, report.restated) == ("ingested", 1)
    assert report.notes == ("A: 1 stored session corrected.",)
    assert len(chain.yahoo.calls) == n_calls
    assert chain.ingest().outcome == "up_to_date"


def test_a_row_that_leaves_the_file_leaves_the_store(chain: Chain) -> None:
    chain.write(bars().head(20).filter(pl.int_range(pl.len()) != 3))

    report = chain.ingest()

    assert report.notes == ("A: 1 stored session removed that the source no longer has.",)
    assert chain.stored("files").height == 19


def test_a_file_on_another_price_base_than_yahoo_changes_nothing_and_is_named(
    chain: Chain,
) -> None:
    before = chain.stored()
    chain.write(scaled(bars().head(20), 0.25))

    (note,) = chain.ingest().notes

    assert "the bars of files do not fit the stored bars of yahoo" in note
    assert "the closes are now 0.25 times the stored ones" in note
    assert chain.stored().equals(before)


def test_files_take_the_sessions_of_a_backup_only_as_the_first_source(chain: Chain) -> None:
    chain.write(changed_row(bars().head(30), 25, 1.01))

    report = chain.ingest()

    assert chain.stored("files").height == (30 if chain.files_first else 20)
    assert report.outcome == ("ingested" if chain.files_first else "up_to_date")
    if chain.files_first:
        assert (report.first_session, report.last_session) == (date(2012, 4, 2), FRIDAY)


def test_an_unreadable_file_of_a_chain_is_named_and_its_bars_stay(chain: Chain) -> None:
    before = chain.stored()
    (chain.folder.path / "A.csv").write_text("session,open\n2012-04-02,1\n")
    chain.folder.write("B.csv", bars())

    (note,) = chain.ingest().notes

    assert "A.csv: no column for" in note
    assert chain.stored().equals(before)


def test_bars_of_files_take_no_split_from_another_provider() -> None:
    """Regression: the file's prices may be adjusted for it already."""
    stored = sample_bars("IBM", start=date(2012, 5, 1), end=date(2012, 5, 31)).with_columns(
        pl.lit(None, pl.Float64).alias(name) for name in ("adj_close", "split_factor", "dividend")
    )
    known = {"split_factor": pl.lit(4.0), "dividend": pl.lit(1.0), "source": pl.lit("yahoo")}
    fetched = stored.tail(5).with_columns(**known)

    for source, split_factor in (("files", None), ("alpha_vantage", 4.0)):
        named = stored.with_columns(source=pl.lit(source))
        bars = reconcile_bars(named, fetched, tolerance=0.005).bars
        assert bars["split_factor"].unique().to_list() == [split_factor]


def test_a_row_of_the_file_that_becomes_invalid_is_quarantined(chain: Chain) -> None:
    chain.write(changed_row(bars().head(20), 3, -1.0))

    chain.ingest()

    session = bars()["session"][3]
    assert chain.home.quarantine.read(["A"])["session"].to_list() == [session]
    assert session not in chain.stored()["session"].to_list()
    chain.write(bars().head(20))
    chain.ingest()
    assert chain.home.quarantine.read(["A"]).is_empty()
