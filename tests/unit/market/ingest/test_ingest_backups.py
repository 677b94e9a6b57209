"""Ingest from a provider with a backup: order, reconciliation and notes."""

from datetime import date
from pathlib import Path

import polars as pl
import pytest
from support.clocks.moving_clock import MovingClock
from support.market.bars import sample_bars, xnys
from support.market.ingest_setup import (
    EVENING,
    FRIDAY,
    MONDAY,
    TUESDAY,
    ClockedProvider,
    IngestSetup,
    raw_bars,
)
from support.market.sample_actions import with_sample_actions
from support.providers.in_memory import FakeProvider

from core.errors import ProviderDownError, QuotaError, ReconciliationError
from market.bars.adjustments import adjust_bars

TICKERS = ("AAPL", "FB", "IBM")


class FailoverSetup(IngestSetup):
    """A setup with a free key of Alpha Vantage and Yahoo as its backup."""

    def __init__(self, home: Path) -> None:
        clock = MovingClock(EVENING)
        self.primary = ClockedProvider({t: raw_bars(t) for t in TICKERS}, clock, reach=100)
        with_actions = {t: with_sample_actions(sample_bars(t)) for t in TICKERS}
        self.backup = ClockedProvider(with_actions, clock, name="yahoo", has_separate_actions=False)
        super().__init__(home, clock, self.primary, self.backup)

    def sources(self, since: date, ticker: str = "AAPL") -> list[str]:
        bars = self.bars(ticker).filter(pl.col("session") >= since)
        return bars.get_column("source").to_list()


@pytest.fixture
def setup(tmp_path: Path) -> FailoverSetup:
    return FailoverSetup(tmp_path)


def test_history_beyond_the_reach_comes_from_the_backup_with_its_actions(
    setup: FailoverSetup,
) -> None:
    report = setup.ingest_ticker()

    assert report.sources == {"yahoo": sample_bars("AAPL", end=FRIDAY).height}
    assert report.notes == ("alpha_vantage: alpha_vantage reaches back 100 sessions.",)
    assert report.actions_through == FRIDAY
    assert setup.due_kind() == "nothing"
    assert setup.ticker_states.get("AAPL").has_full_history


def test_primary_continues_a_history_of_the_backup(setup: FailoverSetup) -> None:
    setup.ingest_ticker()
    setup.to_evening_of(MONDAY)

    report = setup.ingest_ticker()

    assert report.sources == {"alpha_vantage": 1}
    assert setup.sources(date(2012, 5, 30)) == ["yahoo"] * 3 + ["alpha_vantage"]
    assert report.actions_through == FRIDAY


def test_backup_replaces_a_primary_that_goes_down_during_a_run(
    setup: FailoverSetup,
) -> None:
    for ticker in TICKERS:
        setup.ingest_ticker(ticker)
    setup.to_evening_of(MONDAY)
    setup.primary.fail(after=1)

    reports = [setup.ingest_ticker(ticker) for ticker in TICKERS]

    assert [report.sources for report in reports] == [
        {"alpha_vantage": 1},
        {"yahoo": 1},
        {"yahoo": 1},
    ]
    assert reports[1].notes == ("alpha_vantage: alpha_vantage does not respond.",)
    setup.primary.recover()
    setup.to_evening_of(TUESDAY)
    assert setup.ingest_ticker("IBM").sources == {"alpha_vantage": 1}
    assert setup.sources(FRIDAY, "IBM") == ["yahoo", "yahoo", "alpha_vantage"]


def test_error_lists_all_providers_if_all_are_down(setup: FailoverSetup) -> None:
    setup.ingest_ticker()
    before = setup.store.fingerprint()
    setup.to_evening_of(MONDAY)
    setup.primary.fail()
    setup.backup.fail()

    with pytest.raises(ProviderDownError, match=r"alpha_vantage.*yahoo"):
        setup.ingest_ticker()

    assert setup.store.fingerprint() == before
    assert setup.due_kind() == "bars"


def test_provider_at_another_price_level_is_skipped(setup: FailoverSetup) -> None:
    setup.ingest_ticker()
    setup.to_evening_of(MONDAY)
    setup.primary.bars["AAPL"] = raw_bars("AAPL").with_columns(
        pl.col("open", "high", "low", "close") / 7
    )

    report = setup.ingest_ticker()

    assert report.sources == {"yahoo": 1}
    assert "likely cause is a split of 7" in report.notes[0]


def test_disagreement_of_two_providers_raises(setup: FailoverSetup) -> None:
    setup.ingest_ticker()
    before = setup.store.fingerprint()
    setup.to_evening_of(MONDAY)
    setup.backup.fail()
    setup.primary.bars["AAPL"] = raw_bars("AAPL").with_columns(
        pl.col("open", "high", "low", "close") * 1.02
    )

    with pytest.raises(ProviderDownError, match="STOCKCAST_JOIN_TOLERANCE"):
        setup.ingest_ticker()

    setup.connect(setup.primary)
    with pytest.raises(ReconciliationError, match=r"stored close of yahoo is 560\.99"):
        setup.ingest_ticker()
    assert setup.store.fingerprint() == before
    assert setup.due_kind() == "nothing"  # until the next session


