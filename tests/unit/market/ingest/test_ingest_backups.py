"""Bars of several providers in one store: who is asked, what is joined, and what is said."""

from datetime import date
from pathlib import Path

import polars as pl
import pytest
from support.bars import sample_bars, xnys
from support.ingests import EVENING, FRIDAY, ClockedProvider, Desk, raw_bars
from support.moving_clock import MovingClock
from support.providers import FakeProvider
from support.sample_actions import with_sample_actions

from core.errors import ProviderDownError, QuotaError, ReconciliationError
from market.bars.adjustments import adjust_bars

MONDAY, TUESDAY = date(2012, 6, 4), date(2012, 6, 5)
TICKERS = ("AAPL", "FB", "IBM")


class Street:
    """A free key of alpha_vantage with yahoo as its backup."""

    def __init__(self, home: Path) -> None:
        self.clock = MovingClock(EVENING)
        self.primary = ClockedProvider({t: raw_bars(t) for t in TICKERS}, self.clock, reach=100)
        with_events = {t: with_sample_actions(sample_bars(t)) for t in TICKERS}
        self.backup = ClockedProvider(with_events, self.clock, name="yahoo", actions_apart=False)
        self.desk = Desk(home, self.clock, self.primary, self.backup)

    def sources(self, since: date, ticker: str = "AAPL") -> list[str]:
        bars = self.desk.bars(ticker).filter(pl.col("session") >= since)
        return bars.get_column("source").to_list()


@pytest.fixture
def street(tmp_path: Path) -> Street:
    return Street(tmp_path)


def test_history_that_the_key_does_not_reach_comes_from_the_backup_with_its_actions(
    street: Street,
) -> None:
    report = street.desk.ingest_ticker()

    assert report.sources == {"yahoo": sample_bars("AAPL", end=FRIDAY).height}
    assert report.notes == ("alpha_vantage: alpha_vantage reaches back 100 sessions.",)
    assert report.actions_through == FRIDAY
    assert street.desk.wants() == "nothing"
    assert street.desk.records.of("AAPL").complete


def test_the_primary_goes_on_where_the_backup_began(street: Street) -> None:
    street.desk.ingest_ticker()
    street.desk.to_evening_of(MONDAY)

    report = street.desk.ingest_ticker()

    assert report.sources == {"alpha_vantage": 1}
    assert street.sources(date(2012, 5, 30)) == ["yahoo"] * 3 + ["alpha_vantage"]
    assert report.actions_through == FRIDAY


def test_a_primary_that_goes_down_in_the_middle_of_a_run_is_replaced_and_each_bar_says_by_whom(
    street: Street,
) -> None:
    for ticker in TICKERS:
        street.desk.ingest_ticker(ticker)
    street.desk.to_evening_of(MONDAY)
    street.primary.fail(after=1)

    reports = [street.desk.ingest_ticker(ticker) for ticker in TICKERS]

    assert [report.sources for report in reports] == [
        {"alpha_vantage": 1},
        {"yahoo": 1},
        {"yahoo": 1},
    ]
    assert reports[1].notes == ("alpha_vantage: alpha_vantage does not answer.",)
    street.primary.recover()
    street.desk.to_evening_of(TUESDAY)
    assert street.desk.ingest_ticker("IBM").sources == {"alpha_vantage": 1}
    assert street.sources(FRIDAY, "IBM") == ["yahoo", "yahoo", "alpha_vantage"]


def test_with_both_down_nothing_changes_and_both_are_named(street: Street) -> None:
    street.desk.ingest_ticker()
    before = street.desk.store.fingerprint()
    street.desk.to_evening_of(MONDAY)
    street.primary.fail()
    street.backup.fail()

    with pytest.raises(ProviderDownError, match=r"alpha_vantage.*yahoo"):
        street.desk.ingest_ticker()

    assert street.desk.store.fingerprint() == before
    assert street.desk.wants() == "bars"


def test_a_provider_at_another_level_is_passed_over(street: Street) -> None:
    street.desk.ingest_ticker()
    street.desk.to_evening_of(MONDAY)
    street.primary.bars["AAPL"] = raw_bars("AAPL").with_columns(
        pl.col("open", "high", "low", "close") / 7
    )

    report = street.desk.ingest_ticker()

    assert report.sources == {"yahoo": 1}
    assert "looks like a split of 7" in report.notes[0]


def test_two_providers_that_disagree_and_no_third_refuse_the_join(street: Street) -> None:
    street.desk.ingest_ticker()
    before = street.desk.store.fingerprint()
    street.desk.to_evening_of(MONDAY)
    street.backup.fail()
    street.primary.bars["AAPL"] = raw_bars("AAPL").with_columns(
        pl.col("open", "high", "low", "close") * 1.02
    )

    with pytest.raises(ProviderDownError, match="STOCKCAST_JOIN_TOLERANCE"):
        street.desk.ingest_ticker()

    street.desk.connect(street.primary)
    with pytest.raises(ReconciliationError, match=r"but 560\.99 of yahoo"):
        street.desk.ingest_ticker()
    assert street.desk.store.fingerprint() == before
    assert street.desk.wants() == "nothing"  # until the next session


