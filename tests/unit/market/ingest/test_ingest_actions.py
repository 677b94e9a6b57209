"""Splits and dividends of a key whose bars come without them: no split is stored as a crash."""

from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest
from support.clocks.moving_clock import MovingClock
from support.market.bars import sample_bars, xnys
from support.market.ingest_setup import IngestSetup, free_key

from core.errors import PermanentError, ProviderDownError, QuotaError, StockcastError
from market.bars.adjustments import adjust_bars

SPLIT = date(2005, 2, 28)
CRASH = date(2000, 9, 29)
TOMORROW = datetime(2005, 3, 1, 5, tzinfo=UTC)


class ActionsSetup(IngestSetup):
    """A setup with a free key, whose calls for bars and for actions are counted apart."""

    def __init__(self, home: Path, start: date) -> None:
        clock = MovingClock(datetime(start.year, start.month, start.day, 22, tzinfo=UTC))
        self.key = free_key(clock, "AAPL", "MSFT")
        super().__init__(home, clock, self.key)

    def run_to(self, end: date) -> None:
        """Take in what is due each evening."""
        for session in xnys().between(self.clock.now().date(), end):
            self.to_evening_of(session)
            while self.wants() != "nothing":
                self.ingest_ticker()

    def worst_return(self) -> float:
        adjusted = adjust_bars(self.bars()).get_column("close")
        return float((adjusted / adjusted.shift(1) - 1).abs().max())


def test_actions_are_asked_for_once_bars_are_there_and_fill_all_of_them(tmp_path: Path) -> None:
    setup = ActionsSetup(tmp_path, date(2012, 8, 31))

    first = setup.ingest_ticker()
    assert (first.actions_through, setup.wants()) == (None, "actions")
    second = setup.ingest_ticker()

    assert (second.outcome, second.bars, second.stored.updated) == ("ingested", 0, 100)
    assert second.actions_through == date(2012, 8, 31)
    assert setup.wants() == "nothing"
    bars = setup.bars()
    assert bars.get_column("split_factor").unique().to_list() == [1.0]
    assert bars.filter(pl.col("dividend") > 0).select("session", "dividend").rows() == [
        (date(2012, 8, 9), 2.65)
    ]


def test_they_are_polled_once_a_month_of_sessions(tmp_path: Path) -> None:
    setup = ActionsSetup(tmp_path, date(2012, 6, 1))

    setup.run_to(date(2012, 8, 31))

    n_sessions = len(xnys().between(date(2012, 6, 1), date(2012, 8, 31)))
    assert (n_sessions, setup.key.asked_actions) == (65, 4)
    assert len(setup.key.calls) == n_sessions
    known = setup.bars().filter(pl.col("dividend") > 0).get_column("session").to_list()
    assert known == [date(2012, 8, 9)]


def test_a_split_is_asked_about_before_its_bar_is_stored(tmp_path: Path) -> None:
    setup = ActionsSetup(tmp_path, date(2005, 2, 18))
    setup.run_to(date(2005, 2, 25))
    assert setup.key.asked_actions == 1
    setup.to_evening_of(SPLIT)

    report = setup.ingest_ticker()

    assert setup.key.asked_actions == 2
    assert (report.outcome, report.sessions_behind) == ("ingested", 0)
    assert report.actions_through == SPLIT
    assert report.notes == ("AAPL: a split of 2 on 2005-02-28.",)
    assert setup.worst_return() < 0.2
    assert setup.wants() == "nothing"


@pytest.mark.parametrize(
    "refusal",
    [
        QuotaError("All 25 calls are spent.", renews_at=TOMORROW),
        ProviderDownError("It is down."),
        PermanentError("Premium alone."),
    ],
)
def test_a_jump_is_held_back_while_nobody_tells_what_it_is(
    tmp_path: Path, refusal: StockcastError
) -> None:
    setup = ActionsSetup(tmp_path, date(2005, 2, 18))
    setup.run_to(date(2005, 2, 25))
    setup.key.refusal = refusal
    setup.to_evening_of(date(2005, 3, 1))

    report = setup.ingest_ticker()

    assert (report.outcome, report.sessions_behind) == ("nothing_new", 2)
    assert "from 2005-02-28 on are held back" in report.notes[0]
    assert str(refusal) in report.notes[0]
    assert setup.bars().get_column("session")[-1] == date(2005, 2, 25)
    assert setup.ticker_states.get("AAPL").withheld_from == SPLIT
    assert setup.wants() == "nothing"  # not again in the same hour

    setup.key.refusal = None
    setup.clock.advance(hours=5)
    assert "may be a split" in setup.ingest.plan(["AAPL"])[0].reason
    told = setup.ingest_ticker()
    assert (told.outcome, told.sessions_behind) == ("ingested", 0)
    assert setup.ticker_states.get("AAPL").withheld_from is None
    assert setup.worst_return() < 0.2