def test_gap_beyond_the_reach_is_filled_by_the_backup(setup: FailoverSetup) -> None:
    setup.ingest_ticker()
    setup.to_evening_of(xnys().offset(FRIDAY, 150))

    report = setup.ingest_ticker()

    assert report.sources == {"yahoo": 150}
    stored = setup.bars().get_column("session")
    assert stored.equals(xnys().between(stored[0], xnys().offset(FRIDAY, 150)))


def test_primary_without_new_bars_for_days_is_skipped(setup: FailoverSetup) -> None:
    setup.ingest_ticker()
    setup.primary.delay = 4
    setup.to_evening_of(xnys().offset(FRIDAY, 4))

    report = setup.ingest_ticker()

    assert report.sources == {"yahoo": 4}
    assert report.notes == ("alpha_vantage: its newest bar is 4 closed sessions old.",)


def test_halt_is_not_an_error(setup: FailoverSetup) -> None:
    setup.ingest_ticker()
    setup.primary.delay = setup.backup.delay = 4
    setup.to_evening_of(xnys().offset(FRIDAY, 4))

    report = setup.ingest_ticker()

    assert (report.outcome, report.sessions_behind) == ("nothing_new", 4)
    assert "AAPL has no newer bar" in report.notes[0]
    assert setup.ticker_states.get("AAPL").last_error is None


def test_halt_is_not_an_error_if_the_backup_is_down(setup: FailoverSetup) -> None:
    setup.ingest_ticker()
    setup.primary.delay = 4
    setup.backup.fail()
    setup.to_evening_of(xnys().offset(FRIDAY, 4))

    assert setup.ingest_ticker().outcome == "nothing_new"


def test_backup_without_new_bars_does_not_back_off_if_the_primary_is_spent(
    setup: FailoverSetup,
) -> None:
    setup.ingest_ticker()
    setup.backup.delay = 1
    setup.to_evening_of(MONDAY)
    setup.primary.fail(QuotaError("All 25 calls are spent.", renews_at=EVENING))

    with pytest.raises(QuotaError):
        setup.ingest_ticker()

    assert setup.ticker_states.get("AAPL").stale_responses == 0
    assert setup.due_kind() == "bars"


def test_split_from_the_backup_needs_no_request(tmp_path: Path) -> None:
    setup = FailoverSetup(tmp_path)
    setup.clock.set_wall(EVENING.replace(year=2005, month=2, day=25))
    setup.ingest_ticker()
    setup.to_evening_of(date(2005, 2, 28))
    setup.primary.fail()

    report = setup.ingest_ticker()

    assert (report.sources, report.actions_through) == ({"yahoo": 1}, date(2005, 2, 28))
    adjusted = adjust_bars(setup.bars()).get_column("close").tail(2)
    assert adjusted[1] / adjusted[0] == pytest.approx(2 * 44.86 / 88.99)


def test_primary_adds_actions_to_bars_of_the_backup(
    tmp_path: Path,
) -> None:
    setup = FailoverSetup(tmp_path)
    setup.connect(setup.backup, setup.primary)
    setup.ingest_ticker()
    setup.backup.fail()
    for session in xnys().between(MONDAY, date(2012, 6, 15)):
        setup.to_evening_of(session)
        setup.ingest_ticker()
    assert setup.ticker_states.get("AAPL").actions_through == FRIDAY

    setup.backup.recover()
    setup.to_evening_of(date(2012, 6, 18))
    report = setup.ingest_ticker()

    assert report.actions_through == date(2012, 6, 18)
    assert setup.bars().get_column("split_factor").null_count() == 0


def test_key_continues_a_history_of_files_over_a_split(
    tmp_path: Path,
) -> None:
    clock = MovingClock(EVENING.replace(year=2005, month=2, day=18))
    files = FakeProvider({"AAPL": sample_bars("AAPL", end=date(2005, 2, 18))}, name="files")
    key = ClockedProvider({"AAPL": raw_bars("AAPL")}, clock, reach=100)
    setup = IngestSetup(tmp_path, clock, key, files)

    for session in xnys().between(date(2005, 2, 18), date(2005, 3, 11)):
        setup.to_evening_of(session)
        setup.ingest_ticker()

    assert (
        setup.bars()
        .get_column("session")
        .equals(sample_bars("AAPL", end=date(2005, 3, 11)).get_column("session"))
    )
    adjusted = adjust_bars(setup.bars()).get_column("close")
    given = sample_bars("AAPL", end=date(2005, 3, 11)).get_column("adj_close")
    expected = given * (adjusted[-1] / given[-1])
    assert adjusted.to_numpy() == pytest.approx(expected.to_numpy(), rel=1e-6)