def test_a_gap_longer_than_the_reach_is_filled_by_the_backup(street: Street) -> None:
    street.desk.ingest_ticker()
    street.desk.to_evening_of(xnys().offset(FRIDAY, 150))

    report = street.desk.ingest_ticker()

    assert report.sources == {"yahoo": 150}
    stored = street.desk.bars().get_column("session")
    assert stored.equals(xnys().between(stored[0], xnys().offset(FRIDAY, 150)))


def test_a_primary_that_stands_still_for_days_is_passed_over(street: Street) -> None:
    street.desk.ingest_ticker()
    street.primary.delay = 4
    street.desk.to_evening_of(xnys().offset(FRIDAY, 4))

    report = street.desk.ingest_ticker()

    assert report.sources == {"yahoo": 4}
    assert report.notes == ("alpha_vantage: its newest bar is 4 closed sessions old.",)


def test_a_halt_is_no_error_although_all_were_asked(street: Street) -> None:
    street.desk.ingest_ticker()
    street.primary.delay = street.backup.delay = 4
    street.desk.to_evening_of(xnys().offset(FRIDAY, 4))

    report = street.desk.ingest_ticker()

    assert (report.outcome, report.sessions_behind) == ("nothing_new", 4)
    assert "AAPL has no newer bar" in report.notes[0]
    assert street.desk.records.of("AAPL").failure is None


def test_a_halt_is_no_error_when_the_backup_is_down(street: Street) -> None:
    street.desk.ingest_ticker()
    street.primary.delay = 4
    street.backup.fail()
    street.desk.to_evening_of(xnys().offset(FRIDAY, 4))

    assert street.desk.ingest_ticker().outcome == "nothing_new"


def test_a_backup_without_news_does_not_make_a_ticker_quiet_when_the_primary_is_spent(
    street: Street,
) -> None:
    street.desk.ingest_ticker()
    street.backup.delay = 1
    street.desk.to_evening_of(MONDAY)
    street.primary.fail(QuotaError("All 25 calls are spent.", renews_at=EVENING))

    with pytest.raises(QuotaError):
        street.desk.ingest_ticker()

    assert street.desk.records.of("AAPL").quiet == 0
    assert street.desk.wants() == "bars"


def test_a_split_that_the_backup_tells_needs_no_call(tmp_path: Path) -> None:
    street = Street(tmp_path)
    street.clock.set_wall(EVENING.replace(year=2005, month=2, day=25))
    street.desk.ingest_ticker()
    street.desk.to_evening_of(date(2005, 2, 28))
    street.primary.fail()

    report = street.desk.ingest_ticker()

    assert (report.sources, report.actions_through) == ({"yahoo": 1}, date(2005, 2, 28))
    adjusted = adjust_bars(street.desk.bars()).get_column("close").tail(2)
    assert adjusted[1] / adjusted[0] == pytest.approx(2 * 44.86 / 88.99)


def test_actions_of_bars_from_a_backup_come_from_a_primary_that_knows_them(
    tmp_path: Path,
) -> None:
    street = Street(tmp_path)
    street.desk.connect(street.backup, street.primary)
    street.desk.ingest_ticker()
    street.backup.fail()
    for session in xnys().between(MONDAY, date(2012, 6, 15)):
        street.desk.to_evening_of(session)
        street.desk.ingest_ticker()
    assert street.desk.records.of("AAPL").actions_through == FRIDAY

    street.backup.recover()
    street.desk.to_evening_of(date(2012, 6, 18))
    report = street.desk.ingest_ticker()

    assert report.actions_through == date(2012, 6, 18)
    assert street.desk.bars().get_column("split_factor").null_count() == 0


def test_a_history_of_files_is_continued_by_a_key_over_a_split_and_dividends(
    tmp_path: Path,
) -> None:
    clock = MovingClock(EVENING.replace(year=2005, month=2, day=18))
    files = FakeProvider({"AAPL": sample_bars("AAPL", end=date(2005, 2, 18))}, name="files")
    key = ClockedProvider({"AAPL": raw_bars("AAPL")}, clock, reach=100)
    desk = Desk(tmp_path, clock, key, files)

    for session in xnys().between(date(2005, 2, 18), date(2005, 3, 11)):
        desk.to_evening_of(session)
        desk.ingest_ticker()

    assert (
        desk.bars()
        .get_column("session")
        .equals(sample_bars("AAPL", end=date(2005, 3, 11)).get_column("session"))
    )
    adjusted = adjust_bars(desk.bars()).get_column("close")
    given = sample_bars("AAPL", end=date(2005, 3, 11)).get_column("adj_close")
    expected = given * (adjusted[-1] / given[-1])
    assert adjusted.to_numpy() == pytest.approx(expected.to_numpy(), rel=1e-6)