def test_bars_before_a_jump_are_stored_all_the_same(tmp_path: Path) -> None:
    setup = ActionsSetup(tmp_path, date(2005, 3, 10))
    setup.key.refusal = ProviderDownError("It is down.")

    report = setup.ingest_ticker()

    assert (report.stored.inserted, report.bars, report.sessions_behind) == (91, 100, 9)
    assert setup.bars().get_column("session")[-1] == date(2005, 2, 25)


def test_a_true_crash_is_stored_once_it_is_known_that_there_was_no_split(tmp_path: Path) -> None:
    # AAPL fell by 51.9 %, just like a split of 2.
    setup = ActionsSetup(tmp_path, date(2000, 9, 22))
    setup.run_to(date(2000, 9, 28))
    setup.to_evening_of(CRASH)

    report = setup.ingest_ticker()

    assert report.notes == (
        "AAPL: the close of 2000-09-29 jumps like a split, but there was none: it is stored.",
    )
    assert setup.worst_return() == pytest.approx(0.5187, abs=1e-4)
    asked = setup.key.asked_actions
    setup.run_to(date(2000, 10, 13))
    # A split may be listed late: it is asked about on the next three sessions, then no more.
    assert setup.key.asked_actions == asked + 3
    assert setup.worst_return() == pytest.approx(0.5187, abs=1e-4)


def test_a_split_that_is_listed_a_session_late_is_a_crash_for_no_longer(tmp_path: Path) -> None:
    setup = ActionsSetup(tmp_path, date(2005, 2, 18))
    setup.run_to(date(2005, 2, 25))
    setup.key.listed_late = 2
    setup.run_to(SPLIT)
    assert setup.worst_return() > 0.4

    setup.run_to(date(2005, 3, 2))

    assert setup.worst_return() < 0.2
    assert setup.ticker_states.get("AAPL").unconfirmed_jump is None


def test_day_by_day_over_a_split_and_dividends_gives_the_adjusted_closes(tmp_path: Path) -> None:
    setup = ActionsSetup(tmp_path, date(2003, 2, 7))
    for session in xnys().between(date(2003, 2, 7), date(2003, 2, 28)):
        setup.to_evening_of(session)
        while setup.wants("MSFT") != "nothing":
            setup.ingest_ticker("MSFT")
    setup.clock.advance(days=30)
    setup.ingest.ingest_ticker("MSFT")
    setup.ingest_ticker("MSFT")  # bars, then actions

    adjusted = adjust_bars(setup.bars("MSFT")).get_column("close")

    given = sample_bars("MSFT").join(setup.bars("MSFT").select("session"), on="session", how="semi")
    expected = given.get_column("adj_close") * (adjusted[-1] / given.get_column("adj_close")[-1])
    assert adjusted.to_numpy() == pytest.approx(expected.to_numpy(), rel=1e-9)


def test_actions_that_were_paid_for_and_stored_are_not_paid_for_again(tmp_path: Path) -> None:
    setup = ActionsSetup(tmp_path, date(2012, 8, 31))
    setup.ingest_ticker()
    setup.ingest_ticker()
    # As after a kill between storing and remembering.
    setup.ticker_states.update("AAPL", actions_through=None, actions_at=None)

    report = setup.ingest_ticker()

    assert (report.outcome, report.actions_through) == ("nothing_new", date(2012, 8, 31))
    assert setup.key.asked_actions == 1
    assert setup.wants() == "nothing"


def test_actions_that_cannot_be_had_do_not_stop_the_bars(tmp_path: Path) -> None:
    setup = ActionsSetup(tmp_path, date(2012, 8, 31))
    setup.ingest_ticker()
    setup.key.refusal = PermanentError("Premium alone.")

    with pytest.raises(PermanentError):
        setup.ingest_ticker()

    assert setup.wants() == "nothing"
    setup.to_evening_of(date(2012, 9, 4))
    assert setup.ingest_ticker().outcome == "ingested"
    assert setup.key.asked_actions == 1


def test_a_spent_budget_of_actions_is_told_to_the_caller(tmp_path: Path) -> None:
    setup = ActionsSetup(tmp_path, date(2012, 8, 31))
    setup.ingest_ticker()
    setup.key.refusal = QuotaError("All 25 calls are spent.", renews_at=TOMORROW)

    with pytest.raises(QuotaError):
        setup.ingest_ticker()

    assert setup.wants() == "actions"
